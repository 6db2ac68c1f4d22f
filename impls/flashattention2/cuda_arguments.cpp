#include "impls/flashattention2/cuda_arguments.hpp"

#include <numbers>

#include "impls/flashattention2/cuda_strides.hpp"

namespace ashlar::flashattention2::kernel {
namespace {

constexpr Index kGridLimitX = 0x7fffffff;

/// Of the longest sequence; the kernel's own tiles have the same rows in every kind.
Index row_blocks(const AttentionParams& params, int rows = 0) {
  if (rows == 0) rows = forward_tile(static_cast<int>(params.head_dim()), false, kSm80).rows;
  return divide_up<Index>(longest_of(params).q, rows);
}

}  // namespace

std::optional<std::string> unsupported(const AttentionParams& params) {
  if (auto reason = common_unsupported(params, {64, 96, 128, 256})) return reason;
  if (params.heads_kv() > kGridLimit || params.sequences() > kGridLimit) {
    return "more than 65535 K/V heads or sequences";
  }
  if (row_blocks(params) * params.group() > kGridLimitX) {
    return "more than 2^31 - 1 blocks of rows that share K and V";
  }
  return std::nullopt;
}

ForwardArguments forward_arguments(const AttentionParams& params, int rows) {
  ForwardArguments arguments;
  set_forward_tensors(arguments, params);
  arguments.group = static_cast<int>(params.group());
  arguments.heads_kv = static_cast<int>(params.heads_kv());
  arguments.seqlen_q = static_cast<int>(params.seqlen_q());
  arguments.seqlen_k = static_cast<int>(params.seqlen_k());
  arguments.row_blocks = static_cast<int>(row_blocks(params, rows));
  arguments.scale_log2 = params.scale * std::numbers::log2e_v<float>;
  arguments.features = feature_arguments(params);
  return arguments;
}

GridIndex forward_grid(const AttentionParams& params, int rows) {
  if (params.sequences() == 0 || params.heads_q() == 0) return {};
  return {static_cast<unsigned>(row_blocks(params, rows) * params.group()),
          static_cast<unsigned>(params.heads_kv()), static_cast<unsigned>(params.sequences())};
}

}  // namespace ashlar::flashattention2::kernel
