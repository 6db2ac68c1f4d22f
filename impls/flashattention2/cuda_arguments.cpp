#include "impls/flashattention2/cuda_arguments.hpp"

#include <cmath>
#include <numbers>

namespace ashlar::flashattention2::kernel {
namespace {

constexpr int kRows = ForwardConfig<64, false>::kRows;
static_assert(kRows == ForwardConfig<128, true>::kRows);
constexpr Index kLongest = Index{1} << 30;  // rows and columns are int in the kernel
constexpr Index kGridLimit = 65535;         // of the grid's y and z

Strides strides_of(const std::array<Index, 4>& strides) {
  return {strides[0], strides[1], strides[2]};
}

/// Copies are 16 bytes wide, so every row must start at a multiple of 16 bytes.
bool strides_fit(const std::array<Index, 4>& shape, const std::array<Index, 4>& strides) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (strides[axis] < 0) return false;
    if (shape[axis] > 1 && strides[axis] % kChunkElements != 0) return false;
  }
  return shape[3] <= 1 || strides[3] == 1;
}

Index row_blocks(const ForwardParams& params) { return (params.seqlen_q() + kRows - 1) / kRows; }

}  // namespace

std::optional<std::string> unsupported(const ForwardParams& params) {
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
  if (!strides_fit(params.q.shape, params.q.strides) ||
      !strides_fit(params.k.shape, params.k.strides) ||
      !strides_fit(params.v.shape, params.v.strides) ||
      !strides_fit(params.out.shape, params.out.strides)) {
    return "a stride that is negative or not a multiple of 8 elements";
  }
  return std::nullopt;
}

ForwardArguments forward_arguments(const ForwardParams& params) {
  ForwardArguments arguments;
  arguments.q = static_cast<const std::uint16_t*>(params.q.data);
  arguments.k = static_cast<const std::uint16_t*>(params.k.data);
  arguments.v = static_cast<const std::uint16_t*>(params.v.data);
  arguments.out = static_cast<std::uint16_t*>(params.out.data);
  arguments.lse = params.lse.data;
  arguments.q_strides = strides_of(params.q.strides);
  arguments.k_strides = strides_of(params.k.strides);
  arguments.v_strides = strides_of(params.v.strides);
  arguments.out_strides = strides_of(params.out.strides);
  arguments.lse_strides = {
      .batch = params.lse.strides[0], .row = params.lse.strides[2], .head = params.lse.strides[1]};
  arguments.group = static_cast<int>(params.heads_q() / params.heads_kv());
  arguments.seqlen_q = static_cast<int>(params.seqlen_q());
  arguments.seqlen_k = static_cast<int>(params.seqlen_k());
  arguments.row_blocks = static_cast<int>(row_blocks(params));
  arguments.scale_log2 = params.scale * std::numbers::log2e_v<float>;
  return arguments;
}

GridIndex forward_grid(const ForwardParams& params) {
  if (params.batch() == 0 || params.heads_q() == 0) return {};
  const Index group = params.heads_q() / params.heads_kv();
  return {static_cast<unsigned>(row_blocks(params) * group),
          static_cast<unsigned>(params.heads_kv()), static_cast<unsigned>(params.batch())};
}

}  // namespace ashlar::flashattention2::kernel
