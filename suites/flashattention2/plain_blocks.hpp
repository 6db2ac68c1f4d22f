#pragma once
// Blocks of rows and keys of one head, widened once: what plain attention is computed on. Internal.
#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "impls/core/parallel.hpp"
#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/plain.hpp"

namespace ashlar::flashattention2::suite::detail {

/// Rows are computed in blocks, as are keys: what is widened for one is widened for all, and sums
/// over the elements of a line run over a block of lines side by side. That is vectorised and keeps
/// the order of every sum, hence its bits.
constexpr std::size_t kBlock = 32;

using Floats = std::vector<float>;

/// Lines of one head, widened, one after another.
inline Floats widened(const core::ConstAnyView<4>& tensor, Index batch, Index head, Index first,
                      std::span<const Index> lines) {
  const auto width = static_cast<std::size_t>(tensor.shape[3]);
  Floats wide(lines.size() * width);
  core::visit_float_type(tensor.dtype, [&]<class T>() {
    const auto typed = tensor.as<T>();
    float* to = wide.data();
    for (const Index line : lines) {
      const T* from = &typed(batch, first + line, head, 0);
      for (std::size_t k = 0; k < width; ++k) {
        to[k] = static_cast<float>(core::to_float(from[static_cast<Index>(k) * typed.strides[3]]));
      }
      to += width;
    }
  });
  return wide;
}

/// Element after element: kBlock lines of each, zero beyond the last line. In double, as otherwise
/// a compiler may make products() a fused multiply-add in float, which rounds once and not twice.
using Turned = std::vector<double>;
inline Turned turned(const Floats& lines, std::size_t width) {
  Turned result(width * kBlock);
  for (std::size_t i = 0; i < lines.size() / width; ++i) {
    for (std::size_t k = 0; k < width; ++k) {
      result[k * kBlock + i] = static_cast<double>(lines[i * width + k]);
    }
  }
  return result;
}

/// <left, line> of turned lines: products in double, sums in Sum, element after element.
template <class Sum>
std::array<Sum, kBlock> products(const float* left, const Turned& turned_lines) {
  std::array<Sum, kBlock> sums{};
  for (std::size_t k = 0; k < turned_lines.size() / kBlock; ++k) {
    const auto factor = static_cast<double>(left[k]);
    const double* right = turned_lines.data() + k * kBlock;
    for (std::size_t i = 0; i < kBlock; ++i) {
      sums[i] += static_cast<Sum>(factor * right[i]);
    }
  }
  return sums;
}

/// sum += factor * line
template <class Sum>
void add(std::vector<Sum>& sum, Sum factor, const float* line) {
  for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += factor * static_cast<Sum>(line[k]);
}

inline bool of_one_head(const SampledRow& a, const SampledRow& b) {
  return a.sequence == b.sequence && a.head == b.head;
}
inline bool of_one_head(const SampledKey& a, const SampledKey& b) {
  return a.sequence == b.sequence && a.head_kv == b.head_kv;
}

/// The results of compute(block), a vector as long as the block, for blocks of lines of one head.
template <class Result, class Line, class Compute>
std::vector<Result> in_blocks(const std::vector<Line>& lines, const Compute& compute) {
  std::vector<std::size_t> begins;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool full = !begins.empty() && i - begins.back() == kBlock;
    if (begins.empty() || full || !of_one_head(lines[begins.back()], lines[i])) begins.push_back(i);
  }
  begins.push_back(lines.size());
  std::vector<Result> results(lines.size());
  core::parallel_for_dynamic(static_cast<Index>(begins.size()) - 1, [&](Index item, int) {
    const std::size_t begin = begins[static_cast<std::size_t>(item)];
    const std::size_t end = begins[static_cast<std::size_t>(item) + 1];
    std::vector<Result> some = compute(std::span(lines).subspan(begin, end - begin));
    std::move(some.begin(), some.end(), results.begin() + static_cast<Index>(begin));
  });
  return results;
}

/// Some rows of one head.
struct Rows {
  Sequence sequence;
  Index head;
  std::vector<Index> at;
  std::vector<RowElements> elements;

  Rows(const AttentionParams& params, Index id, Index head_in, std::vector<Index> at_in)
      : sequence(params.sequence(id)), head(head_in), at(std::move(at_in)) {
    for (const Index row : at) elements.emplace_back(params, id, head, row);
  }
  Floats lines(const core::ConstAnyView<4>& tensor) const {
    return widened(tensor, sequence.batch, head, sequence.first_q, at);
  }
  /// Where the statistics of a row are.
  std::size_t index(std::size_t i) const {
    return static_cast<std::size_t>(head * sequence.seqlen_q + at[i]);
  }
};

inline Rows rows_of(const AttentionParams& params, std::span<const SampledRow> block) {
  std::vector<Index> at;
  for (const SampledRow& one : block) at.push_back(one.row);
  return {params, block[0].sequence, block[0].head, std::move(at)};
}

/// Some keys of one head.
struct Keys {
  Sequence sequence;
  Index head;
  std::vector<Index> at;

  Floats lines(const core::ConstAnyView<4>& tensor) const {
    return widened(tensor, sequence.batch, head, sequence.first_k, at);
  }
};

/// Calls body(lines) for [begin, end) from the least begin to the greatest end of `ranges`, a block
/// at a time.
template <class Body>
void for_each_block(const std::vector<Range<Index>>& ranges, const Body& body) {
  Range<Index> all;
  for (const Range<Index>& one : ranges) {
    if (one.empty()) continue;
    all = all.empty() ? one
                      : Range<Index>{std::min(all.begin, one.begin), std::max(all.end, one.end)};
  }
  for (Index begin = all.begin; begin < all.end; begin += static_cast<Index>(kBlock)) {
    std::vector<Index> lines;
    for (Index i = begin; i < std::min(begin + static_cast<Index>(kBlock), all.end); ++i) {
      lines.push_back(i);
    }
    body(std::move(lines));
  }
}

/// The same over the keys that rows see.
template <class Body>
void for_each_block_of_keys(const AttentionParams& params, const Rows& rows, const Body& body) {
  std::vector<Range<Index>> seen;
  for (const RowElements& row : rows.elements) seen.push_back(row.columns());
  for_each_block(seen, [&](std::vector<Index> columns) {
    body(Keys{rows.sequence, params.kv_head(rows.head), std::move(columns)});
  });
}

}  // namespace ashlar::flashattention2::suite::detail
