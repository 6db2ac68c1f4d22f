#include "impls/flashattention2/backward_packing.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "hwy/highway.h"
#include "impls/core/half.hpp"

namespace ashlar::flashattention2 {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using core::BFloat16;
using core::Float16;
using Words = hn::FixedTag<std::uint32_t, 4>;

/// Calls action with a value of the storage type.
template <class Action>
auto with_element(core::DType dtype, Action&& action) {
  if (dtype == core::DType::f32) return action(float());
  if (dtype == core::DType::bf16) return action(BFloat16());
  return action(Float16());
}

template <class Element>
const Element* row_of(const HeadRows& rows, Index row) {
  const auto view = rows.tensor.as<Element>();
  return view.data + rows.batch * view.strides[0] + (rows.first + row) * view.strides[1] +
         rows.head * view.strides[2];
}

/// Rows of a head are a whole token apart, which no hardware prefetcher follows; asked for at once,
/// their misses overlap.
template <class Element>
void prefetch_rows(const HeadRows& rows, Index head_dim) {
  constexpr Index kLineElements = 64 / static_cast<Index>(sizeof(Element));
  for (Index row = 0; row < rows.count; ++row) {
    for (Index i = 0; i < head_dim; i += kLineElements) {
      __builtin_prefetch(row_of<Element>(rows, row) + i, 0, 2);
    }
  }
}

/// A row as floats.
template <class Element>
void widen(const Element* row, Index count, std::uint32_t* out) {
  for (Index i = 0; i < count; ++i) out[i] = std::bit_cast<std::uint32_t>(core::to_float(row[i]));
}

}  // namespace

void pack_along_depth(const HeadRows& rows, const BackwardShape& shape, Index padded,
                      std::uint32_t* out) {
  with_element(rows.tensor.dtype, [&]<class Element>(Element) {
    prefetch_rows<Element>(rows, shape.head_dim);
    for (Index row = 0; row < rows.count; ++row) {
      std::uint32_t* to = out + row * shape.along_depth_stride;
      const Element* from = row_of<Element>(rows, row);
      if (shape.step == 1) {
        widen(from, shape.head_dim, to);
      } else {
        to[shape.depth_words - 1] = 0;  // of which an odd head_dim leaves one half empty
        std::memcpy(to, from, static_cast<std::size_t>(shape.head_dim) * sizeof(Element));
      }
    }
  });
  std::fill(out + rows.count * shape.along_depth_stride, out + padded * shape.along_depth_stride,
            0u);
}

void pack_along_rows(const HeadRows& rows, const BackwardShape& shape, Index padded,
                     std::uint32_t* out) {
  if (shape.step == 1) return pack_along_depth(rows, shape, padded, out);
  for (Index row = 0; row < padded; row += 2) {
    std::uint32_t* to = out + row / 2 * shape.along_rows_stride;
    if (row >= rows.count) {
      std::fill(to, to + shape.along_rows_stride, 0u);
      continue;
    }
    const BFloat16* low = row_of<BFloat16>(rows, row);
    if (row + 1 < rows.count) {
      const BFloat16* high = row_of<BFloat16>(rows, row + 1);
      for (Index i = 0; i < shape.head_dim; ++i) {
        to[i] = low[i].bits | static_cast<std::uint32_t>(high[i].bits) << 16;
      }
    } else {
      for (Index i = 0; i < shape.head_dim; ++i) to[i] = low[i].bits;
    }
  }
}

void clear_packed_row(Index row, const BackwardShape& shape, std::uint32_t* along_depth,
                      std::uint32_t* along_rows) {
  std::fill_n(along_depth + row * shape.along_depth_stride, shape.depth_words, 0u);
  if (shape.step == 1) return;
  const std::uint32_t others = row % 2 == 0 ? 0xffff0000u : 0x0000ffffu;
  std::uint32_t* pairs = along_rows + row / 2 * shape.along_rows_stride;
  for (Index i = 0; i < shape.head_dim; ++i) pairs[i] &= others;
}

void transpose_into_panels(const std::uint32_t* along_depth, const BackwardShape& shape,
                           Index columns, std::uint32_t* out) {
  const Words d;
  const hn::Repartition<std::uint64_t, Words> wide;
  const Index stride = shape.along_depth_stride;
  for (Index first = 0; first < columns; first += shape.panel) {
    const Index width = std::min(shape.panel, columns - first);
    std::uint32_t* panel = out + first * shape.depth_words;
    for (Index column = 0; column < width; column += 4) {
      const std::uint32_t* from = along_depth + (first + column) * stride;
      std::uint32_t* to = panel + column;
      Index w = 0;
      for (; w + 4 <= shape.depth_words; w += 4) {
        const auto row0 = hn::Load(d, from + w);
        const auto row1 = hn::Load(d, from + w + stride);
        const auto row2 = hn::Load(d, from + w + 2 * stride);
        const auto row3 = hn::Load(d, from + w + 3 * stride);
        const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, row0, row1));
        const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, row0, row1));
        const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, row2, row3));
        const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, row2, row3));
        hn::Store(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, to + w * width);
        hn::Store(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, to + (w + 1) * width);
        hn::Store(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d,
                  to + (w + 2) * width);
        hn::Store(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d,
                  to + (w + 3) * width);
      }
      for (; w < shape.depth_words; ++w) {
        for (Index i = 0; i < 4; ++i) to[w * width + i] = from[i * stride + w];
      }
    }
  }
}

float row_dot(const core::ConstAnyView<4>& a, const core::ConstAnyView<4>& b, Index batch,
              Index row, Index head) {
  return with_element(a.dtype, [&]<class Element>(Element) {
    constexpr Index kSums = 16;  // independent, so that the loop vectorises
    const Element* x = &a.as<Element>()(batch, row, head, 0);
    const Element* y = &b.as<Element>()(batch, row, head, 0);
    float sums[kSums] = {};
    const Index count = a.shape[3];
    Index i = 0;
    for (; i + kSums <= count; i += kSums) {
      for (Index j = 0; j < kSums; ++j) {
        sums[j] += core::to_float(x[i + j]) * core::to_float(y[i + j]);
      }
    }
    for (; i < count; ++i) sums[i % kSums] += core::to_float(x[i]) * core::to_float(y[i]);
    for (Index half = kSums / 2; half > 0; half /= 2) {
      for (Index j = 0; j < half; ++j) sums[j] += sums[j + half];
    }
    return sums[0];
  });
}

void store_gradient_row(const core::AnyView<4>& to, Index batch, Index row, Index head,
                        float factor, const float* gradient) {
  with_element(to.dtype, [&]<class Element>(Element) {
    Element* out = &to.as<Element>()(batch, row, head, 0);
    for (Index i = 0; i < to.shape[3]; ++i)
      out[i] = core::from_float<Element>(factor * gradient[i]);
  });
}

}  // namespace ashlar::flashattention2
