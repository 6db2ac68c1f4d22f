// The forward kernel's code with every tile of the sweep, on a CPU model of a thread block, against
// the double precision reference.
#include <algorithm>

#include <catch2/catch.hpp>

#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_model_checks.hpp"
#include "impls/flashattention2/cuda_tiled.hpp"
#include "impls/flashattention2/cuda_tiled_launch.hpp"

namespace ashlar::flashattention2 {
namespace tiled_block {

using testing::Problem;
using testing::Shape;

template <class Config>
void check_config(const Shape& shape) {
  INFO("d " << shape.head_dim << " tile " << Config::kTile.rows << " x " << Config::kTile.columns
            << ", " << Config::kTile.warps << " warps; Nq " << shape.seqlen_q << " Nk "
            << shape.seqlen_k);
  using Machine = kernel::ModelThread<core::Float16>;
  for (const bool falling : {false, true}) {
    Problem problem(shape);
    const AttentionParams params = problem.params();
    testing::run_on_model<kernel::ForwardBlock<Config, Machine>, Machine>(
        kernel::forward_arguments(params, Config::kRows),
        kernel::forward_grid(params, Config::kRows), Config::kThreads, Config::kSharedBytes,
        falling);
    testing::check_rows(params);
  }
}

/// One block and a ragged second one in rows; likewise in columns; and one key.
template <int HeadDim, int Rows, int Columns, int Warps>
void check_tile() {
  using Config =
      kernel::ForwardConfig<HeadDim, kernel::PassKind::full, kernel::Tile{Rows, Columns, Warps}>;
  static_assert(Config::kRows == Rows && Config::kColumns == Columns);
  static_assert(Config::kThreads == 32 * Warps);
  static_assert(Config::kSharedBytes <= kernel::kSm80.shared_limit);
  const auto tiles = kernel::swept_tiles();
  CHECK(std::count_if(tiles.begin(), tiles.end(), [](const kernel::SweptTile& one) {
          return one.head_dim == HeadDim && one.tile.rows == Rows && one.tile.columns == Columns &&
                 one.tile.warps == Warps;
        }) == 1);
  check_config<Config>({Rows + 3, Columns + 5, HeadDim, false, core::DType::f16});
  check_config<Config>({5, 1, HeadDim, false, core::DType::f16});
}

}  // namespace tiled_block

TEST_CASE("every tile of the sweep computes attention at head size 64") {
  tiled_block::check_tile<64, 128, 128, 4>();
  tiled_block::check_tile<64, 128, 128, 8>();
  tiled_block::check_tile<64, 64, 256, 4>();
  tiled_block::check_tile<64, 256, 64, 4>();
  tiled_block::check_tile<64, 64, 64, 4>();
}

TEST_CASE("every tile of the sweep computes attention at head size 128") {
  tiled_block::check_tile<128, 128, 64, 4>();
  tiled_block::check_tile<128, 128, 128, 8>();
  tiled_block::check_tile<128, 256, 64, 8>();
  tiled_block::check_tile<128, 64, 64, 4>();
  CHECK(kernel::swept_tiles().size() == 9);
}

TEST_CASE("the grid of a tile of choice covers all rows") {
  tiled_block::Problem problem({300, 10, 64, false, core::DType::f16, 2, 4, 2});
  const AttentionParams params = problem.params();
  CHECK(kernel::forward_arguments(params).row_blocks == 3);
  CHECK(kernel::forward_grid(params).x == 6);
  CHECK(kernel::forward_arguments(params, 256).row_blocks == 2);
  CHECK(kernel::forward_grid(params, 256).x == 4);
  CHECK(kernel::forward_grid(params, 64).x == 10);
}

TEST_CASE("tiles can be chosen where they are compiled") {
  tiled_block::Problem problem({64, 64, 64, false, core::DType::f16});
  const AttentionParams params = problem.params();
  if (!cuda_device().available) {
    CHECK(cuda_tiled_unsupported(params) == cuda_device().reason);
    CHECK_THROWS_AS(CudaTiledForward(params, kernel::Tile{128, 128, 4}), std::invalid_argument);
    return;
  }
  CHECK_FALSE(cuda_tiled_unsupported(params).has_value());
  CHECK_THROWS_WITH(CudaTiledForward(params, kernel::Tile{32, 128, 4}),
                    "CUDA attention: no tile of 32 rows and 128 columns for 4 warps at head size "
                    "64");
  for (const tiled_block::Shape& other :
       {tiled_block::Shape{64, 64, 64, true, core::DType::f16},
        tiled_block::Shape{64, 64, 64, false, core::DType::bf16},
        tiled_block::Shape{64, 64, 96, false, core::DType::f16}}) {
    tiled_block::Problem unfit(other);
    CHECK(cuda_tiled_unsupported(unfit.params()).has_value());
  }
}

}  // namespace ashlar::flashattention2
