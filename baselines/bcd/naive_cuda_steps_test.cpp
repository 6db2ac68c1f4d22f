// What threads do in the plain kernels, done by loops on the CPU, against the dense objective.
#include "baselines/bcd/naive_cuda_steps.hpp"

#include <vector>

#include <catch2/catch.hpp>

#include "baselines/bcd/naive.hpp"
#include "impls/bcd/test_problems.hpp"

namespace ashlar::bcd::baselines {
namespace naive_cuda_steps_test {
namespace {

using namespace bcd::testing;

constexpr Index kThreads = 8;

struct HostDense {
  explicit HostDense(const Problem& problem)
      : values(static_cast<std::size_t>(problem.features->rows) *
               static_cast<std::size_t>(problem.features->columns)) {
    const FeatureMatrix& features = *problem.features;
    for (Index row = 0; row < features.rows; ++row) {
      const auto indices = features.by_row.indices_of(row);
      for (std::size_t e = 0; e < indices.size(); ++e)
        values[row * static_cast<std::size_t>(features.columns) + indices[e]] =
            features.by_row.values_of(row)[e];
    }
    const bool logistic = problem.loss == Loss::logistic;
    dense = {features.rows,
             features.columns,
             logistic,
             logistic ? 0.25 : 1,
             problem.penalty.nonnegative ? problem.penalty.lambda : 0,
             values.data(),
             problem.targets.data()};
  }

  Vector gradient(const Vector& x) const {
    Vector slopes;
    for (Index row = 0; row < dense.rows; ++row) {
      double parts[kThreads];
      for (Index t = 0; t < kThreads; ++t)
        parts[t] = naive_row_part(dense, x.data(), row, t, kThreads);
      for (Index half = kThreads / 2; half > 0; half /= 2) {
        for (Index t = 0; t < half; ++t) parts[t] += parts[t + half];
      }
      slopes.push_back(naive_slope(dense, row, parts[0]));
    }
    Vector gradient;
    for (Index column = 0; column < dense.columns; ++column)
      gradient.push_back(naive_column_sum(dense, slopes.data(), column));
    return gradient;
  }

  std::vector<double> values;
  NaiveDense dense;
};

bool has_plain_kernels(const Problem& problem) {
  return problem.loss == Loss::least_squares || problem.loss == Loss::logistic;
}

}  // namespace

TEST_CASE("plain kernels' threads make the dense objective's gradients and blocks") {
  int tested = 0;
  for (const Problem& problem : small_problems_and_penalised()) {
    if (!has_plain_kernels(problem)) continue;
    const HostDense host(problem);
    const auto naive = make_naive_objective(problem);
    Draws draws(3);
    for (const double scale : {0.0, 1.0, 100.0, 1e4}) {
      const Vector x = draws.vector(static_cast<std::size_t>(problem.size()), scale);
      naive->set_x(x);
      INFO(name_of(problem.loss) << ", p = " << problem.size() << ", |x| ~ " << scale);
      const auto expected = naive->gradient();
      CHECK(distance(host.gradient(x), expected) <= 1e-12 * (1 + magnitude(expected)));
    }
    const std::vector<Index> block = unsorted_block(problem.size(), 5);
    const std::size_t size = block.size();
    Vector expected(size * size);
    naive->bound_block(block, expected);
    for (std::size_t entry = 0; entry < expected.size(); ++entry) {
      const double found = naive_gram(host.dense, block[entry % size], block[entry / size]);
      CHECK(std::abs(found - expected[entry]) <= 1e-12 * (1 + magnitude(expected)));
    }
    ++tested;
  }
  CHECK(tested == 10);
}

TEST_CASE("a plain slope has no overflow, and a wrong sign is found") {
  const double targets[] = {1, -1};
  NaiveDense dense{2, 1, true, 0.25, 0, nullptr, targets};
  CHECK(naive_slope(dense, 0, 1e5) == 0);
  CHECK(naive_slope(dense, 0, -1e5) == -1);
  CHECK(naive_slope(dense, 1, 1e5) == 1);
  CHECK(naive_slope(dense, 1, -1e5) == 0);
  CHECK(naive_slope(dense, 0, 0) == -0.5);
  dense.logistic = false;
  CHECK(naive_slope(dense, 1, 3) == 4);
}

}  // namespace naive_cuda_steps_test
}  // namespace ashlar::bcd::baselines
