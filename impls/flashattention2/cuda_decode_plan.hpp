#pragma once
// From AttentionParams to what the kernels of split-KV decoding take. Plain C++, so that it is
// tested without a GPU.
#include <optional>
#include <string>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_decode_math.hpp"

namespace ashlar::flashattention2::kernel {

/// Why the kernels cannot decode a problem of these shapes, types and strides, on any GPU; nothing
/// when they can. Any number of query rows is computed, but of many the forward pass is faster.
/// Pointers are not looked at.
std::optional<std::string> decode_unsupported(const AttentionParams& params);

struct DecodePlan {
  /// Without the pointers beside the tensors: part_lse, part_out and cu_seqlens.
  DecodeArguments arguments;
  /// Thread blocks over keys, and those that combine; none where x is 0.
  GridIndex parts;
  GridIndex rows;
};

/// For a problem that is valid and supported, on a device of so many multiprocessors. `splits` 0:
/// by device_splits().
DecodePlan decode_plan(const AttentionParams& params, int multiprocessors, int splits = 0);

}  // namespace ashlar::flashattention2::kernel
