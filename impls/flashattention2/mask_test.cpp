// The integers behind masks against brute force over everything small, and int against
// std::int64_t where lengths are near what int allows.
#include "impls/flashattention2/mask.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2 {
namespace {

/// The definition: row r stands at column r + seqlen_k - seqlen_q.
template <class Int>
bool sees(const Mask<Int>& mask, Int row, Int column) {
  const Int distance = column - (row + mask.seqlen_k - mask.seqlen_q);
  return (mask.left < 0 || distance >= -mask.left) && (mask.right < 0 || distance <= mask.right);
}

/// Calls body(mask) for all masks of few rows and columns.
template <class Int, class Body>
void for_each_small_mask(const Body& body) {
  for (Int seqlen_q = 0; seqlen_q <= 6; ++seqlen_q) {
    for (Int seqlen_k = 0; seqlen_k <= 7; ++seqlen_k) {
      for (const Int left : {-1, 0, 1, 2, 5, 9}) {
        for (const Int right : {-1, 0, 1, 3, 8}) {
          body(Mask<Int>{seqlen_q, seqlen_k, left, right});
        }
      }
    }
  }
}

/// Whether the range is exactly the elements of [0, length) with that property.
template <class Int, class Property>
bool is_exactly(const Range<Int>& range, Int length, const Property& property) {
  if (range.begin > range.end || range.begin < 0 || range.end > length) return false;
  for (Int i = 0; i < length; ++i) {
    if (range.contains(i) != property(i)) return false;
  }
  return true;
}

/// Holds the blocks that one tile visits against brute force: lines [lines.begin, lines.end) of
/// `line_count`, blocks of `block` of `length` elements.
template <class Int, class Sees>
bool right_blocks(const BlockRange<Int>& blocks, const Range<Int>& lines, Int line_count,
                  Int length, Int block, bool ragged_is_whole, const Sees& see) {
  const auto count = [&](Int b) {  // visible pairs of tile and block
    Int pairs = 0;
    for (Int line = lines.begin; line < std::min(lines.end, line_count); ++line) {
      for (Int i = b * block; i < std::min((b + 1) * block, length); ++i) pairs += see(line, i);
    }
    return pairs;
  };
  const Int existing_lines = std::min(lines.end, line_count) - lines.begin;
  Int whole_seen = 0;
  for (Int b = 0; b < divide_up(length, block); ++b) {
    const Int existing = std::min(block, length - b * block);
    const bool whole =
        count(b) == existing_lines * existing && (existing == block || ragged_is_whole);
    // A block between two visited ones is visited even when empty, which intervals do not allow.
    if (blocks.visit.contains(b) != (count(b) > 0)) return false;
    if (blocks.whole.contains(b) != whole) return false;
    whole_seen += whole;
  }
  if (blocks.visit.end > divide_up(length, block)) return false;
  const bool inside = blocks.whole.empty() || (blocks.whole.begin >= blocks.visit.begin &&
                                               blocks.whole.end <= blocks.visit.end);
  return inside && blocks.whole.size() == whole_seen;
}

}  // namespace

TEMPLATE_TEST_CASE("alignment: columns of rows and rows of columns, by brute force", "[mask]", int,
                   std::int64_t) {
  bool right = true;
  for_each_small_mask<TestType>([&](const Mask<TestType>& mask) {
    // Rows of padding answer by the formula, too.
    for (TestType row = -3; row < mask.seqlen_q + 5; ++row) {
      right = right && is_exactly(mask.columns(row), mask.seqlen_k,
                                  [&](TestType c) { return sees(mask, row, c); });
    }
    for (TestType column = -3; column < mask.seqlen_k + 5; ++column) {
      right = right && is_exactly(mask.rows(column), mask.seqlen_q,
                                  [&](TestType r) { return sees(mask, r, column); });
    }
    right = right && (mask.is_full() == (mask.left < 0 && mask.right < 0));
  });
  CHECK(right);
}

TEMPLATE_TEST_CASE("alignment: ends of rows and columns never decrease", "[mask]", int,
                   std::int64_t) {
  bool ordered = true;
  for_each_small_mask<TestType>([&](const Mask<TestType>& mask) {
    for (TestType row = 1; row < mask.seqlen_q; ++row) {
      ordered = ordered && mask.columns(row).begin >= mask.columns(row - 1).begin &&
                mask.columns(row).end >= mask.columns(row - 1).end;
    }
    for (TestType column = 1; column < mask.seqlen_k; ++column) {
      ordered = ordered && mask.rows(column).begin >= mask.rows(column - 1).begin &&
                mask.rows(column).end >= mask.rows(column - 1).end;
    }
  });
  CHECK(ordered);
}

TEMPLATE_TEST_CASE("alignment: blocks that tiles visit, by brute force", "[mask]", int,
                   std::int64_t) {
  using Int = TestType;
  bool columns_right = true;
  bool rows_right = true;
  for_each_small_mask<Int>([&](const Mask<Int>& mask) {
    for (const Int tile : {1, 2, 3, 4, 8}) {
      for (const Int block : {1, 2, 3, 5, 8}) {
        for (const bool ragged : {false, true}) {
          for (Int begin = 0; begin < mask.seqlen_q; begin += tile) {
            const Range<Int> lines{begin, begin + tile};
            columns_right = columns_right && right_blocks(column_blocks(mask, lines, block, ragged),
                                                          lines, mask.seqlen_q, mask.seqlen_k,
                                                          block, ragged, [&](Int row, Int column) {
                                                            return sees(mask, row, column);
                                                          });
          }
          for (Int begin = 0; begin < mask.seqlen_k; begin += tile) {
            const Range<Int> lines{begin, begin + tile};
            rows_right = rows_right &&
                         right_blocks(row_blocks(mask, lines, block, ragged), lines, mask.seqlen_k,
                                      mask.seqlen_q, block, ragged,
                                      [&](Int column, Int row) { return sees(mask, row, column); });
          }
        }
      }
    }
  });
  CHECK(columns_right);
  CHECK(rows_right);
}

TEST_CASE("alignment: int answers as std::int64_t does for lengths near 2^30", "[mask]") {
  constexpr int kMost = (1 << 30) - 1;
  bool same = true;
  const auto equal = [&](const Range<int>& narrow, const Range<std::int64_t>& wide) {
    same = same && narrow.begin == wide.begin && narrow.end == wide.end;
  };
  for (const int seqlen_q : {1, 1000, kMost - 1, kMost}) {
    for (const int seqlen_k : {1, 777, kMost - 3, kMost}) {
      for (const int left : {-1, 0, 1000, kMost}) {
        for (const int right : {-1, 0, 999, kMost}) {
          const Mask<int> narrow{seqlen_q, seqlen_k, left, right};
          const Mask<std::int64_t> wide{seqlen_q, seqlen_k, left, right};
          for (const int row : {0, seqlen_q / 2, seqlen_q - 1}) {
            equal(narrow.columns(row), wide.columns(row));
            const int begin = row / 128 * 128;
            const auto some = column_blocks<int>(narrow, {begin, begin + 128}, 64);
            const auto all = column_blocks<std::int64_t>(wide, {begin, begin + 128}, 64);
            equal(some.visit, all.visit);
            equal(some.whole, all.whole);
          }
          for (const int column : {0, seqlen_k / 2, seqlen_k - 1}) {
            equal(narrow.rows(column), wide.rows(column));
            const int begin = column / 128 * 128;
            const auto some = row_blocks<int>(narrow, {begin, begin + 128}, 64);
            const auto all = row_blocks<std::int64_t>(wide, {begin, begin + 128}, 64);
            equal(some.visit, all.visit);
            equal(some.whole, all.whole);
          }
        }
      }
    }
  }
  CHECK(same);
}

TEST_CASE("alignment: visible pairs are counted over sequences and heads", "[mask]") {
  using testing::Problem;
  using testing::Shape;
  for (const Window& window : {Window{}, Window{2, 1}, Window{0, 0}, Window{-1, 3}}) {
    for (const bool causal : {false, true}) {
      Shape shape{0, 0, 8, causal, core::DType::f32, 1, 3, 1};
      shape.window = window;
      Problem problem(testing::packed_shape(shape, {{5, 9}, {0, 3}, {4, 0}, {9, 5}, {1, 1}}));
      const AttentionParams params = problem.params();
      Index expected = 0;
      for (Index id = 0; id < params.sequences(); ++id) {
        const Mask<Index> mask = params.mask(params.sequence(id));
        for (Index row = 0; row < mask.seqlen_q; ++row) {
          for (Index column = 0; column < mask.seqlen_k; ++column) {
            expected += sees(mask, row, column) ? 3 : 0;
          }
        }
      }
      CHECK(visible_pairs(params) == expected);
    }
  }
}

}  // namespace ashlar::flashattention2
