#pragma once
// Attention as a graph of cuDNN's operations: products, functions of elements and reductions of
// whole N x N matrices that exist in name only, which cuDNN's engines recognise and run as one
// fused kernel. What they recognise is this chain and no other:
//   forward   S = scale Q K^T, masked; M = rowmax S; E = exp(S - M); L = rowsum E; lse = M + ln L;
//             P = E / L in the tensors' type; out = P V
//   backward  D = rowsum(dout o out); P = exp(scale Q K^T - lse), masked; dV = P^T dout;
//             dS = scale (dout V^T - D) o P; dK = dS^T Q; dQ = dS K, summed in float
// (NVIDIA's cuDNN documentation, graph patterns of fused attention.) lse is the natural logarithm
// of the sum over scaled scores, as in attention.hpp. A causal mask starts at the top left.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baselines/flashattention2/cudnn.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines::cudnn {

/// Numbers of tensors that are given when a plan is executed.
enum Number : std::int64_t {
  kQueries = 1,
  kKeys,
  kValues,
  kOut,
  kLse,
  kDout,
  kDq,
  kDk,
  kDv,
  kScale,   // float, on the host
  kHidden,  // float, on the host: -infinity
  kOne,     // float, on the host
  kDelta,   // D: (batch, heads_q, seqlen_q) floats
  kDqSums,  // dq in float, packed (batch, heads_q, seqlen_q, head_dim)
};

/// A type, shape or stride that the graphs lack. cuDNN itself may refuse more.
std::optional<std::string> shape_unsupported(const AttentionParams& params);
std::optional<std::string> gradient_shape_unsupported(const AttentionParams& params);

/// Shapes and strides of `params` count, pointers do not; shape_unsupported() says nothing. Outputs
/// that are not there yet are taken to be laid out as the inputs of their shape. Throw what Graph
/// throws.
Graph forward_graph(const AttentionParams& params);
Graph backward_graph(const AttentionParams& params);

/// All that the graph of a pass depends on.
std::vector<std::int64_t> layout_key(const AttentionParams& params, bool backward);

/// Bytes of D and of dq in float.
std::size_t delta_bytes(const AttentionParams& params);
std::size_t dq_sums_bytes(const AttentionParams& params);

}  // namespace ashlar::flashattention2::baselines::cudnn
