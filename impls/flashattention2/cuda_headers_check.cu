// That the headers of index arithmetic, which the tests of this program run on a CPU, compile for
// the device: one kernel calls something of each.
#include <cuda_runtime.h>

#include "impls/flashattention2/combine.hpp"
#include "impls/flashattention2/cuda_hopper.hpp"
#include "impls/flashattention2/cuda_layouts.hpp"
#include "impls/flashattention2/cuda_schedule.hpp"
#include "impls/flashattention2/cuda_tiles.hpp"
#include "impls/flashattention2/split.hpp"

namespace ashlar::flashattention2::kernel {

__global__ void headers_kernel(int seqlen_q, int seqlen_k, const std::int64_t* first_tile,
                               const float* partial, float* out, std::int64_t* integers) {
  const auto lane = static_cast<int>(threadIdx.x % kWarpSize);
  const auto block = static_cast<int>(blockIdx.x);
  const Mask<int> mask{seqlen_q, seqlen_k, 128, 0};
  const int splits = device_splits(seqlen_q, 132, seqlen_k);
  const auto columns = column_blocks<int>(mask, {block * 64, block * 64 + 64}, 64);
  const Walk walk = walk_of(columns);
  const Range<int> part = split_blocks(columns.visit, splits, block % splits);
  const DropoutMask dropout({0.1F, 3, 4}, 5);
  const TileOrder order{seqlen_q / 64, 8, 4, 2, heads_in_cache(32 << 20, seqlen_k, 128, 16), true};
  const PartialLayout layout{splits, 8, seqlen_q, 128};
  const RingUse use = ring_use(blockIdx.x, 2);
  const DqCopies copies = dq_copies(132, 2, 8, seqlen_k / 64);
  const core::PhiloxWords patch = lane_patch(dropout, 16 * block, 32 * block, lane);

  std::int64_t* const to = integers + 32 * static_cast<std::int64_t>(threadIdx.x);
  to[0] = walk.block(part.begin) + walk.masks(lane);
  to[1] = order.place(block).head + packed_place(first_tile, 7, 8, true, blockIdx.x).block;
  to[2] = dropout.keeps(patch, patch_byte(lane % 4, lane % 3));
  to[3] = pair_offset<64>(lane, 16, 3, 2) + lane_row_transposed(lane).row;
  to[4] = use.stage + use.full_parity + swizzle_128(lane * 16) + box_plan(seqlen_k, 128).bytes;
  to[5] = static_cast<std::int64_t>(depth_major_descriptor(1024U * threadIdx.x)) +
          static_cast<std::int64_t>(width_major_descriptor(1024U * threadIdx.x, 176));
  to[6] = copies.steps(block) + forward_shared(forward_tile(128, false, kSm80), seqlen_k);
  const std::int64_t row = layout.at(0, 0, threadIdx.x);
  const float whole = combined_lse(partial + row, layout.split_stride(), splits);
  out[threadIdx.x] = combined_value(partial + row, layout.split_stride(), whole, partial + row,
                                    layout.split_stride(), splits);
}

}  // namespace ashlar::flashattention2::kernel
