#pragma once
// From AttentionParams to what the kernels of the backward pass take. Plain C++, so that it is
// tested without a GPU.
#include <cstdint>
#include <optional>
#include <string>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_backward_math.hpp"

namespace ashlar::flashattention2::kernel {

/// Why the tensor-core kernels cannot compute the gradients of a problem of these shapes, types and
/// strides, on any GPU; nothing when they can. Pointers are not looked at.
std::optional<std::string> backward_unsupported(const AttentionParams& params);

struct BackwardPlan {
  /// Without the pointers beside the tensors: lse_log2, delta, dq_sums and cu_seqlens.
  BackwardArguments arguments;
  PassKind kind = PassKind::full;
  /// Thread blocks of what is done row by row, and of the products; none where x is 0.
  GridIndex rows;
  GridIndex columns;
  std::int64_t statistics_floats = 0;  // of lse_log2, and of delta
  std::int64_t sums_floats = 0;        // of dq_sums, which must be zero before every call
};

/// For a problem that is valid and supported. A deterministic pass cuts the column blocks into as
/// many shares as fill a device of so many multiprocessors.
BackwardPlan backward_plan(const AttentionParams& params, int multiprocessors);

}  // namespace ashlar::flashattention2::kernel
