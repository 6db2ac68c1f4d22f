#pragma once
// Which columns a row sees, and which tiles a mask leaves whole, cuts or empties: the integers
// behind causal masks and sliding windows, for the CPU and for kernels.
//
// Row r of a sequence with seqlen_q queries and seqlen_k keys stands at column r + (seqlen_k -
// seqlen_q): masks are aligned to the bottom right. It sees the columns from `left` before that
// place to `right` after it, both included. Windows are intervals, so the columns of a row, the
// rows of a column and the tiles of a block are intervals too, and their ends never decrease from
// one row (column, block) to the next: everything below rests on that.
//
// `Int` is std::int64_t on the CPU and int in kernels. Lengths must be below 2^30 for int.
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"

namespace ashlar::flashattention2 {

/// [begin, end); empty ranges have begin == end.
template <class Int>
struct Range {
  Int begin = 0;
  Int end = 0;
  ASHLAR_HOST_DEVICE constexpr Int size() const { return end - begin; }
  ASHLAR_HOST_DEVICE constexpr bool empty() const { return begin == end; }
  ASHLAR_HOST_DEVICE constexpr bool contains(Int i) const { return i >= begin && i < end; }
  constexpr bool operator==(const Range&) const = default;
};

template <class Int>
ASHLAR_HOST_DEVICE constexpr Int clamp_to(Int value, Int low, Int high) {
  return value < low ? low : (value > high ? high : value);
}

/// value / step, rounded up; value >= 0.
template <class Int>
ASHLAR_HOST_DEVICE constexpr Int divide_up(Int value, Int step) {
  return (value + step - 1) / step;
}

template <class Int>
struct Mask {
  Int seqlen_q = 0;
  Int seqlen_k = 0;
  Int left = -1;   // columns seen before the row's own place; negative: all
  Int right = -1;  // and after it; negative: all; 0: causal

  ASHLAR_HOST_DEVICE constexpr Int offset() const { return seqlen_k - seqlen_q; }
  ASHLAR_HOST_DEVICE constexpr bool is_full() const { return left < 0 && right < 0; }

  /// Columns that a row sees. `row` may be outside of [0, seqlen_q): the answer is then that of the
  /// formula, as for padding rows of a tile.
  ASHLAR_HOST_DEVICE constexpr Range<Int> columns(Int row) const {
    const Int place = row + offset();
    const Int begin = left < 0 ? Int{0} : clamp_to<Int>(place - left, 0, seqlen_k);
    const Int end = right < 0 ? seqlen_k : clamp_to<Int>(place + right + 1, 0, seqlen_k);
    return {begin, end < begin ? begin : end};
  }

  /// Rows that see a column: what the backward pass walks along.
  ASHLAR_HOST_DEVICE constexpr Range<Int> rows(Int column) const {
    const Int place = column - offset();
    const Int begin = right < 0 ? Int{0} : clamp_to<Int>(place - right, 0, seqlen_q);
    const Int end = left < 0 ? seqlen_q : clamp_to<Int>(place + left + 1, 0, seqlen_q);
    return {begin, end < begin ? begin : end};
  }

  ASHLAR_HOST_DEVICE constexpr bool visible(Int row, Int column) const {
    return columns(row).contains(column);
  }
};

/// The blocks that one tile row (or tile column) has to visit: [visit.begin, visit.end) hold
/// something visible; every element of the blocks [whole.begin, whole.end) is visible, so only the
/// blocks of `visit` outside of `whole` need mask code. `whole` lies inside of `visit`.
template <class Int>
struct BlockRange {
  Range<Int> visit;
  Range<Int> whole;
};

namespace detail {

/// `first` and `last` are what the first and the last line of the tile see of `length` elements in
/// blocks of `block`. A ragged last block is whole when what exists of it is visible and
/// `ragged_is_whole`.
template <class Int>
ASHLAR_HOST_DEVICE constexpr BlockRange<Int> blocks_between(Range<Int> first, Range<Int> last,
                                                            Int length, Int block,
                                                            bool ragged_is_whole) {
  BlockRange<Int> blocks;
  // Ends never decrease along the lines, so what any of them sees lies between these two.
  if (first.begin >= last.end) return blocks;
  blocks.visit = {first.begin / block, divide_up(last.end, block)};
  const Int common_begin = divide_up(last.begin, block);
  const Int common_end =
      first.end == length && ragged_is_whole ? divide_up(first.end, block) : first.end / block;
  if (common_begin < common_end) {
    blocks.whole = {common_begin, common_end};
  } else {
    blocks.whole = {blocks.visit.end, blocks.visit.end};
  }
  return blocks;
}

}  // namespace detail

/// Column blocks of `columns` that the rows [rows.begin, rows.end) visit. Rows past seqlen_q do not
/// count; there must be at least one that exists. With `ragged_is_whole` a last block that sticks
/// out of the keys counts as whole when its keys are visible (for code that knows where keys end).
template <class Int>
ASHLAR_HOST_DEVICE constexpr BlockRange<Int> column_blocks(const Mask<Int>& mask, Range<Int> rows,
                                                           Int columns,
                                                           bool ragged_is_whole = false) {
  const Int last = (rows.end < mask.seqlen_q ? rows.end : mask.seqlen_q) - 1;
  return detail::blocks_between<Int>(mask.columns(rows.begin), mask.columns(last), mask.seqlen_k,
                                     columns, ragged_is_whole);
}

/// Row blocks of `rows` that see something of the columns [columns.begin, columns.end), of which at
/// least one must exist.
template <class Int>
ASHLAR_HOST_DEVICE constexpr BlockRange<Int> row_blocks(const Mask<Int>& mask, Range<Int> columns,
                                                        Int rows, bool ragged_is_whole = false) {
  const Int last = (columns.end < mask.seqlen_k ? columns.end : mask.seqlen_k) - 1;
  return detail::blocks_between<Int>(mask.rows(columns.begin), mask.rows(last), mask.seqlen_q, rows,
                                     ragged_is_whole);
}

}  // namespace ashlar::flashattention2
