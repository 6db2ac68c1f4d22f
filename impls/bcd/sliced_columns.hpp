#pragma once
// Columns of a sparse matrix side by side, for products of all of them with one vector: lanes take
// a column each, so that there are no sums across lanes and no short ends of columns, and an entry
// is 10 bytes. (SELL-C-sigma; Kreutzer et al., SIAM J. Sci. Comput. 36, 2014.)
#include <cstdint>
#include <optional>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// Entry e of the column in lane l of slice s is at starts[s] + e * kSide + l. Shorter columns of a
/// slice end in entries of value 0 in their last row.
struct SlicedColumns {
  static constexpr Index kSide = 8;

  std::vector<std::int64_t> starts;  // slices + 1
  std::vector<Index> columns;        // kSide per slice; -1 in lanes without a column
  std::vector<double> values;
  std::vector<std::uint16_t> rows;

  Index slices() const { return static_cast<Index>(starts.size()) - 1; }
};

/// Nothing where A has more than 65536 rows, or where neighbouring columns differ so much in length
/// that more than an eighth would be padding.
std::optional<SlicedColumns> slice_columns(const FeatureMatrix& a);

}  // namespace ashlar::bcd
