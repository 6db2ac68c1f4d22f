#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "impls/bcd/data.hpp"
#include "impls/bcd/neighbours.hpp"
#include "impls/bcd/problem.hpp"
#include "impls/bcd/random_problem.hpp"

namespace ashlar::bcd {
namespace validate_test {

using Catch::Matchers::Contains;
constexpr double kInf = std::numeric_limits<double>::infinity();

Problem dense_problem(Loss loss, Index rows, Index columns, const std::vector<double>& row_major,
                      std::vector<double> targets, Index classes = 1) {
  Problem problem;
  problem.loss = loss;
  problem.features = std::make_shared<FeatureMatrix>(features_from_dense(rows, columns, row_major));
  problem.targets = std::move(targets);
  problem.classes = classes;
  return problem;
}

Problem quadratic(Index size, const std::vector<double>& dense) {
  auto matrix = std::make_shared<SymmetricMatrix>();
  std::vector<double> rest = dense;
  for (Index i = 0; i < size; ++i) {
    matrix->diagonal.push_back(dense[i * size + i]);
    rest[i * size + i] = 0;
  }
  matrix->rest = features_from_dense(size, size, rest).by_row;
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.matrix = std::move(matrix);
  problem.linear.assign(static_cast<std::size_t>(size), 1.0);
  return problem;
}

// What `problem` holds, to be damaged.
FeatureMatrix& features_of(Problem& problem) {
  auto copy = std::make_shared<FeatureMatrix>(*problem.features);
  FeatureMatrix& features = *copy;
  problem.features = std::move(copy);
  return features;
}
SymmetricMatrix& matrix_of(Problem& problem) {
  auto copy = std::make_shared<SymmetricMatrix>(*problem.matrix);
  SymmetricMatrix& matrix = *copy;
  problem.matrix = std::move(copy);
  return matrix;
}

std::string refusal(const Problem& problem) {
  try {
    validate(problem);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

Problem regression() {
  return dense_problem(Loss::least_squares, 3, 2, {1, 0, 0, 2, 3, 4}, {1, 2, 3});
}

TEST_CASE("the paper's data sets and random problems are valid", "[validate]") {
  CHECK_NOTHROW(validate(make_a_prime(1, kPaperPenalty)));
  CHECK_NOTHROW(validate(make_b()));
  CHECK_NOTHROW(validate(make_c()));
  CHECK_NOTHROW(validate(make_d()));
  CHECK_NOTHROW(validate(make_e_prime()));
  for (const Loss loss : {Loss::least_squares, Loss::logistic, Loss::softmax, Loss::quadratic}) {
    for (const Index rows : {1, 3, 20}) {
      for (const Index columns : {1, 7, 20}) {
        const RandomShape shape{.rows = rows, .columns = columns, .classes = 4, .density = 0.2};
        CHECK_NOTHROW(validate(make_random(loss, shape, 5)));
      }
    }
    CHECK(make_random(loss, {}, 1).size() == (loss == Loss::softmax ? 30 : 10));
    CHECK_THROWS_AS(make_random(loss, {.columns = 0}, 1), std::invalid_argument);
    CHECK_THROWS_AS(make_random(loss, {.density = 1.5}, 1), std::invalid_argument);
  }
}

TEST_CASE("legal degenerate problems are valid", "[validate]") {
  // Duplicate columns, equal L_i, one row, one column.
  CHECK(refusal(dense_problem(Loss::least_squares, 2, 3, {1, 1, 1, 2, 2, 2}, {0, 0})) ==
        "accepted");
  CHECK(refusal(dense_problem(Loss::logistic, 1, 3, {1, 1, -1}, {-1})) == "accepted");
  CHECK(refusal(dense_problem(Loss::softmax, 3, 1, {1, 1, 1}, {0, 0, 0}, 2)) == "accepted");
  CHECK(refusal(quadratic(1, {3})) == "accepted");
  // An unknown all of whose neighbours are labelled, beside a pair.
  CHECK(refusal(quadratic(3, {4, 0, 0, 0, 2, -1, 0, -1, 1})) == "accepted");
  // Positive definite, though no row dominates and signs are mixed.
  CHECK(refusal(quadratic(3, {2, 1.5, 1.2, 1.5, 2, 1.5, 1.2, 1.5, 2})) == "accepted");
  // An entry that is stored though it is 0.
  Problem stored = regression();
  FeatureMatrix& features = features_of(stored);
  features.by_row.values[3] = 0;
  features.by_column.values[3] = 0;
  CHECK(refusal(stored) == "accepted");
}

TEST_CASE("NaN and infinity are named", "[validate]") {
  Problem problem = regression();
  FeatureMatrix& features = features_of(problem);
  features.by_row.values[2] = std::nan("");
  CHECK_THAT(refusal(problem), Contains("least squares: row 2, column 0 is nan"));
  features.by_row.values[1] = kInf;
  CHECK_THAT(refusal(problem), Contains("row 1, column 1 is inf"));
  problem = regression();
  problem.targets[1] = -kInf;
  CHECK_THAT(refusal(problem), Contains("target of row 1 is -inf"));

  Problem system = quadratic(2, {2, -1, -1, 2});
  system.linear[1] = std::nan("");
  CHECK_THAT(refusal(system), Contains("c of unknown 1 is nan"));
  system = quadratic(2, {2, -1, -1, 2});
  matrix_of(system).diagonal[1] = kInf;
  CHECK_THAT(refusal(system), Contains("M_ii of unknown 1 is inf"));
  system = quadratic(2, {2, -1, -1, 2});
  matrix_of(system).rest.values[0] = std::nan("");
  CHECK_THAT(refusal(system), Contains("M of unknown 0 and unknown 1 is nan"));
  system = regression();
  system.penalty.lambda = std::nan("");
  CHECK_THAT(refusal(system), Contains("lambda is nan"));
  system.penalty.lambda = -1;
  CHECK_THAT(refusal(system), Contains("lambda is -1"));
}

TEST_CASE("empty rows and columns are named", "[validate]") {
  CHECK_THAT(refusal(dense_problem(Loss::logistic, 3, 2, {1, 1, 0, 0, 0, 0}, {1, 1, 1})),
             Contains("logistic: row 1 has no entry but 0"));
  CHECK_THAT(refusal(dense_problem(Loss::least_squares, 2, 3, {1, 0, 0, 1, 0, 0}, {1, 1})),
             Contains("column 1 has no entry but 0, so that L_i = 0"));
  CHECK_THAT(refusal(dense_problem(Loss::least_squares, 1, 2, {1, 1e-200}, {1})),
             Contains("the squares of column 1 sum to 0; scale the column"));
  CHECK_THAT(refusal(dense_problem(Loss::least_squares, 1, 2, {1, 1e200}, {1})),
             Contains("the squares of column 1 sum to inf"));
}

TEST_CASE("targets of another kind are named", "[validate]") {
  CHECK_THAT(refusal(dense_problem(Loss::logistic, 2, 1, {1, 1}, {1, 0})),
             Contains("target of row 1 is 0; it must be -1 or 1"));
  for (const double target : {2.0, -1.0, 0.5, std::nan("")}) {
    CHECK_THAT(refusal(dense_problem(Loss::softmax, 2, 1, {1, 1}, {1, target}, 2)),
               Contains("a class from 0 to 1"));
  }
  CHECK_THAT(refusal(dense_problem(Loss::softmax, 2, 1, {1, 1}, {0, 0}, 1)), Contains("1 classes"));
  CHECK_THAT(refusal(dense_problem(Loss::softmax, 1, 3, {1, 1, 1}, {0}, 1 << 30)),
             Contains("2^31 unknowns or more"));
}

TEST_CASE("features whose sizes do not fit are refused", "[validate]") {
  Problem problem;
  CHECK_THAT(refusal(problem), Contains("no feature matrix"));
  problem.features = std::make_shared<FeatureMatrix>();
  CHECK_THAT(refusal(problem), Contains("0 x 0"));
  problem = regression();
  problem.targets.pop_back();
  CHECK_THAT(refusal(problem), Contains("2 targets for 3 rows"));

  const auto damaged = [](auto&& damage) {
    Problem one = regression();
    damage(features_of(one));
    return refusal(one);
  };
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_row.starts.pop_back(); }),
             Contains("3 starts of rows"));
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_row.values.pop_back(); }),
             Contains("4 indices and 3 values"));
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_row.starts[1] = 7; }),
             Contains("row 0 starts at"));
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_row.starts[2] = 0; }),
             Contains("row 1 starts at"));
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_row.indices[1] = 2; }),
             Contains("row 1 has column 2"));
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_row.indices[1] = -1; }),
             Contains("row 1 has column -1"));
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_row.indices[3] = 0; }), Contains("must rise"));
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_column.indices[0] = 1; }),
             Contains("row 0, column 0 differs"));
  CHECK_THAT(damaged([](FeatureMatrix& a) { a.by_column.values[3] = 5; }),
             Contains("row 2, column 1 differs"));
  CHECK_THAT(damaged([](FeatureMatrix& a) {
               a.by_column.starts = {0, 3, 5};
               a.by_column.indices = {0, 1, 2, 1, 2};
               a.by_column.values = {1, 9, 3, 2, 4};
             }),
             Contains("row 2, column 0 differs"));
  CHECK_THAT(damaged([](FeatureMatrix& a) {
               a.by_column.starts = {0, 2, 5};
               a.by_column.indices = {0, 2, 0, 1, 2};
               a.by_column.values = {1, 3, 0, 2, 4};
             }),
             Contains("row 1, column 1 differs"));
}

TEST_CASE("quadratics whose sizes do not fit are refused", "[validate]") {
  Problem problem;
  problem.loss = Loss::quadratic;
  CHECK(problem.size() == 0);
  CHECK_THAT(refusal(problem), Contains("there is no matrix"));
  problem = quadratic(2, {2, -1, -1, 2});
  problem.linear.push_back(0);
  CHECK_THAT(refusal(problem), Contains("c has 3 numbers, M is 2 x 2"));
  problem = make_lattice(3, 3, 1, 1);
  problem.lattice->nodes.pop_back();
  CHECK_THAT(refusal(problem), Contains("nodes of 7 unknowns, M of 8"));
  problem = make_lattice(3, 3, 1, 1);
  problem.lattice->nodes[1] = problem.lattice->nodes[0];
  CHECK_THAT(refusal(problem), Contains("unknown 1 is at node"));
  problem = make_lattice(3, 3, 1, 1);
  problem.lattice->columns = 2;
  CHECK_THAT(refusal(problem), Contains("be below 6"));
  problem.lattice->columns = 0;
  CHECK_THAT(refusal(problem), Contains("3 x 0"));
}

TEST_CASE("a matrix that is not symmetric is refused", "[validate]") {
  CHECK_THAT(refusal(quadratic(2, {2, -1, -0.5, 2})),
             Contains("not symmetric at unknown 0 and unknown 1"));
  CHECK_THAT(refusal(quadratic(2, {2, -1, 0, 2})),
             Contains("not symmetric at unknown 0 and unknown 1"));
  CHECK_THAT(refusal(quadratic(3, {2, 0, 0, 0, 2, 0, 1, 0, 2})),
             Contains("not symmetric at unknown 2 and unknown 0"));
  Problem twice = quadratic(2, {2, -1, -1, 2});
  matrix_of(twice).rest.indices[0] = 0;
  CHECK_THAT(refusal(twice), Contains("unknown 0 has its M_ii among"));
}

TEST_CASE("a matrix that is not positive definite is refused by the place", "[validate]") {
  CHECK_THAT(refusal(quadratic(2, {1, 0, 0, 0})), Contains("M_ii of unknown 1 is 0"));
  CHECK_THAT(refusal(quadratic(2, {1, 0, 0, -2})), Contains("M_ii of unknown 1 is -2"));
  // Of three unknowns the last two are indefinite.
  const std::string indefinite = refusal(quadratic(3, {1, 0, 0, 0, 1, 2, 0, 2, 1}));
  CHECK_THAT(indefinite, Contains("not positive definite: the pivot of unknown"));
  CHECK_THAT(indefinite, !Contains("unknown 0"));
  // Singular without being a Laplacian: the kernel is (1, -1).
  CHECK_THAT(refusal(quadratic(2, {1, 1, 1, 1})), Contains("not positive definite"));
  // As the one above that is accepted, but for one sign: det < 0.
  CHECK_THAT(refusal(quadratic(3, {2, 1.5, 1.2, 1.5, 2, -1.5, 1.2, -1.5, 2})),
             Contains("not positive definite"));
  // Singular up to rounding: rank 2.
  const double third = 1.0 / 3;
  CHECK_THAT(refusal(quadratic(3, {1 + third * third, third, 1, third, 1, 0, 1, 0, 1})),
             Contains("not positive definite"));
}

TEST_CASE("a component of the graph without a labelled neighbour is refused", "[validate]") {
  CHECK_THAT(refusal(quadratic(2, {1, -1, -1, 1})),
             Contains("M is singular: of unknown 0 and the 1 others"));
  // Three and two unknowns; the two have no label. Weights of a tenth do not sum exactly.
  CHECK_THAT(refusal(quadratic(5, {0.1 + 0.2 + 0.3,
                                   -0.1,
                                   0,
                                   0,
                                   -0.2,  //
                                   -0.1,
                                   0.2,
                                   0,
                                   0,
                                   -0.1,  //
                                   0,
                                   0,
                                   0.7,
                                   -0.7,
                                   0,  //
                                   0,
                                   0,
                                   -0.7,
                                   0.7,
                                   0,  //
                                   -0.2,
                                   -0.1,
                                   0,
                                   0,
                                   0.3})),
             Contains("of unknown 2 and the 1 others"));
  // A lattice says where.
  LabelledLattice all_but{
      .rows = 3, .columns = 3, .weight = 1, .nodes = {3, 4, 5}, .labels = {1, 2, 3}};
  Problem lattice = make_lattice(all_but);
  CHECK(refusal(lattice) == "accepted");
  SymmetricMatrix& matrix = matrix_of(lattice);
  for (const Index unknown : {3, 4, 5}) matrix.diagonal[unknown] -= 1;  // as if cut off there
  CHECK_THAT(refusal(lattice),
             Contains("of unknown 3 (row 0, column 2 of the lattice) and the 2 others"));
}

TEST_CASE("losses have names", "[validate]") {
  CHECK(name_of(Loss::least_squares) == "least squares");
  CHECK(name_of(Loss::logistic) == "logistic");
  CHECK(name_of(Loss::softmax) == "softmax");
  CHECK(name_of(Loss::quadratic) == "quadratic");
}

}  // namespace validate_test
}  // namespace ashlar::bcd
