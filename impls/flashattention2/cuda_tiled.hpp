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

class CudaTiledForward {
 public:
  /// Of `tile` rows, columns and warps count. Throws std::invalid_argument for a tile that is not
  /// there at this head size, and else what CudaForward throws.
  CudaTiledForward(const AttentionParams& host, const kernel::Tile& tile);

  void poison() { problem_.poison(); }
  void execute(void* stream);
  void fetch() { problem_.fetch(); }
  const CudaProblem& problem() const { return problem_; }

 private:
  kernel::LaunchForward launch_;
  CudaProblem problem_;
  kernel::ForwardArguments arguments_;
  kernel::GridIndex grid_;
};

}  // namespace ashlar::flashattention2
