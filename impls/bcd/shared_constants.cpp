#include "impls/bcd/shared_constants.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "impls/bcd/gram.hpp"
#include "impls/bcd/objective.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

std::size_t kept_columns(const Problem& problem, std::size_t gram_bytes) {
  if (!problem.features) return 0;
  const auto columns = static_cast<std::size_t>(problem.features->columns);
  return columns * columns * sizeof(double) <= gram_bytes ? columns : 0;
}

/// H is `factor` times A'A for one class, and has the same diagonal and row sums for all classes of
/// a feature.
void spread_over_classes(double factor, Index classes, std::vector<double>& constants) {
  std::vector<double> all;
  all.reserve(constants.size() * static_cast<std::size_t>(classes));
  for (const double constant : constants) {
    all.insert(all.end(), static_cast<std::size_t>(classes), factor * constant);
  }
  constants = std::move(all);
}

}  // namespace

SharedConstants::SharedConstants(const Problem& problem, std::size_t gram_bytes)
    : problem_(problem), columns_(kept_columns(problem, gram_bytes)) {}

SharedConstants::~SharedConstants() {
  for (const auto& column : columns_) delete[] column.load(std::memory_order_relaxed);
}

std::span<const double> SharedConstants::lipschitz() {
  std::call_once(lipschitz_once_, [&] {
    if (problem_.loss == Loss::quadratic) {
      lipschitz_ = problem_.matrix->diagonal;
      return;
    }
    lipschitz_ = squared_norms(problem_.features->by_column);
    const double factor = problem_.loss == Loss::least_squares ? 1 : 0.25;
    spread_over_classes(factor, problem_.classes, lipschitz_);
  });
  return lipschitz_;
}

std::span<const double> SharedConstants::row_sums(int threads) {
  std::call_once(row_sums_once_, [&] {
    if (problem_.loss == Loss::quadratic) {
      const SymmetricMatrix& m = *problem_.matrix;
      for (Index i = 0; i < m.size(); ++i) {
        double beside = 0;
        for (const double value : m.rest.values_of(i)) beside += std::abs(value);
        row_sums_.push_back(std::abs(m.diagonal[i]) + beside);
      }
      return;
    }
    row_sums_ = gram_row_sums(threads);
    double factor = 1;
    if (problem_.loss == Loss::logistic) factor = 0.25;
    if (problem_.loss == Loss::softmax) factor = 1 - 1 / static_cast<double>(problem_.classes);
    spread_over_classes(factor, problem_.classes, row_sums_);
  });
  return row_sums_;
}

double SharedConstants::bound_lambda_max() {
  std::call_once(lambda_max_once_,
                 [&] { lambda_max_ = make_reference_objective(problem_)->bound_lambda_max(); });
  return lambda_max_;
}

const SlicedColumns* SharedConstants::sliced() {
  if (!problem_.features) return nullptr;
  std::call_once(sliced_once_, [&] { sliced_ = slice_columns(*problem_.features); });
  return sliced_ ? &*sliced_ : nullptr;
}

const double* SharedConstants::gram_column(Index j) {
  auto& kept = columns_[static_cast<std::size_t>(j)];
  if (const double* column = kept.load(std::memory_order_acquire)) return column;
  const core::Range range("gram column", j);
  const FeatureMatrix& a = *problem_.features;
  auto column = std::make_unique<double[]>(static_cast<std::size_t>(a.columns));
  for (std::int64_t at = a.by_column.starts[j]; at < a.by_column.starts[j + 1]; ++at) {
    const Index row = a.by_column.indices[at];
    const double value = a.by_column.values[at];
    for (std::int64_t e = a.by_row.starts[row]; e < a.by_row.starts[row + 1]; ++e) {
      column[a.by_row.indices[e]] += value * a.by_row.values[e];
    }
  }
  // Of two threads that made the same numbers, one gives way.
  const double* none = nullptr;
  if (!kept.compare_exchange_strong(none, column.get(), std::memory_order_acq_rel)) return none;
  return column.release();
}

/// sum_j |(A'A)_ij|: only j >= i are computed, each counts for both. Columns are dealt out in a
/// fixed number of shares that are summed in order, whoever computes them.
std::vector<double> SharedConstants::gram_row_sums(int threads) const {
  const core::Range range("row sums");
  constexpr Index kShares = 16;
  const FeatureMatrix& a = *problem_.features;
  const auto size = static_cast<std::size_t>(a.columns);
  std::vector<std::vector<double>> shares(kShares);
  core::parallel_for_dynamic(
      kShares,
      [&](std::int64_t share, int) {
        std::vector<double>& sums = shares[static_cast<std::size_t>(share)];
        sums.assign(size, 0);
        std::vector<double> line(size, 0);
        std::vector<std::int64_t> next(a.by_row.starts.begin(), a.by_row.starts.end() - 1);
        for (auto i = static_cast<Index>(share); i < a.columns; i += kShares) {
          for (std::int64_t at = a.by_column.starts[i]; at < a.by_column.starts[i + 1]; ++at) {
            const Index row = a.by_column.indices[at];
            const double value = a.by_column.values[at];
            std::int64_t e = next[row];
            while (a.by_row.indices[e] < i) ++e;
            next[row] = e;
            for (; e < a.by_row.starts[row + 1]; ++e) {
              line[a.by_row.indices[e]] += value * a.by_row.values[e];
            }
          }
          double own = std::abs(line[i]);
          line[i] = 0;
          for (Index j = i + 1; j < a.columns; ++j) {
            const double entry = std::abs(line[j]);
            own += entry;
            sums[j] += entry;
            line[j] = 0;
          }
          sums[i] += own;
        }
      },
      threads);
  for (Index share = 1; share < kShares; ++share) {
    for (std::size_t i = 0; i < size; ++i) shares[0][i] += shares[share][i];
  }
  return std::move(shares[0]);
}

}  // namespace ashlar::bcd
