#pragma once
// From AttentionParams to what the wgmma forward kernels take. Plain C++, so that it is tested
// without a GPU.
#include <optional>
#include <string>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_wgmma_math.hpp"

namespace ashlar::flashattention2::kernel {

/// Why the kernels of a rung cannot compute a problem of these shapes, types and strides, on any
/// GPU; nothing when they can. Pointers are not looked at.
std::optional<std::string> wgmma_shapes_unsupported(const AttentionParams& params, WgmmaRung rung);

struct WgmmaPlan {
  WgmmaArguments arguments;  // without next_tile
  WgmmaTensors tensors;
  unsigned blocks = 0;  // thread blocks, at most one for each multiprocessor
};

/// For a problem that is valid and supported.
WgmmaPlan wgmma_plan(const AttentionParams& params, int multiprocessors);

}  // namespace ashlar::flashattention2::kernel
