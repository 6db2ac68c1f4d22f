#pragma once
// Shapes, shared memory and arguments of the wgmma forward pass (sm_90a), and the rungs of its
// ladder: all that is not an instruction. Compiled for the GPU and tested on a CPU.
//
// Source: Shah et al., "FlashAttention-3", arXiv 2407.08608, sections 3.1 and 3.2.
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"
#include "impls/flashattention2/cuda_hopper.hpp"
#include "impls/flashattention2/cuda_schedule.hpp"
#include "impls/flashattention2/cuda_tiles.hpp"

namespace ashlar::flashattention2 {

/// One idea of FlashAttention-3 after the other, on the same tiles, products and softmax.
enum class WgmmaRung {
  plain,        // TMA and wgmma; every warpgroup loads and computes, one after the other
  specialised,  // a warp that does nothing but load, and registers moved to those that compute
  ping_pong,    // and warpgroups take turns: one's softmax runs under the other's products
  overlapped,   // and P V of one block runs under the softmax of the next: the whole method
  // Beside the ladder, for the authors' ablation: overlap and turns, but no warp that only loads.
  unspecialised,
};

namespace kernel {

constexpr bool specialised(WgmmaRung rung) {
  return rung != WgmmaRung::plain && rung != WgmmaRung::unspecialised;
}
constexpr bool takes_turns(WgmmaRung rung) {
  return rung != WgmmaRung::plain && rung != WgmmaRung::specialised;
}
constexpr bool overlaps(WgmmaRung rung) {
  return rung == WgmmaRung::overlapped || rung == WgmmaRung::unspecialised;
}

inline constexpr int kWarpgroupSize = 128;
inline constexpr int kWarpgroupRows = 64;  // of one wgmma
inline constexpr int kMbarrierBytes = 8;

/// The barriers of a ring of buffers, as offsets in shared memory.
struct RingBarriers {
  int first = 0;
  int stages = 0;
  ASHLAR_HOST_DEVICE constexpr int full(int stage) const { return first + stage * kMbarrierBytes; }
  ASHLAR_HOST_DEVICE constexpr int empty(int stage) const { return full(stages + stage); }
};
ASHLAR_HOST_DEVICE constexpr int ring_bytes(int stages) { return 2 * stages * kMbarrierBytes; }

/// `Causal` chooses the tile too. Shared memory: Q, the stages of K, those of V, barriers, and the
/// number of the tile that Q belongs to.
template <int HeadDim, bool Causal, WgmmaRung Rung>
struct WgmmaConfig {
  static_assert(HeadDim == 64 || HeadDim == 128);
  static constexpr int kHeadDim = HeadDim;
  static constexpr bool kCausal = Causal;
  static constexpr bool kSpecialised = specialised(Rung);
  static constexpr bool kTurns = takes_turns(Rung);
  static constexpr bool kOverlap = overlaps(Rung);

  static constexpr Tile kTile = hopper_forward_tile(HeadDim, Causal);
  static constexpr int kRows = kTile.rows;
  static constexpr int kColumns = kTile.columns;
  static constexpr int kStages = kTile.stages;
  static constexpr int kConsumers = kTile.warps / 4;  // warpgroups that compute
  static constexpr int kConsumerWarps = kTile.warps;
  static constexpr int kThreads = kWarpgroupSize * (kConsumers + (kSpecialised ? 1 : 0));
  // What setmaxnreg leaves to whom: 65536 registers are shared by all threads.
  static constexpr int kProducerRegisters = kConsumers == 2 ? 24 : 32;
  static constexpr int kConsumerRegisters = kConsumers == 2 ? 240 : 160;

  static constexpr int kQueryBytes = box_plan(kRows, HeadDim).bytes;
  static constexpr int kStageBytes = box_plan(kColumns, HeadDim).bytes;
  static constexpr int kQueryOffset = 0;
  static constexpr int kKeyOffset = kQueryBytes;
  static constexpr int kValueOffset = kKeyOffset + kStages * kStageBytes;
  static constexpr int kRingOffset = kValueOffset + kStages * kStageBytes;
  static constexpr int kKeyRingOffset = kRingOffset + ring_bytes(1);
  static constexpr int kValueRingOffset = kKeyRingOffset + ring_bytes(kStages);
  static constexpr int kTileOffset = kValueRingOffset + ring_bytes(kStages);
  static constexpr int kSharedBytes = kTileOffset + 16;

  static ASHLAR_HOST_DEVICE constexpr RingBarriers query_ring() { return {kRingOffset, 1}; }
  static ASHLAR_HOST_DEVICE constexpr RingBarriers key_ring() { return {kKeyRingOffset, kStages}; }
  static ASHLAR_HOST_DEVICE constexpr RingBarriers value_ring() {
    return {kValueRingOffset, kStages};
  }

  static_assert(kStageBytes % kSwizzleAtomBytes == 0 && kQueryBytes % kSwizzleAtomBytes == 0);
  static_assert(kSharedBytes <= hopper_forward_shared(kTile, HeadDim));
  static_assert(kRows == kConsumers * kWarpgroupRows);
};

/// Where a thread's i-th accumulator of an m64nN product lies: row of the warpgroup's 64, column.
ASHLAR_HOST_DEVICE constexpr int wgmma_row(int thread, int i) {
  return thread / kWarpSize % 4 * 16 + thread % kWarpSize / 4 + 8 * (i / 2 % 2);
}
ASHLAR_HOST_DEVICE constexpr int wgmma_column(int thread, int i) {
  return i / 4 * 8 + 2 * (thread % 4) + i % 2;
}

/// What a launch takes beside the tensor maps of q, k and v.
struct WgmmaArguments {
  std::uint16_t* out = nullptr;
  float* lse = nullptr;
  Strides out_strides, lse_strides;
  TileOrder order;
  int* next_tile = nullptr;  // causal: two counters, zero before and after
  int seqlen_q = 0;
  int seqlen_k = 0;
  float scale_log2 = 0;
};

/// A tensor as the copy engine sees it: (batch, heads, rows, head dimension), strides in elements.
struct BoxTensor {
  const std::uint16_t* data = nullptr;
  int head_dim = 0;
  int rows = 0;
  int heads = 0;
  int batch = 0;
  Strides strides;
  int box_rows = 0;
};

/// What a thread block asks of the copy engine, by the names of the tensors.
struct WgmmaTensors {
  BoxTensor q, k, v;
};

}  // namespace kernel
}  // namespace ashlar::flashattention2
