#pragma once
// Sparse matrices of the problems: a feature matrix by columns and by rows, and a symmetric matrix
// with the graph of its off-diagonal entries.
#include <cstdint>
#include <span>
#include <vector>

namespace ashlar::bcd {

/// Coordinates, rows, nodes: 4 bytes, so that an entry of a matrix takes 12.
using Index = std::int32_t;
/// A set of coordinates that is updated together. No coordinate twice.
using Block = std::span<const Index>;

/// One orientation of a sparse matrix: entries of line i are [starts[i], starts[i + 1]), with
/// `indices` rising within a line and no index twice.
struct SparseLines {
  std::vector<std::int64_t> starts;  // lines + 1
  std::vector<Index> indices;
  std::vector<double> values;

  Index lines() const { return static_cast<Index>(starts.size()) - 1; }
  std::int64_t entries() const { return starts.empty() ? 0 : starts.back(); }
  std::span<const Index> indices_of(Index line) const {
    return {indices.data() + starts[line], indices.data() + starts[line + 1]};
  }
  std::span<const double> values_of(Index line) const {
    return {values.data() + starts[line], values.data() + starts[line + 1]};
  }
};

/// A, n x p (examples x features).
struct FeatureMatrix {
  Index rows = 0;
  Index columns = 0;
  SparseLines by_column;
  SparseLines by_row;
};

/// The other orientation of `lines` with `others` lines.
SparseLines transposed(const SparseLines& lines, Index others);
/// Entries that are exactly 0 are not stored.
FeatureMatrix features_from_dense(Index rows, Index columns, std::span<const double> row_major);
FeatureMatrix features_from_rows(Index columns, SparseLines by_row);

/// M, p x p, symmetric: its diagonal, and both triangles of the rest. The rest is the graph: i and
/// j are neighbours where M_ij is stored.
struct SymmetricMatrix {
  std::vector<double> diagonal;  // p
  SparseLines rest;              // p lines

  Index size() const { return static_cast<Index>(diagonal.size()); }
};

}  // namespace ashlar::bcd
