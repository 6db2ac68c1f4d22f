// Tile shapes against the figures that are known, and the layouts and descriptors of both kinds of
// kernels against models written from the PTX manual.
#include "impls/flashattention2/cuda_tiles.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "impls/flashattention2/cuda_forward_math.hpp"
#include "impls/flashattention2/cuda_hopper.hpp"
#include "impls/flashattention2/cuda_layouts.hpp"

namespace ashlar::flashattention2::kernel {
namespace {

constexpr int kKib = 1024;

/// Word `word` of an A fragment of m16n8k16 holds two neighbours in depth: the first one's place.
struct Place {
  int row;
  int depth;
};
Place a_fragment(int lane, int word) {
  return {lane / 4 + 8 * (word % 2), 2 * (lane % 4) + 8 * (word / 2)};
}

/// ldmatrix.x4.trans: what word `word` of `lane` gets, as (stored row, stored column) of its first
/// element; the second one is a stored row below. Matrix `word` is addressed by lanes 8 word +
/// 0..7.
struct Stored {
  int row;
  int column;
};
template <class LaneRowOf>
Stored transposed_load(int lane, int word, const LaneRowOf& lane_row) {
  const int stored_row = 2 * (lane % 4);  // transposed: rows of the matrix become columns
  const LaneRow address = lane_row(8 * word + stored_row);
  return {address.row, 8 * address.chunk + lane / 4};
}

/// How often the busiest of 32 banks is taken by `count` accesses of `bytes` each at byte offsets
/// offset_of(0), ...: the number of passes of one shared memory request, 1 where no bank conflicts
/// arise. Accesses to one word count once.
template <class OffsetOf>
int bank_passes(int count, int bytes, const OffsetOf& offset_of) {
  int most = 0;
  for (int bank = 0; bank < 32; ++bank) {
    int words = 0;
    for (int i = 0; i < count; ++i) {
      for (int b = 0; b < bytes; b += 4) {
        const int word = (offset_of(i) + b) / 4;
        if (word % 32 != bank) continue;
        bool seen = false;
        for (int j = 0; j < i; ++j) {
          const int first = offset_of(j) / 4;
          seen = seen || (word >= first && word < first + bytes / 4);
        }
        words += seen ? 0 : 1;
      }
    }
    most = words > most ? words : most;
  }
  return most;
}

}  // namespace

TEST_CASE("tiles take the shared memory that is known of them") {
  CHECK(forward_shared(forward_tile(64, false, kSm80), 64) == kDefaultShared);
  CHECK(forward_shared(forward_tile(128, false, kSm80), 128) == 64 * kKib);
  CHECK(forward_shared(forward_tile(256, false, kSm80), 256) == 128 * kKib);
  CHECK(forward_shared(forward_tile(256, false, kSm90), 256) == 96 * kKib);
  CHECK(backward_shared(backward_tile(64, kSm80), 64) == 144 * kKib);
  CHECK(backward_shared(backward_tile(96, kSm80), 96) == 144 * kKib);  // panels are whole
  CHECK(backward_shared(backward_tile(128, kSm80), 128) == 144 * kKib);
  CHECK(backward_shared(backward_tile(256, kSm80), 256) == 144 * kKib);
  CHECK(backward_shared(backward_tile(256, kSm90), 256) == 176 * kKib);
  // Two blocks of a forward kernel share a multiprocessor of sm_90, 1 KiB each for the system.
  for (const int head_dim : kTileHeadDims) {
    const int bytes = forward_shared(forward_tile(head_dim, false, kSm90), head_dim);
    CHECK(2 * (bytes + kKib) <= 228 * kKib);
  }
  const Tile hopper = hopper_forward_tile(128, false);
  CHECK(hopper_forward_shared(hopper, 128) == 208 * kKib + kBarrierBytes);
}

TEST_CASE("accumulators fill the registers that are known") {
  CHECK(forward_accumulators(forward_tile(64, false, kSm80), 64) == 64 + 128);
  CHECK(forward_accumulators(forward_tile(128, false, kSm80), 128) == 128 + 64);
  CHECK(forward_weight_registers(forward_tile(128, false, kSm80)) == 32);
  CHECK(forward_accumulators(forward_tile(128, true, kSm80), 128) == 128 + 32);
  CHECK(backward_accumulators(backward_tile(128, kSm80), 128) == 128 + 64);
  CHECK(backward_accumulators(backward_tile(96, kSm80), 96) == 96 + 64);
  CHECK(backward_accumulators(backward_tile(64, kSm80), 64) == 64 + 128);
  CHECK(forward_accumulators(hopper_forward_tile(128, false), 128) == 64 + 88);
  // setmaxnreg leaves 240 registers to two consumer warpgroups, 160 to three.
  for (const int head_dim : kTileHeadDims) {
    for (const bool causal : {false, true}) {
      const Tile tile = hopper_forward_tile(head_dim, causal);
      const int limit = tile.warps == 8 ? 240 : 160;
      CHECK(forward_accumulators(tile, padded_head_dim(head_dim)) < limit);
    }
  }
}

TEST_CASE("a lane's patch of dropout bytes decides its accumulators") {
  const DropoutMask mask({0.3F, 0x1234567890abcdefULL, 7}, 5);
  for (const int row : {0, 16, 208}) {
    for (const int column : {0, 32, 1024}) {
      for (int lane = 0; lane < kWarpSize; ++lane) {
        const core::PhiloxWords words = lane_patch(mask, row, column, lane);
        std::set<int> bytes;
        for (int n = 0; n < 4; ++n) {
          for (int i = 0; i < 4; ++i) {
            const int r = row + accumulator_row(lane, i);
            const int c = column + 8 * n + accumulator_column(lane, i);
            bytes.insert(patch_byte(n, i));
            REQUIRE(patch_byte(n, i) == DropoutMask::byte_of(static_cast<std::uint32_t>(r),
                                                             static_cast<std::uint32_t>(c)));
            REQUIRE(mask.keeps(words, patch_byte(n, i)) ==
                    mask.keeps(static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(c)));
          }
        }
        REQUIRE(bytes.size() == 16);
      }
    }
  }
  CHECK(patches_per_lane(32, 128) == 8);
  CHECK(patches_per_lane(16, 80) == 3);
}

TEST_CASE("transposed loads give A fragments of P^T and B fragments of K") {
  const auto transposed = [](int lane) { return lane_row_transposed(lane); };
  const auto major = [](int lane) { return lane_row_major(lane); };
  for (int lane = 0; lane < kWarpSize; ++lane) {
    for (int word = 0; word < 4; ++word) {
      // P is stored with the depth of P^T dO along its rows.
      const Stored got = transposed_load(lane, word, transposed);
      const Place wanted = a_fragment(lane, word);
      CHECK(got.row == wanted.depth);
      CHECK(got.column == wanted.row);
      // Word w of a B fragment, depth 16 by 8: depth 2 (lane % 4) + 8 w, column lane / 4. Words 2
      // and 3 are the next eight columns.
      const Stored b = transposed_load(lane, word, major);
      CHECK(b.row == 2 * (lane % 4) + 8 * (word % 2));
      CHECK(b.column == lane / 4 + 8 * (word / 2));
    }
  }
}

TEST_CASE("the backward pass's shared memory requests meet no bank twice") {
  // ldmatrix reads eight rows of 16 bytes at a time.
  const auto loads = [](auto lane_row, int tile_row, int tile_column) {
    int most = 0;
    for (int phase = 0; phase < 4; ++phase) {
      most = std::max(most, bank_passes(8, 16, [&](int i) {
                        const LaneRow own = lane_row(8 * phase + i);
                        return fragment_offset<64>(swizzled_offset<64>(own.row, own.chunk),
                                                   tile_row, tile_column);
                      }));
    }
    return most;
  };
  for (int tile_row = 0; tile_row < 64; tile_row += 16) {
    for (int tile_column = 0; tile_column < 8; ++tile_column) {
      CHECK(loads(lane_row_transposed, tile_row, tile_column) == 1);
      CHECK(loads(lane_row_major, tile_row, tile_column) == 1);
      CHECK(loads(lane_row_minor, tile_row, tile_column) == 1);
    }
  }
  // Pairs of P and dS, written by a warp at once.
  for (int n = 0; n < 16; ++n) {
    for (const int i : {0, 2}) {
      CHECK(bank_passes(32, 4, [&](int lane) { return pair_offset<64>(lane, 16, n, i); }) == 1);
    }
  }
  // Without the swizzle: eight rows 128 bytes apart are in the same banks.
  CHECK(bank_passes(8, 16, [](int i) { return i * kPanelRowBytes; }) == 8);
  CHECK(bank_passes(32, 4, [](int lane) { return lane / 4 * kPanelRowBytes + lane % 4 * 4; }) == 8);
  CHECK(bank_passes(32, 4, [](int) { return 64; }) == 1);  // one word, read by all
}

TEST_CASE("pairs that are stored lie where loads look for them") {
  std::set<int> offsets;
  for (int tile_row = 0; tile_row < 64; tile_row += 16) {
    for (int n = 0; n < 16; ++n) {
      for (int lane = 0; lane < kWarpSize; ++lane) {
        for (const int i : {0, 2}) {
          const int row = tile_row + accumulator_row(lane, i);
          const int column = 8 * n + accumulator_column(lane, i);
          const int offset = pair_offset<64>(lane, tile_row, n, i);
          offsets.insert(offset);
          REQUIRE(offset == swizzled_offset<64>(row, column / 8) + 2 * (column % 8));
        }
      }
    }
  }
  CHECK(offsets.size() == 64 * 128 / 2);
}

TEST_CASE("the 128-byte swizzle of copies is that of the panels") {
  std::set<int> images;
  for (int row = 0; row < 64; ++row) {
    for (int chunk = 0; chunk < 8; ++chunk) {
      const int plain = row * kSwizzleRowBytes + chunk * 16;
      CHECK(swizzle_128(plain) == swizzled_offset<64>(row, chunk));
      CHECK(swizzle_128(swizzle_128(plain)) == plain);
      images.insert(swizzle_128(plain));
    }
  }
  CHECK(images.size() == 64 * 8);
  // A step along the depth changes the address before the swizzle.
  for (int k = 0; k < 8; ++k) {
    const int column = 16 * k;
    CHECK(depth_step_offset(k, 176) == column / 64 * 176 * kSwizzleRowBytes + column % 64 * 2);
  }
}

TEST_CASE("boxes of bulk copies cover a tile") {
  const BoxPlan keys = box_plan(176, 128);
  CHECK(keys.boxes == 2);
  CHECK(keys.box_rows <= kBoxMostRows);
  CHECK(keys.box_bytes % kSwizzleAtomBytes == 0);  // so that the next panel is aligned too
  CHECK(keys.bytes == 176 * 128 * 2);
  CHECK(box_plan(128, 96).boxes == 2);
  CHECK(box_plan(128, 64).bytes == 128 * 64 * 2);
  for (const int head_dim : kTileHeadDims) {
    for (const bool causal : {false, true}) {
      const Tile tile = hopper_forward_tile(head_dim, causal);
      for (const int rows : {tile.rows, tile.columns}) {
        CHECK(box_plan(rows, head_dim).box_rows <= kBoxMostRows);
        CHECK(box_plan(rows, head_dim).box_bytes % kSwizzleAtomBytes == 0);
        CHECK(box_plan(rows, head_dim).bytes == 2 * rows * padded_head_dim(head_dim));
      }
    }
  }
}

TEST_CASE("matrix descriptors have their fields where the manual says") {
  const std::uint64_t descriptor = matrix_descriptor(0x12340, 0x2c00, 0x400);
  CHECK((descriptor & 0x3fff) == 0x1234);
  CHECK((descriptor >> 16 & 0x3fff) == 0x2c0);
  CHECK((descriptor >> 32 & 0x3fff) == 0x40);
  CHECK((descriptor >> 49 & 7) == 0);
  CHECK(descriptor >> 62 == 1);
  CHECK((descriptor & ~(0x3fffULL | 0x3fffULL << 16 | 0x3fffULL << 32 | 3ULL << 62)) == 0);
  CHECK(depth_major_descriptor(1024) == matrix_descriptor(1024, 16, 1024));
  CHECK(width_major_descriptor(2048, 176) == matrix_descriptor(2048, 176 * 128, 1024));
  // 227 KiB of shared memory are within the 18 bits of an address.
  CHECK((matrix_descriptor(227 * 1024 - 16, 16, 16) & 0x3fff) == (227 * 1024 - 16) / 16);
}

namespace {

/// An mbarrier that completes a phase with every arrival. Waiting for parity p passes when the
/// phase of that parity, the current or the one before, is complete.
struct BarrierModel {
  int completed = 0;
  bool passes(int parity) const { return (completed & 1) != parity; }
};

}  // namespace

TEST_CASE("the parities of a ring let nobody overtake") {
  for (const int stages : {1, 2, 3, 4}) {
    std::vector<BarrierModel> full(static_cast<std::size_t>(stages));
    std::vector<BarrierModel> empty(static_cast<std::size_t>(stages));
    std::uint32_t filled = 0;
    std::uint32_t used = 0;
    // The producer runs as far ahead as it is let, then the consumer takes some.
    for (int round = 0; round < 50; ++round) {
      for (;;) {
        const RingUse use = ring_use(filled, stages);
        if (!empty[static_cast<std::size_t>(use.stage)].passes(use.empty_parity)) break;
        ++full[static_cast<std::size_t>(use.stage)].completed;
        ++filled;
        REQUIRE(filled - used <= static_cast<std::uint32_t>(stages));
      }
      REQUIRE(filled - used == static_cast<std::uint32_t>(stages));
      for (int i = 0; i <= round % stages; ++i) {
        const RingUse use = ring_use(used, stages);
        REQUIRE(full[static_cast<std::size_t>(use.stage)].passes(use.full_parity));
        ++empty[static_cast<std::size_t>(use.stage)].completed;
        ++used;
      }
    }
    for (; used < filled; ++used) {
      const RingUse use = ring_use(used, stages);
      REQUIRE(full[static_cast<std::size_t>(use.stage)].passes(use.full_parity));
    }
    const RingUse beyond = ring_use(used, stages);
    CHECK_FALSE(full[static_cast<std::size_t>(beyond.stage)].passes(beyond.full_parity));
  }
}

}  // namespace ashlar::flashattention2::kernel
