// Sums, places and classes are those of the published generator's steps in NumPy 2.4.
#include "impls/bcd/data.hpp"

#include <Eigen/Sparse>
#include <Eigen/SparseCholesky>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

namespace ashlar::bcd {
namespace data_test {

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double weighted_sum(const std::vector<double>& values) {
  double total = 0;
  for (std::size_t i = 0; i < values.size(); ++i) total += values[i] * static_cast<double>(i + 1);
  return total;
}

Eigen::SparseMatrix<double> eigen(const SymmetricMatrix& matrix) {
  std::vector<Eigen::Triplet<double>> entries;
  for (Index i = 0; i < matrix.size(); ++i) {
    entries.emplace_back(i, i, matrix.diagonal[i]);
    for (std::int64_t e = matrix.rest.starts[i]; e < matrix.rest.starts[i + 1]; ++e) {
      entries.emplace_back(i, matrix.rest.indices[e], matrix.rest.values[e]);
    }
  }
  Eigen::SparseMatrix<double> out(matrix.size(), matrix.size());
  out.setFromTriplets(entries.begin(), entries.end());
  return out;
}

double optimum(const Problem& problem) {
  const Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> factors(eigen(*problem.matrix));
  REQUIRE(factors.info() == Eigen::Success);
  const Eigen::Map<const Eigen::VectorXd> c(problem.linear.data(), problem.matrix->size());
  const Eigen::VectorXd x = factors.solve(c);
  return -0.5 * c.dot(x);
}

void check_features(const Problem& problem, std::int64_t entries, double total) {
  const FeatureMatrix& features = *problem.features;
  CHECK(features.by_row.entries() == entries);
  CHECK(features.by_column.entries() == entries);
  CHECK(sum(features.by_row.values) == Approx(total).epsilon(1e-9));
}

TEST_CASE("A' and B share features and differ in targets", "[data]") {
  const Problem a = make_a_prime();
  CHECK(a.loss == Loss::least_squares);
  CHECK(a.features->rows == 1000);
  CHECK(a.size() == 10000);
  check_features(a, 691366, -68148.10648853703);
  const SparseLines& rows = a.features->by_row;
  CHECK(rows.indices[0] == 8);
  CHECK(rows.indices[1] == 19);
  CHECK(rows.indices[2] == 28);
  CHECK(rows.values[0] == Approx(-7.03922694).epsilon(1e-8));
  CHECK(rows.indices.back() == 9963);
  CHECK(rows.values.back() == Approx(5.205860431576529).epsilon(1e-14));
  double start = 0;
  for (const double y : a.targets) start += 0.5 * y * y;
  CHECK(start == Approx(5975807.350228907).epsilon(1e-13));
  CHECK(a.targets.front() == Approx(18.50790581).epsilon(1e-9));
  CHECK(a.targets.back() == Approx(-63.984209735845816).epsilon(1e-12));

  const Problem b = make_b();
  CHECK(b.loss == Loss::logistic);
  CHECK(b.features->by_row.values == a.features->by_row.values);
  CHECK(b.features->by_row.indices == a.features->by_row.indices);
  CHECK(std::count(b.targets.begin(), b.targets.end(), 1.0) == 550);
  CHECK(std::count(b.targets.begin(), b.targets.end(), -1.0) == 450);
  CHECK(weighted_sum(b.targets) == 51300);
  // The noise of A' is 1 where A w is some 100, so that y < 0 there tells who is flipped: 112 in
  // NumPy.
  int flipped = 0;
  for (std::size_t row = 0; row < a.targets.size(); ++row) {
    flipped += (a.targets[row] < 0) != (b.targets[row] < 0);
  }
  CHECK(std::abs(flipped - 112) < 10);
}

TEST_CASE("another seed gives other data, the same seed the same", "[data]") {
  const Problem one = make_a_prime(2, kPaperPenalty, {60, 40});
  const Problem same = make_a_prime(2, {}, {60, 40});
  const Problem other = make_a_prime(3, {}, {60, 40});
  CHECK(one.penalty.lambda == 50000);
  CHECK(one.penalty.nonnegative);
  CHECK(same.penalty.lambda == 0);
  CHECK(one.targets == same.targets);
  CHECK(one.features->by_row.values == same.features->by_row.values);
  CHECK(one.targets != other.targets);
}

TEST_CASE("C has fifty classes", "[data]") {
  const Problem c = make_c();
  CHECK(c.loss == Loss::softmax);
  CHECK(c.size() == 50000);
  check_features(c, 69276, 9038.396091543798);
  const std::vector<double> first(c.targets.begin(), c.targets.begin() + 10);
  CHECK(first == std::vector<double>{42, 45, 35, 46, 24, 38, 40, 18, 2, 5});
  CHECK(weighted_sum(c.targets) == 12000659);
}

TEST_CASE("D has the published optimum", "[data]") {
  const Problem d = make_d();
  CHECK(d.loss == Loss::quadratic);
  CHECK(d.size() == 2400);
  const LabelledLattice drawn = draw_lattice(50, 50, 100, 1);
  CHECK(drawn.nodes[0] == 1406);
  CHECK(drawn.nodes[1] == 297);
  CHECK(drawn.nodes[99] == 1918);
  CHECK(drawn.labels[0] == Approx(-5.618763462688589).epsilon(1e-14));
  CHECK(drawn.labels[99] == Approx(3.9583055113614787).epsilon(1e-14));
  CHECK(optimum(d) == Approx(-1045999575.2270696).epsilon(1e-12));
  CHECK(optimum(make_d(2)) != Approx(-1045999575.2270696).epsilon(1e-3));
}

// The definition, word by word, from all pairs of nodes.
void check_lattice(const LabelledLattice& drawn) {
  INFO(drawn.rows << " x " << drawn.columns);
  const Problem problem = make_lattice(drawn);
  const Lattice& lattice = *problem.lattice;
  CHECK(lattice.rows == drawn.rows);
  CHECK(lattice.columns == drawn.columns);
  const Index nodes = drawn.rows * drawn.columns;
  REQUIRE(problem.size() == nodes - static_cast<Index>(drawn.nodes.size()));
  REQUIRE(lattice.nodes.size() == static_cast<std::size_t>(problem.size()));
  CHECK(std::is_sorted(lattice.nodes.begin(), lattice.nodes.end()));
  const Eigen::MatrixXd matrix(eigen(*problem.matrix));
  for (Index i = 0; i < problem.size(); ++i) {
    const Index node = lattice.nodes[i];
    const auto adjacent = [&](Index other) {
      return std::abs(node / drawn.rows - other / drawn.rows) +
                 std::abs(node % drawn.rows - other % drawn.rows) ==
             1;
    };
    double degree = 0, linear = 0;
    for (Index other = 0; other < nodes; ++other) degree += adjacent(other);
    for (std::size_t k = 0; k < drawn.nodes.size(); ++k) {
      CHECK(drawn.nodes[k] != node);
      if (adjacent(drawn.nodes[k])) linear += drawn.weight * drawn.labels[k];
    }
    CHECK(problem.linear[i] == Approx(linear).epsilon(1e-14));
    for (Index j = 0; j < problem.size(); ++j) {
      const double expected = i == j                       ? degree * drawn.weight
                              : adjacent(lattice.nodes[j]) ? -drawn.weight
                                                           : 0.0;
      CHECK(matrix(i, j) == expected);
    }
    const auto line = problem.matrix->rest.indices_of(i);
    CHECK(std::is_sorted(line.begin(), line.end()));
  }
}

TEST_CASE("lattices of odd shapes are what the definition says", "[data]") {
  check_lattice(draw_lattice(1, 2, 1, 1));
  check_lattice(draw_lattice(2, 2, 1, 2));
  check_lattice(draw_lattice(1, 9, 2, 3, 2.5));
  check_lattice(draw_lattice(9, 1, 8, 4));
  check_lattice(draw_lattice(4, 7, 5, 5));
  check_lattice(draw_lattice(7, 4, 14, 6));
  // A row whose nodes all have labels: the rest falls into two parts.
  LabelledLattice split{
      .rows = 3, .columns = 3, .weight = 1, .nodes = {4, 1, 7}, .labels = {1, 0, -1}};
  check_lattice(split);
}

TEST_CASE("lattices that cannot be are refused", "[data]") {
  CHECK_THROWS_AS(draw_lattice(0, 5, 1, 1), std::invalid_argument);
  CHECK_THROWS_AS(draw_lattice(5, -1, 1, 1), std::invalid_argument);
  CHECK_THROWS_AS(draw_lattice(65536, 65536, 1, 1), std::invalid_argument);
  CHECK_THROWS_AS(draw_lattice(2, 2, 0, 1), std::invalid_argument);
  CHECK_THROWS_AS(draw_lattice(2, 2, 4, 1), std::invalid_argument);
  CHECK_THROWS_AS(draw_lattice(2, 2, 1, 1, 0), std::invalid_argument);
  CHECK_THROWS_AS(draw_lattice(2, 2, 1, 1, std::nan("")), std::invalid_argument);
}

}  // namespace data_test
}  // namespace ashlar::bcd
