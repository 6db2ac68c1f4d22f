#pragma once
// Tile shapes of the tensor-core kernels, what they take of a multiprocessor, and that it is there:
// an impossible shape does not compile.
//
// Shapes are those of the official code as far as it is known (mma.sync: its version 2; wgmma: its
// version 3), which were tuned by hand; where it has none, for 96 under wgmma and for the smaller
// shared memory of sm_86, they are the largest that fit. Shared memory is counted from what the
// algorithm keeps there, and meets the figures that the official code states (48, 64, 96 KiB
// forward; 144 and 176 KiB backward).
#include <cstdint>
#include <initializer_list>

#include "impls/core/cuda/host_device.hpp"

namespace ashlar::flashattention2::kernel {

/// Shared memory of one block, in bytes: what there is without asking, and what may be asked for.
inline constexpr int kDefaultShared = 48 * 1024;
struct Device {
  int shared_limit;
};
inline constexpr Device kSm80{163 * 1024};
inline constexpr Device kSm86{99 * 1024};
inline constexpr Device kSm90{227 * 1024};

inline constexpr int kRegisterLimit = 255;  // of one thread
inline constexpr int kTileHeadDims[] = {64, 96, 128, 256};

struct Tile {
  int rows = 0;
  int columns = 0;
  int warps = 0;   // that compute; under wgmma four make a warpgroup
  int stages = 1;  // buffers of what is streamed: K and V forward, Q (and dO under wgmma) backward
  bool values_in_registers = false;  // backward: V has no place of its own while the loop runs

  ASHLAR_HOST_DEVICE constexpr int threads() const { return warps * 32; }
};

/// Forward, mma.sync: Q, and one buffer each of K and V.
ASHLAR_HOST_DEVICE constexpr Tile forward_tile(int head_dim, bool dropout, Device device) {
  if (head_dim <= 64) return {128, dropout ? 64 : 128, 4};
  if (head_dim <= 96) return {128, 64, 4};
  if (head_dim <= 128) return {128, dropout ? 32 : 64, 4};
  // Two blocks of 96 KiB share a multiprocessor of sm_90; sm_80 takes one larger block.
  if (device.shared_limit == kSm80.shared_limit) return {128, 64, 8};
  return {64, 64, 4};
}
ASHLAR_HOST_DEVICE constexpr int forward_shared(const Tile& tile, int head_dim) {
  return 2 * head_dim * (tile.rows + 2 * tile.stages * tile.columns);
}

/// Panels are 64 elements wide; tiles of the wgmma kernels, and those of mma.sync backward, hold
/// whole ones.
ASHLAR_HOST_DEVICE constexpr int padded_head_dim(int head_dim) { return (head_dim + 63) / 64 * 64; }

/// Backward, mma.sync: `stages` buffers of Q, one of dO, K and V, and P and dS in 16 bits.
ASHLAR_HOST_DEVICE constexpr Tile backward_tile(int head_dim, Device device) {
  const bool small = device.shared_limit < kSm80.shared_limit;
  if (head_dim <= 64) return small ? Tile{64, 128, 8, 2} : Tile{128, 128, 8, 2};
  if (head_dim <= 128) return small ? Tile{64, 64, 8, 2} : Tile{64, 128, 8, 2};
  if (small) return {64, 32, 8, 1, true};
  return {64, 64, 8, device.shared_limit < kSm90.shared_limit ? 1 : 2};
}
ASHLAR_HOST_DEVICE constexpr int backward_shared(const Tile& tile, int head_dim) {
  const int held = tile.values_in_registers ? 1 : 2;
  return 2 * padded_head_dim(head_dim) * ((tile.stages + 1) * tile.rows + held * tile.columns) +
         2 * 2 * tile.rows * tile.columns;
}

/// Forward, wgmma: 64 rows per consumer warpgroup; two stages of K and V.
ASHLAR_HOST_DEVICE constexpr Tile hopper_forward_tile(int head_dim, bool causal) {
  if (head_dim <= 64) return {192, 128, 12, 2};
  if (head_dim <= 128) return {128, causal || head_dim <= 96 ? 128 : 176, 8, 2};
  return {128, 80, 8, 2};
}
inline constexpr int kBarrierBytes = 1024;  // for mbarriers, and to align tiles to 1024 bytes
ASHLAR_HOST_DEVICE constexpr int hopper_forward_shared(const Tile& tile, int head_dim) {
  return forward_shared(tile, padded_head_dim(head_dim)) + kBarrierBytes;
}

/// Backward, wgmma: `stages` buffers of Q and of dO, K and V, dS in 16 bits, and a tile of dQ in
/// single precision on its way to being added in memory. P stays in registers.
ASHLAR_HOST_DEVICE constexpr Tile hopper_backward_tile(int head_dim, bool causal) {
  if (head_dim <= 64) return {128, 128, 8, 2};
  if (head_dim <= 128) return {causal || head_dim <= 96 ? 64 : 80, 128, 8, 2};
  return {64, 80, 8, 1};
}
ASHLAR_HOST_DEVICE constexpr int hopper_backward_shared(const Tile& tile, int head_dim) {
  const int width = padded_head_dim(head_dim);
  return 2 * width * (2 * tile.stages * tile.rows + 2 * tile.columns) +
         2 * tile.rows * tile.columns + 4 * tile.rows * width + kBarrierBytes;
}

/// Registers of a thread that accumulators fill. Forward: O, S, and P in 16 bits beside S.
/// Backward: dK and dV, and S and dP. The rest of a thread's registers is for fragments, addresses
/// and statistics.
ASHLAR_HOST_DEVICE constexpr int forward_accumulators(const Tile& tile, int head_dim) {
  return tile.rows * (head_dim + tile.columns) / tile.threads();
}
ASHLAR_HOST_DEVICE constexpr int forward_weight_registers(const Tile& tile) {
  return tile.rows * tile.columns / 2 / tile.threads();
}
ASHLAR_HOST_DEVICE constexpr int backward_accumulators(const Tile& tile, int head_dim) {
  return 2 * tile.columns * (head_dim + tile.rows) / tile.threads();
}

namespace detail {

constexpr bool mma_tiles_fit(Device device) {
  for (const int head_dim : kTileHeadDims) {
    for (const bool dropout : {false, true}) {
      const Tile tile = forward_tile(head_dim, dropout, device);
      // A warp's rows are whole m16 tiles, and two n8 tiles of S make the k16 of P V.
      if (tile.rows % (16 * tile.warps) != 0 || tile.columns % 16 != 0) return false;
      if (forward_shared(tile, head_dim) > device.shared_limit) return false;
      if (forward_accumulators(tile, head_dim) > 192) return false;
    }
    const Tile tile = backward_tile(head_dim, device);
    if (tile.rows % 16 != 0 || tile.columns % 16 != 0) return false;
    if (backward_shared(tile, head_dim) > device.shared_limit) return false;
    if (backward_accumulators(tile, head_dim) > 192) return false;
  }
  return true;
}

constexpr bool wgmma_tiles_fit() {
  for (const int head_dim : kTileHeadDims) {
    for (const bool causal : {false, true}) {
      const Tile forward = hopper_forward_tile(head_dim, causal);
      if (forward.rows != 16 * forward.warps) return false;
      if (forward.columns % 16 != 0 || forward.columns > 256) return false;
      if (hopper_forward_shared(forward, head_dim) > kSm90.shared_limit) return false;
      const Tile backward = hopper_backward_tile(head_dim, causal);
      if (backward.rows % 16 != 0 || backward.columns % 16 != 0) return false;
      if (hopper_backward_shared(backward, head_dim) > kSm90.shared_limit) return false;
    }
  }
  return true;
}

}  // namespace detail

static_assert(detail::mma_tiles_fit(kSm80));
static_assert(detail::mma_tiles_fit(kSm86));
static_assert(detail::mma_tiles_fit(kSm90));
static_assert(detail::wgmma_tiles_fit());

}  // namespace ashlar::flashattention2::kernel
