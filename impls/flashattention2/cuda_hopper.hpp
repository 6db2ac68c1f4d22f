#pragma once
// The integers of wgmma, bulk tensor copies and mbarriers on sm_90a: shared memory layouts, matrix
// descriptors, and which buffer and which phase of its barriers the k-th use has.
//
// Source: PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions" (shared memory layout and
// matrix descriptor), "Tensors" (swizzling modes, bounding box) and "Parallel Synchronization and
// Communication Instructions: mbarrier" (phase parity).
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"

namespace ashlar::flashattention2::kernel {

inline constexpr int kSwizzleRowBytes = 128;  // 64 elements of 16 bits: one row of a panel
inline constexpr int kSwizzleAtomBytes = 8 * kSwizzleRowBytes;
inline constexpr int kBoxElements = 64;  // a box may be as wide as the swizzle
inline constexpr int kBoxMostRows = 256;

/// The 128-byte swizzle on byte offsets from a multiple of 1024: bits 4 to 6, the 16-byte chunk in
/// a row of 128 bytes, are XORed with bits 7 to 9, the row in its group of eight.
ASHLAR_HOST_DEVICE constexpr int swizzle_128(int offset) {
  return offset ^ ((offset >> 7 & 7) << 4);
}

/// Bulk copies of a tile of `rows` rows of head_dim elements of 16 bits: panels 64 elements wide,
/// one behind the other, each filled by a box.
struct BoxPlan {
  int boxes;      // panels
  int box_rows;   // of the bounding box, at most 256
  int box_bytes;  // of one box
  int bytes;      // of all: what the barrier expects
};
ASHLAR_HOST_DEVICE constexpr BoxPlan box_plan(int rows, int head_dim) {
  const int boxes = (head_dim + kBoxElements - 1) / kBoxElements;
  return {boxes, rows, rows * kSwizzleRowBytes, boxes * rows * kSwizzleRowBytes};
}

/// A matrix descriptor: bits 0-13 the start address, 16-29 the leading and 32-45 the stride
/// dimension byte offset, all three in units of 16 bytes; 49-51 the base offset, 0 for tiles
/// aligned to 1024 bytes; 62-63 the swizzle, 1 for 128 bytes.
ASHLAR_HOST_DEVICE constexpr std::uint64_t matrix_descriptor(std::uint32_t address,
                                                             int leading_bytes, int stride_bytes) {
  const auto field = [](std::uint64_t bytes) { return (bytes & 0x3ffff) >> 4; };
  return field(address) | field(static_cast<std::uint64_t>(leading_bytes)) << 16 |
         field(static_cast<std::uint64_t>(stride_bytes)) << 32 | std::uint64_t{1} << 62;
}

/// An operand whose depth lies along the rows of a panel (Q and K in S = Q K^T) under the 128-byte
/// swizzle: groups of eight rows are 1024 bytes apart; the leading offset is not used.
ASHLAR_HOST_DEVICE constexpr std::uint64_t depth_major_descriptor(std::uint32_t address) {
  return matrix_descriptor(address, 16, kSwizzleAtomBytes);
}

/// The descriptor of a place so many bytes further on. The swizzle acts on address bits, so steps
/// inside of a row of 128 bytes are such places too.
ASHLAR_HOST_DEVICE constexpr std::uint64_t advanced(std::uint64_t descriptor, int bytes) {
  return descriptor + static_cast<std::uint64_t>(bytes >> 4);
}

/// Byte offset of the k-th step of 16 elements of depth in a tile of `rows` rows: 32 bytes inside
/// of a panel's row, then the next panel.
ASHLAR_HOST_DEVICE constexpr int depth_step_offset(int k, int rows) {
  return k / 4 * rows * kSwizzleRowBytes + k % 4 * 32;
}

/// An operand whose depth is the rows of a tile (V in O = P V, transposed): panels 64 columns wide
/// are `rows` * 128 bytes apart, groups of eight rows of depth 1024 bytes. A step of 16 of depth is
/// 2048 bytes.
ASHLAR_HOST_DEVICE constexpr std::uint64_t width_major_descriptor(std::uint32_t address, int rows) {
  return matrix_descriptor(address, rows * kSwizzleRowBytes, kSwizzleAtomBytes);
}
inline constexpr int kWidthMajorStepBytes = 2 * kSwizzleAtomBytes;

/// The k-th use of a ring of buffers that producer and consumers hand to each other: by a barrier
/// `full` and a barrier `empty` for each buffer.
struct RingUse {
  int stage;
  int full_parity;   // for which the consumer waits: that of the phase which the data completes
  int empty_parity;  // for which the producer waits: that of the phase before. A new barrier lets
                     // pass who waits for parity 1, so the first round does not wait
};
ASHLAR_HOST_DEVICE constexpr RingUse ring_use(std::uint32_t k, int stages) {
  const auto count = static_cast<std::uint32_t>(stages);
  const int parity = static_cast<int>(k / count & 1);
  return {static_cast<int>(k % count), parity, parity ^ 1};
}

}  // namespace ashlar::flashattention2::kernel
