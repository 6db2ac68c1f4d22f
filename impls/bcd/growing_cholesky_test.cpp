// Members join and leave; the factor against one of Eigen from the same members.
#include "impls/bcd/growing_cholesky.hpp"

#include <Eigen/Dense>
#include <catch2/catch.hpp>

#include "impls/bcd/test_problems.hpp"

namespace ashlar::bcd::testing {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

MatrixXd random_definite(Eigen::Index size, std::uint64_t seed) {
  Draws draws(seed);
  MatrixXd a(size + 3, size);
  for (double& element : a.reshaped()) element = draws.normal();
  return a.transpose() * a;
}

bool join(GrowingCholesky& factor, std::vector<Index>& members, const MatrixXd& h, Index i) {
  Vector beside;
  for (const Index member : members) beside.push_back(h(member, i));
  if (!factor.append(beside, h(i, i))) return false;
  members.push_back(i);
  return true;
}

double error_of_solution(const GrowingCholesky& factor, const std::vector<Index>& members,
                         const MatrixXd& h) {
  Draws draws(3);
  const Vector right = draws.vector(members.size());
  Vector x = right;
  factor.solve(x);
  const VectorXd product =
      h(members, members) * Eigen::Map<const VectorXd>(x.data(), factor.size());
  return distance({product.data(), right.size()}, right);
}

}  // namespace

TEST_CASE("a factor whose members come and go solves as a fresh one", "[cholesky]") {
  const Index size = 150;  // more than is reserved at first
  const MatrixXd h = random_definite(size, 1);
  GrowingCholesky factor;
  std::vector<Index> members;
  for (Index i = 0; i < size; ++i) {
    REQUIRE(join(factor, members, h, (7 * i) % size));
    // First, last and in between.
    if (i % 3 == 2) {
      const Index place = i % 2 == 0 ? i % factor.size() : (i % 4 == 1 ? 0 : factor.size() - 1);
      factor.remove(place);
      members.erase(members.begin() + place);
    }
    REQUIRE(factor.size() == static_cast<Index>(members.size()));
    if (i % 10 == 0) CHECK(error_of_solution(factor, members, h) < 1e-9);
  }
  CHECK(error_of_solution(factor, members, h) < 1e-9);
  // Control: of other members it is no factor.
  std::swap(members.front(), members.back());
  CHECK(error_of_solution(factor, members, h) > 1e-3);
  while (factor.size() > 0) factor.remove(factor.size() / 2);
  members.clear();
  REQUIRE(join(factor, members, h, 5));
  CHECK(error_of_solution(factor, members, h) < 1e-14);
}

TEST_CASE("what depends on the members does not join", "[cholesky]") {
  MatrixXd a(4, 4);
  a << 1, 2, 3, 0,  //
      0, 1, 1, 5,   //
      2, 0, 2, 1,   //
      1, 1, 2, 0;   // column 2 = column 0 + column 1
  const MatrixXd h = a.transpose() * a;
  GrowingCholesky factor;
  std::vector<Index> members;
  CHECK(join(factor, members, h, 0));
  CHECK_FALSE(join(factor, members, h, 0));
  CHECK(join(factor, members, h, 1));
  CHECK_FALSE(join(factor, members, h, 2));
  CHECK(join(factor, members, h, 3));
  CHECK(error_of_solution(factor, members, h) < 1e-12);
  factor.remove(0);
  members.erase(members.begin());
  CHECK(join(factor, members, h, 2));
  CHECK(error_of_solution(factor, members, h) < 1e-12);
  GrowingCholesky empty;
  CHECK_FALSE(empty.append({}, 0.0));
}

}  // namespace ashlar::bcd::testing
