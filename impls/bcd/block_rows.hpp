#pragma once
// The columns of a block, by row: what a move changes, and the blocks of A'WA.
#include <cstdint>
#include <span>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// Assembling H_b by rows costs m_r^2 / 2 multiply-adds per row with m_r entries in the block: at a
/// density of 7 % and k = 100 a fifteenth of what k^2 / 2 dots over scattered columns cost.
class BlockRows {
 public:
  struct Entry {
    Index place;  // in the block
    double value;
  };

  explicit BlockRows(Index rows) : counts_(static_cast<std::size_t>(rows), 0) {}

  /// Coordinate i of the block is column block[i] / classes. A block that was collected last is not
  /// collected again.
  void collect(const SparseLines& columns, Block block, Index classes = 1);

  /// Rows with an entry, each once, in no particular order.
  std::span<const Index> rows() const { return rows_; }
  /// Those of rows()[i], by rising place.
  std::span<const Entry> entries_of(std::size_t i) const {
    return {entries_.data() + starts_[i], entries_.data() + starts_[i + 1]};
  }
  std::int64_t entries() const { return static_cast<std::int64_t>(entries_.size()); }
  /// Sum of the squared numbers of entries of rows.
  double pairs() const;

 private:
  std::vector<Index> block_;
  std::vector<Index> counts_;  // of each row; 0 between calls
  std::vector<Index> rows_;
  std::vector<std::int64_t> starts_;
  std::vector<Entry> entries_;
};

/// Fills the upper triangle of a k x k matrix (column after column) from the lower one.
void mirror(std::span<double> matrix, std::size_t k);

}  // namespace ashlar::bcd
