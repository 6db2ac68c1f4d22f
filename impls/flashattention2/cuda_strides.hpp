#pragma once
// What the plans of both passes ask of tensors and lengths. Internal to this folder.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <numbers>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_features.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"

namespace ashlar::flashattention2::kernel {

inline constexpr Index kLongest = Index{1} << 30;  // rows and columns are int in the kernels
inline constexpr Index kGridLimit = 65535;         // of the grid's y and z

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

inline Strides lse_strides_of(const AttentionParams& params) {
  return {.batch = stride_of(params.lse.shape, params.lse.strides, 0),
          .row = stride_of(params.lse.shape, params.lse.strides, 2),
          .head = stride_of(params.lse.shape, params.lse.strides, 1)};
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

/// Why kernels for these head sizes cannot take types, scale, lengths or the tensors of both
/// passes.
inline std::optional<std::string> common_unsupported(const AttentionParams& params,
                                                     std::initializer_list<int> head_dims) {
  if (params.q.dtype != core::DType::f16 && params.q.dtype != core::DType::bf16) {
    return "element type " + std::string(core::name_of(params.q.dtype)) + " (f16 and bf16 only)";
  }
  if (std::find(head_dims.begin(), head_dims.end(), params.head_dim()) == head_dims.end()) {
    return fmt::format("head size {} ({} only)", params.head_dim(), fmt::join(head_dims, ", "));
  }
  if (!(params.scale > 0) || !std::isfinite(params.scale)) return "a scale that is not positive";
  if (params.seqlen_q() > kLongest || params.seqlen_k() > kLongest) {
    return "a sequence longer than 2^30";
  }
  if (!strides_fit(params.q) || !strides_fit(params.k) || !strides_fit(params.v) ||
      !strides_fit(params.out)) {
    return "a stride that is negative or not a multiple of 8 elements";
  }
  return std::nullopt;
}

/// Tensors of the forward pass, which all arguments have.
template <class Arguments>
void set_forward_tensors(Arguments& arguments, const AttentionParams& params) {
  arguments.q = static_cast<const std::uint16_t*>(params.q.data);
  arguments.k = static_cast<const std::uint16_t*>(params.k.data);
  arguments.v = static_cast<const std::uint16_t*>(params.v.data);
  arguments.out = static_cast<std::uint16_t*>(params.out.data);
  arguments.lse = params.lse.data;
  arguments.q_strides = strides_of(params.q);
  arguments.k_strides = strides_of(params.k);
  arguments.v_strides = strides_of(params.v);
  arguments.out_strides = strides_of(params.out);
  arguments.lse_strides = lse_strides_of(params);
}

struct Longest {
  Index q = 0;
  Index k = 0;
};
/// The greatest lengths of any sequence.
inline Longest longest_of(const AttentionParams& params) {
  Longest longest;
  for (Index i = 0; i < params.sequences(); ++i) {
    longest.q = std::max(longest.q, params.sequence(i).seqlen_q);
    longest.k = std::max(longest.k, params.sequence(i).seqlen_k);
  }
  return longest;
}

inline PassKind kind_of(const AttentionParams& params) {
  const bool windowed = params.window.left >= 0 || (!params.causal && params.window.right >= 0);
  if (windowed || params.softcap > 0 || params.dropout.active() || params.packed()) {
    return PassKind::general;
  }
  return params.causal ? PassKind::causal : PassKind::full;
}

/// Without cu_seqlens, which lie on the host in params and have to be on the device here.
inline FeatureArguments feature_arguments(const AttentionParams& params) {
  FeatureArguments features;
  features.window_left = static_cast<int>(std::min(params.window.left, kLongest));
  features.window_right =
      params.causal ? 0 : static_cast<int>(std::min(params.window.right, kLongest));
  if (params.softcap > 0) {
    features.cap_factor = params.scale / params.softcap;
    features.cap_log2 = params.softcap * std::numbers::log2e_v<float>;
  }
  features.dropout = params.dropout;
  return features;
}

}  // namespace ashlar::flashattention2::kernel
