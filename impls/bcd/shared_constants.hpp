#pragma once
// What many runs on one problem have in common: computed once, when first asked for.
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "impls/bcd/problem.hpp"
#include "impls/bcd/sliced_columns.hpp"

namespace ashlar::bcd {

/// The constants of Objective (see there) and columns of A'A. May be used by several threads at
/// once. Keeps a reference to the problem.
class SharedConstants {
 public:
  /// `gram_bytes`: how large the whole of A'A may be for its columns to be kept; each takes memory
  /// when it is first used. (Whether columns are used must not depend on what other runs did.)
  explicit SharedConstants(const Problem& problem, std::size_t gram_bytes = std::size_t{1} << 30);
  ~SharedConstants();
  SharedConstants(const SharedConstants&) = delete;
  SharedConstants& operator=(const SharedConstants&) = delete;

  const Problem& problem() const { return problem_; }
  std::span<const double> lipschitz();
  /// On `threads` threads; the result does not depend on how many.
  std::span<const double> row_sums(int threads);
  double bound_lambda_max();

  /// A's columns in slices; null where slice_columns() gives nothing.
  const SlicedColumns* sliced();

  bool keeps_gram() const { return !columns_.empty(); }
  /// Column j of A'A, one number per feature. Only where keeps_gram().
  const double* gram_column(Index j);

 private:
  std::vector<double> gram_row_sums(int threads) const;

  const Problem& problem_;
  std::once_flag lipschitz_once_;
  std::once_flag row_sums_once_;
  std::once_flag lambda_max_once_;
  std::once_flag sliced_once_;
  std::vector<double> lipschitz_;
  std::vector<double> row_sums_;
  double lambda_max_ = 0;
  std::optional<SlicedColumns> sliced_;
  std::vector<std::atomic<const double*>> columns_;
};

}  // namespace ashlar::bcd
