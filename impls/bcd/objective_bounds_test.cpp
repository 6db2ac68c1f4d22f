// Constants of the losses, against dense matrices that are formed here.
#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "impls/bcd/lambda_max.hpp"
#include "impls/bcd/objective.hpp"
#include "impls/bcd/test_problems.hpp"

namespace ashlar::bcd::testing {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// A'A.
MatrixXd dense_gram(const FeatureMatrix& a) {
  MatrixXd dense = MatrixXd::Zero(a.rows, a.columns);
  for (Index r = 0; r < a.rows; ++r) {
    for (std::size_t e = 0; e < a.by_row.indices_of(r).size(); ++e) {
      dense(r, a.by_row.indices_of(r)[e]) = a.by_row.values_of(r)[e];
    }
  }
  return dense.transpose() * dense;
}

/// H as the interface defines it, with the kron written out.
MatrixXd dense_bound(const Problem& problem) {
  if (problem.loss == Loss::quadratic) {
    MatrixXd m = MatrixXd::Zero(problem.size(), problem.size());
    for (Index i = 0; i < problem.size(); ++i) {
      m(i, i) = problem.matrix->diagonal[i];
      for (std::size_t e = 0; e < problem.matrix->rest.indices_of(i).size(); ++e) {
        m(i, problem.matrix->rest.indices_of(i)[e]) = problem.matrix->rest.values_of(i)[e];
      }
    }
    return m;
  }
  const MatrixXd gram = dense_gram(*problem.features);
  if (problem.loss == Loss::least_squares) return gram;
  if (problem.loss == Loss::logistic) return 0.25 * gram;
  const Index classes = problem.classes;
  MatrixXd h(problem.size(), problem.size());
  for (Index i = 0; i < problem.size(); ++i) {
    for (Index j = 0; j < problem.size(); ++j) {
      const double same = i % classes == j % classes ? 1 : 0;
      h(i, j) = 0.5 * gram(i / classes, j / classes) * (same - 1.0 / classes);
    }
  }
  return h;
}

double largest_eigenvalue(const MatrixXd& m) {
  return Eigen::SelfAdjointEigenSolver<MatrixXd>(m, Eigen::EigenvaluesOnly)
      .eigenvalues()
      .tail<1>()[0];
}
double smallest_eigenvalue(const MatrixXd& m) {
  return Eigen::SelfAdjointEigenSolver<MatrixXd>(m, Eigen::EigenvaluesOnly).eigenvalues()[0];
}

MatrixXd bound_of(Objective& objective, const std::vector<Index>& block) {
  MatrixXd h(block.size(), block.size());
  objective.bound_block(block, {h.data(), static_cast<std::size_t>(h.size())});
  return h;
}
MatrixXd hessian_of(Objective& objective, const std::vector<Index>& block) {
  MatrixXd h(block.size(), block.size());
  objective.hessian_block(block, {h.data(), static_cast<std::size_t>(h.size())});
  return h;
}
std::vector<Index> everything(Index size) {
  std::vector<Index> all(static_cast<std::size_t>(size));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<Problem> problems_with_matrix_free_softmax() {
  std::vector<Problem> problems = small_problems();
  problems.push_back(make_random(Loss::softmax, {30, 20, 5, 0.3}, 12));
  return problems;
}

}  // namespace

TEST_CASE("constants are those of the dense matrix", "[objective]") {
  for (const Problem& problem : problems_with_matrix_free_softmax()) {
    INFO(name_of(problem.loss) << ", p = " << problem.size());
    const auto objective = make_reference_objective(problem);
    const MatrixXd h = dense_bound(problem);
    const VectorXd sums = h.cwiseAbs().rowwise().sum();
    Draws draws(2);
    const Vector v = draws.vector(static_cast<std::size_t>(problem.size()));
    Vector product(v.size());
    objective->bound_product(v, product);
    const VectorXd expected = h * Eigen::Map<const VectorXd>(v.data(), problem.size());
    for (Index i = 0; i < problem.size(); ++i) {
      CHECK(objective->row_sums()[i] == Approx(sums[i]).epsilon(1e-12));
      CHECK(product[i] ==
            Approx(expected[i]).epsilon(1e-12).margin(1e-12 * h.cwiseAbs().maxCoeff()));
      if (problem.loss == Loss::softmax) {
        const double norm = dense_gram(*problem.features)(i / problem.classes, i / problem.classes);
        CHECK(objective->lipschitz()[i] == Approx(0.25 * norm).epsilon(1e-12));
      } else {
        CHECK(objective->lipschitz()[i] == Approx(h(i, i)).epsilon(1e-12));
      }
    }
    const double largest = largest_eigenvalue(h);
    CHECK(objective->bound_lambda_max() >= largest);
    CHECK(objective->bound_lambda_max() <= largest * (1 + 1e-6));
    CHECK(objective->bound_lambda_max() <= sums.maxCoeff() * (1 + 1e-6));
  }
}

TEST_CASE("lambda_max from above where the largest eigenvalues are close or many", "[objective]") {
  const auto bound = [](const VectorXd& eigenvalues) {
    return largest_eigenvalue_from_above(static_cast<Index>(eigenvalues.size()),
                                         [&](auto v, auto out) {
                                           for (std::size_t i = 0; i < v.size(); ++i)
                                             out[i] = eigenvalues[i] * v[i];
                                         });
  };
  const auto expect = [&](const VectorXd& eigenvalues) {
    const double largest = eigenvalues.maxCoeff();
    CHECK(bound(eigenvalues) >= largest);
    CHECK(bound(eigenvalues) <= largest * (1 + 1e-6));
  };
  expect(VectorXd::Ones(40));
  expect(VectorXd::LinSpaced(1000, 1e-3, 1));
  VectorXd close = VectorXd::LinSpaced(300, 0, 1);
  close[7] = 1 + 1e-5;
  expect(close);
  VectorXd far = VectorXd::Constant(50, 1e-20);
  far[49] = 1e200;
  expect(far);
  CHECK(bound(VectorXd::Zero(5)) == 0);
  CHECK(bound(VectorXd::Constant(1, 3)) >= 3);
  // A lattice: eigenvalues crowd at the top, and several starts are needed.
  const Problem lattice = make_lattice(40, 40, 40, 3);
  const double found = make_reference_objective(lattice)->bound_lambda_max();
  const MatrixXd dense = dense_bound(lattice);
  const auto exceeds_all = [&](double value) {
    const MatrixXd identity = MatrixXd::Identity(dense.rows(), dense.cols());
    return Eigen::LLT<MatrixXd>(value * identity - dense).info() == Eigen::Success;
  };
  CHECK(exceeds_all(found));
  CHECK_FALSE(exceeds_all(found / (1 + 1e-6)));
}

TEST_CASE("lambda_max near the ends of the range of numbers", "[objective]") {
  for (const double scale : {1e-290, 1e290}) {
    const Product two_and_one = [&](auto v, auto out) {
      out[0] = 2 * scale * v[0];
      out[1] = scale * v[1];
    };
    CHECK(largest_eigenvalue_from_above(2, two_and_one) >= 2 * scale);
    CHECK(largest_eigenvalue_from_above(2, two_and_one) <= 2 * scale * (1 + 1e-6));
  }
  const Product infinite = [](auto v, auto out) {
    for (std::size_t i = 0; i < v.size(); ++i) out[i] = 1e300 * (1e300 * v[i]);
  };
  CHECK_THROWS_AS(largest_eigenvalue_from_above(3, infinite), std::invalid_argument);
}

TEST_CASE("a block of the bound lies above the Hessian's wherever x is", "[objective]") {
  for (const Problem& problem : problems_with_matrix_free_softmax()) {
    const auto objective = make_reference_objective(problem);
    Draws draws(4);
    for (const double scale : {0.0, 0.1, 1.0, 10.0}) {
      objective->set_x(draws.vector(static_cast<std::size_t>(problem.size()), scale));
      for (const Index take : {Index{1}, Index{3}, Index{7}, problem.size()}) {
        INFO(name_of(problem.loss)
             << ", p = " << problem.size() << ", |x| ~ " << scale << ", block " << take);
        const std::vector<Index> block = unsorted_block(problem.size(), take);
        const MatrixXd bound = bound_of(*objective, block);
        const MatrixXd hessian = hessian_of(*objective, block);
        CHECK(bound == bound.transpose());
        CHECK(hessian == hessian.transpose());
        CHECK(smallest_eigenvalue(bound - hessian) >= -1e-12 * bound.cwiseAbs().maxCoeff());
        CHECK(smallest_eigenvalue(hessian) >= -1e-12 * bound.cwiseAbs().maxCoeff());
        const bool quadratic =
            problem.loss == Loss::quadratic || problem.loss == Loss::least_squares;
        if (quadratic) CHECK(bound == hessian);
        // Control: half of it is no bound of a quadratic.
        if (quadratic) CHECK(smallest_eigenvalue(0.5 * bound - hessian) < 0);
      }
    }
  }
}

TEST_CASE("the published block of softmax is tighter than the matrix it is cut from",
          "[objective]") {
  const Problem problem = make_random(Loss::softmax, {30, 6, 5, 0.5}, 13);
  const auto objective = make_reference_objective(problem);
  const MatrixXd whole = dense_bound(problem);
  CHECK((bound_of(*objective, everything(problem.size())) - whole).cwiseAbs().maxCoeff() < 1e-13);
  // Of one class, q = 2: 0.25 A'A as in logistic regression; cut from the whole it is 0.4 A'A.
  const std::vector<Index> one_class{22, 2, 12};
  const MatrixXd bound = bound_of(*objective, one_class);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(bound(i, j) == Approx(0.25 / 0.4 * whole(one_class[i], one_class[j])).margin(1e-13));
    }
  }
  // Of two classes, q = 3.
  const std::vector<Index> two_classes{10, 11};
  const MatrixXd pair = bound_of(*objective, two_classes);
  const double norm = whole(10, 10) / 0.4;
  CHECK(pair(0, 0) == Approx(0.5 * norm * (1 - 1.0 / 3)));
  CHECK(pair(0, 1) == Approx(-0.5 * norm / 3));
  // It is attained: half the examples' weight on each of two classes reaches 0.25 of the curvature.
  Vector x(static_cast<std::size_t>(problem.size()), 0.0);
  for (Index f = 0; f < 6; ++f) x[5 * f + 2] = std::log(4.0);
  Problem ones = problem;
  const Vector dense(static_cast<std::size_t>(3), 1.0);
  ones.features = std::make_shared<const FeatureMatrix>(features_from_dense(3, 1, dense));
  ones.targets = {0, 1, 2};
  const auto sharp = make_reference_objective(ones);
  sharp->set_x({x.data(), 5});
  const std::vector<Index> middle{2};
  CHECK(hessian_of(*sharp, middle)(0, 0) == Approx(bound_of(*sharp, middle)(0, 0)).epsilon(1e-14));
}

TEST_CASE("L_b of a block lies between its largest L_i and their sum", "[objective]") {
  for (const Problem& problem : problems_with_matrix_free_softmax()) {
    if (problem.loss == Loss::softmax) continue;  // its L_i are not the bound's diagonal
    const auto objective = make_reference_objective(problem);
    const std::vector<Index> block = unsorted_block(problem.size(), 5);
    double largest = 0, sum = 0;
    for (const Index i : block) {
      largest = std::max(largest, objective->lipschitz()[i]);
      sum += objective->lipschitz()[i];
    }
    const double constant = largest_eigenvalue(bound_of(*objective, block));
    CHECK(constant >= largest * (1 - 1e-12));
    CHECK(constant <= sum * (1 + 1e-12));
  }
}

}  // namespace ashlar::bcd::testing
