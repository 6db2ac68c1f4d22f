#pragma once
// The forward pass of cuda.hpp with a choice of tiles, to see what the choice is worth (Dao, arXiv
// 2307.08691, section 3.3, "Tuning block sizes"). Fit for f16 without mask, at head sizes 64 and
// 128. Tiles: 128 x 128 with 4 and with 8 warps, 64 x 256, 256 x 64, which spills registers, and 64
// x 64 at head size 64; 128 x 64 with 4 warps, 128 x 128 and 256 x 64 with 8, and 64 x 64 at 128.
#include <optional>
#include <string>

#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/cuda_tiles.hpp"

namespace ashlar::flashattention2 {

/// As cuda_unsupported(), and for other types and heads than the above, and masks.
std::optional<std::string> cuda_tiled_unsupported(const AttentionParams& params);

/// The kernel with one tile for one problem in device memory.
class CudaTiledLaunch {
 public:
  /// Of `tile` rows, columns and warps count. All pointers are device pointers, those of q, k, v
  /// and out aligned to 16 bytes. Throws std::invalid_argument for what validate_forward() and
  /// cuda_tiled_unsupported() name, and for a tile that is not there at this head size.
  CudaTiledLaunch(const AttentionParams& device, const kernel::Tile& tile);
  /// As CudaSolver wants it.
  static const AttentionParams& supported(const AttentionParams& params, const kernel::Tile& tile);

  /// Starts the kernel on `stream` (a cudaStream_t; null is the default stream) and returns. Throws
  /// std::runtime_error when the launch fails.
  void operator()(void* stream) const;

 private:
  kernel::LaunchForward launch_;
  kernel::ForwardArguments arguments_;
  kernel::GridIndex grid_;
};

using CudaTiledForward = CudaForwardBy<CudaTiledLaunch>;

}  // namespace ashlar::flashattention2
