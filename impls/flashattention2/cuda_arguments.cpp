#include "impls/flashattention2/cuda_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ashlar::flashattention2::kernel {
namespace {

constexpr int kRows = ForwardConfig<64, false>::kRows;
static_assert(kRows == ForwardConfig<128, true>::kRows);
constexpr Index kLongest = Index{1} << 30;  // rows and columns are int in the kernel
constexpr Index kGridLimit = 65535;         // of the grid's y and z
constexpr Index kGridLimitX = 0x7fffffff;

/// The stride of an axis that has one element is never taken, whatever it says. But tiles that
/// stick out of the tensor compute addresses with it, and even a copy of no bytes wants them
/// aligned.
template <std::size_t Rank>
Index stride_of(const std::array<Index, Rank>& shape, const std::array<Index, Rank>& strides,
                std::size_t axis) {
  return shape[axis] > 1 ? strides[axis] : 0;
}

template <class Tensor>
Strides strides_of(const Tensor& tensor) {
  return {.batch = stride_of(tensor.shape, tensor.strides, 0),
          .row = stride_of(tensor.shape, tensor.strides, 1),
          .head = stride_of(tensor.shape, tensor.strides, 2)};
}

/// Copies are 16 bytes wide, so every row must start at a multiple of 16 bytes.
template <class Tensor>
bool strides_fit(const Tensor& tensor) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const Index stride = stride_of(tensor.shape, tensor.strides, axis);
    if (stride < 0 || stride % kChunkElements != 0) return false;
  }
  return tensor.shape[3] <= 1 || tensor.strides[3] == 1;
}

/// Query heads per K/V head. (Without K/V heads, which validate_forward() refuses, as many as with
/// one.)
Index row_blocks(const AttentionParams& params) { return (params.seqlen_q() + kRows - 1) / kRows; }

}  // namespace

std::optional<std::string> unsupported(const AttentionParams& params) {
  if (params.q.dtype != core::DType::f16 && params.q.dtype != core::DType::bf16) {
    return "element type " + std::string(core::name_of(params.q.dtype)) + " (f16 and bf16 only)";
  }
  if (params.head_dim() != 64 && params.head_dim() != 128) {
    return "head size " + std::to_string(params.head_dim()) + " (64 and 128 only)";
  }
  if (!(params.scale > 0) || !std::isfinite(params.scale)) return "a scale that is not positive";
  if (params.seqlen_q() > kLongest || params.seqlen_k() > kLongest) {
    return "a sequence longer than 2^30";
  }
  if (params.heads_kv() > kGridLimit || params.batch() > kGridLimit) {
    return "more than 65535 K/V heads or batch entries";
  }
  if (row_blocks(params) * params.group() > kGridLimitX) {
    return "more than 2^31 - 1 blocks of rows that share K and V";
  }
  if (!strides_fit(params.q) || !strides_fit(params.k) || !strides_fit(params.v) ||
      !strides_fit(params.out)) {
    return "a stride that is negative or not a multiple of 8 elements";
  }
  return beyond(params, Features());
}

ForwardArguments forward_arguments(const AttentionParams& params) {
  ForwardArguments arguments;
  arguments.q = static_cast<const std::uint16_t*>(params.q.data);
  arguments.k = static_cast<const std::uint16_t*>(params.k.data);
  arguments.v = static_cast<const std::uint16_t*>(params.v.data);
  arguments.out = static_cast<std::uint16_t*>(params.out.data);
  arguments.lse = params.lse.data;
  arguments.q_strides = strides_of(params.q);
  arguments.k_strides = strides_of(params.k);
  arguments.v_strides = strides_of(params.v);
  arguments.out_strides = strides_of(params.out);
  arguments.lse_strides = {.batch = stride_of(params.lse.shape, params.lse.strides, 0),
                           .row = stride_of(params.lse.shape, params.lse.strides, 2),
                           .head = stride_of(params.lse.shape, params.lse.strides, 1)};
  arguments.group = static_cast<int>(params.group());
  arguments.seqlen_q = static_cast<int>(params.seqlen_q());
  arguments.seqlen_k = static_cast<int>(params.seqlen_k());
  arguments.row_blocks = static_cast<int>(row_blocks(params));
  arguments.scale_log2 = params.scale * std::numbers::log2e_v<float>;
  return arguments;
}

GridIndex forward_grid(const AttentionParams& params) {
  if (params.batch() == 0 || params.heads_q() == 0) return {};
  return {static_cast<unsigned>(row_blocks(params) * params.group()),
          static_cast<unsigned>(params.heads_kv()), static_cast<unsigned>(params.batch())};
}

}  // namespace ashlar::flashattention2::kernel
