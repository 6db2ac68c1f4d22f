#pragma once
// Tiles of rows between global and shared memory, for every thread block of this folder; `Machine`
// is that of cuda_forward_block.hpp.
#include <cstdint>

#include "impls/flashattention2/cuda_forward_math.hpp"

namespace ashlar::flashattention2::kernel {

/// Starts to copy `Rows` rows of HeadDim elements from `from` on to the swizzled tile at `to`. With
/// Bounded, which is for tiles that may stick out of the tensor, rows beyond `rows` become zeros.
/// The pointer is opaque so that its values are not kept in registers for the next tile.
template <int Rows, int HeadDim, int Threads, bool Bounded, class Machine>
ASHLAR_KERNEL_CODE void load_tile(Machine& machine, int to, const std::uint16_t* from,
                                  std::int64_t row_stride, int rows) {
  constexpr int kRowChunks = HeadDim / kChunkElements;
  const int thread = machine.thread();
  if constexpr (Threads % kRowChunks == 0) {
    constexpr int kRowsPerPass = Threads / kRowChunks;
    const int first = thread / kRowChunks;
    const int chunk = thread % kRowChunks;
    const int shared = to + swizzled_offset<Rows>(first, chunk);
    const std::uint16_t* source = from + first * row_stride + chunk * kChunkElements;
    ASHLAR_UNROLL
    for (int pass = 0; pass < Rows / kRowsPerPass; ++pass) {
      machine.copy_async(shared + pass * kRowsPerPass * kPanelRowBytes, source,
                         !Bounded || first + pass * kRowsPerPass < rows);
      source = machine.opaque(source + kRowsPerPass * row_stride);
    }
  } else {
    static_assert(Rows * kRowChunks % Threads == 0);
    ASHLAR_UNROLL
    for (int pass = 0; pass < Rows * kRowChunks / Threads; ++pass) {
      const int row = (thread + pass * Threads) / kRowChunks;
      const int chunk = (thread + pass * Threads) % kRowChunks;
      machine.copy_async(to + swizzled_offset<Rows>(row, chunk),
                         from + row * row_stride + chunk * kChunkElements, !Bounded || row < rows);
    }
  }
}

/// Writes the first `rows` rows of a swizzled tile to global memory. The tile must be there for all
/// threads.
template <int Rows, int HeadDim, int Threads, class Machine>
ASHLAR_KERNEL_CODE void store_tile(Machine& machine, int from, std::uint16_t* to,
                                   std::int64_t row_stride, int rows) {
  constexpr int kRowChunks = HeadDim / kChunkElements;
  static_assert(Rows * kRowChunks % Threads == 0);
  const int thread = machine.thread();
  ASHLAR_UNROLL
  for (int pass = 0; pass < Rows * kRowChunks / Threads; ++pass) {
    const int row = (thread + pass * Threads) / kRowChunks;
    const int chunk = (thread + pass * Threads) % kRowChunks;
    if (row < rows) {
      machine.store_chunk(to + row * row_stride + chunk * kChunkElements,
                          machine.load_chunk(from + swizzled_offset<Rows>(row, chunk)));
    }
  }
}

}  // namespace ashlar::flashattention2::kernel
