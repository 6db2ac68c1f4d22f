#include "impls/bcd/block_rows.hpp"

#include <algorithm>

namespace ashlar::bcd {

void BlockRows::collect(const SparseLines& columns, Block block, Index classes) {
  if (std::ranges::equal(block, block_)) return;
  block_.assign(block.begin(), block.end());
  rows_.clear();
  for (const Index coordinate : block) {
    for (const Index row : columns.indices_of(coordinate / classes)) {
      if (counts_[row]++ == 0) rows_.push_back(row);
    }
  }
  starts_.resize(rows_.size() + 1);
  starts_[0] = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    starts_[i + 1] = starts_[i] + counts_[rows_[i]];
    counts_[rows_[i]] = static_cast<Index>(starts_[i]);
  }
  entries_.resize(static_cast<std::size_t>(starts_.back()));
  for (std::size_t place = 0; place < block.size(); ++place) {
    const auto rows = columns.indices_of(block[place] / classes);
    const auto values = columns.values_of(block[place] / classes);
    for (std::size_t e = 0; e < rows.size(); ++e) {
      entries_[counts_[rows[e]]++] = {static_cast<Index>(place), values[e]};
    }
  }
  for (const Index row : rows_) counts_[row] = 0;
}

double BlockRows::pairs() const {
  double sum = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const auto count = static_cast<double>(starts_[i + 1] - starts_[i]);
    sum += count * count;
  }
  return sum;
}

void mirror(std::span<double> matrix, std::size_t k) {
  for (std::size_t column = 0; column < k; ++column) {
    for (std::size_t row = column + 1; row < k; ++row) {
      matrix[column + row * k] = matrix[row + column * k];
    }
  }
}

}  // namespace ashlar::bcd
