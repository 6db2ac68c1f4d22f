#pragma once
// How the unfused baselines lay out rows and scores. Internal.
#include <cstddef>
#include <type_traits>

#include "baselines/flashattention2/vector_softmax.hpp"
#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines::unfused {

/// Where row `row` of a head begins in a (batch, seqlen, heads, head_dim) tensor.
template <class Any>
auto* row_of(const Any& tensor, Index batch, Index row, Index head) {
  const Index offset =
      batch * tensor.strides[0] + row * tensor.strides[1] + head * tensor.strides[2];
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(tensor.data)>>,
                                  const std::byte, std::byte>;
  return static_cast<Byte*>(tensor.data) + offset * static_cast<Index>(size_of(tensor.dtype));
}

/// Rows of one head that follow each other without gaps.
template <class Any>
bool dense_rows(const Any& tensor) {
  return tensor.shape[1] <= 1 || tensor.strides[1] == tensor.shape[3];
}

template <class Any>
bool rows_overlap(const Any& tensor) {
  return tensor.shape[1] > 1 && tensor.strides[1] < tensor.shape[3];
}

/// Floats between rows of scores. Rows a multiple of a kilobyte apart fall into few sets of the
/// first cache, which costs the first product up to 11 %; but a gap between rows costs the second
/// one its fast kernel where it reads them as weights (single precision), and a chunk's product its
/// own. Measured at 512 to 4096 columns: a gap pays for bf16 beyond chunks, and for single
/// precision only where both rows and head_dim are large.
inline Index score_stride(bool narrow, Index rows, Index width, Index head_dim) {
  const Index stride = padded_width(width);
  const bool gap = narrow ? rows > 256 : rows >= 4096 && head_dim >= 128;
  return gap && stride % 256 == 0 ? stride + kSoftmaxPadding : stride;
}

/// Rounded up to whole cache lines.
inline std::size_t aligned(Index bytes) {
  constexpr std::size_t kLine = core::AlignedBuffer::kAlignment;
  return (static_cast<std::size_t>(bytes) + kLine - 1) / kLine * kLine;
}

inline std::size_t matrix_bytes(Index rows, Index stride, core::DType dtype) {
  return aligned(rows * stride * static_cast<Index>(size_of(dtype)));
}

}  // namespace ashlar::flashattention2::baselines::unfused
