#pragma once
// From AttentionParams to what the kernel takes. Plain C++, so that it is tested without a GPU.
#include <optional>
#include <string>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"

namespace ashlar::flashattention2::kernel {

/// Why the tensor-core kernel cannot compute a problem of these shapes, types and strides, on any
/// GPU; nothing when it can. Pointers are not looked at.
std::optional<std::string> unsupported(const AttentionParams& params);

/// Without cu_seqlens, which lie on the host in params and have to be on the device here. `rows` of
/// a tile: 0 for the kernel's own.
ForwardArguments forward_arguments(const AttentionParams& params, int rows = 0);

/// The grid that block_place() takes apart; x is 0 when there is nothing to do.
GridIndex forward_grid(const AttentionParams& params, int rows = 0);

}  // namespace ashlar::flashattention2::kernel
