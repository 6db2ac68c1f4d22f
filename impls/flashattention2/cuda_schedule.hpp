#pragma once
// Which tile a thread block computes, and in which order it walks along the other axis: all
// integers, for kernels and for tests on a CPU.
//
// Forward blocks take a row block and walk along its column blocks, backward blocks take a column
// block and walk along its row blocks (Dao, arXiv 2307.08691, section 3.2).
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/mask.hpp"

namespace ashlar::flashattention2::kernel {

/// A walk over the blocks of a BlockRange from the last to the first. Iterations that need mask
/// code come first, for the diagonal and a ragged end, and, for a window's left side, last; the
/// ones between need none. The three are loops of their own, so that the middle one has no branch.
struct Walk {
  int blocks = 0;     // iterations in all
  int last = 0;       // block of iteration 0
  int front = 0;      // iterations [0, front) need mask code
  int back_from = 0;  // and so do [back_from, blocks)

  ASHLAR_HOST_DEVICE constexpr int block(int iteration) const { return last - iteration; }
  ASHLAR_HOST_DEVICE constexpr bool masks(int iteration) const {
    return iteration < front || iteration >= back_from;
  }
};

ASHLAR_HOST_DEVICE constexpr Walk walk_of(const flashattention2::BlockRange<int>& range) {
  Walk walk;
  walk.blocks = range.visit.size();
  walk.last = range.visit.end - 1;
  walk.front = range.whole.empty() ? walk.blocks : range.visit.end - range.whole.end;
  walk.back_from = range.whole.empty() ? walk.blocks : walk.front + range.whole.size();
  return walk;
}

/// What `front` is at most without a window, as the official code counts its masking iterations at
/// compile time: 1 for a ragged end, and under a causal mask what the diagonal crosses, which is
/// one block more when lengths are no multiples of the tile.
ASHLAR_HOST_DEVICE constexpr int masking_iterations(bool causal, bool even, int rows, int columns) {
  if (!causal) return 1;
  return divide_up(rows, columns) + (even ? 0 : 1);
}

/// Which work a tile is.
struct TilePlace {
  int sequence = 0;
  int head = 0;
  int block = 0;
};

/// Order of a persistent kernel's tiles, equal sequences. Heads are taken in sections of
/// `section` kv heads whose K and V fit the L2 cache together; inside of a section the longest
/// tiles come first (under a causal mask the last row blocks, in the backward pass the first column
/// blocks), each for all heads of the section before the next.
struct TileOrder {
  int blocks = 0;    // row (column) blocks of a head
  int heads_kv = 0;  // of one sequence
  int group = 1;     // query heads per kv head
  int sequences = 0;
  int section = 1;  // kv heads, counted over sequences
  bool last_first = false;

  ASHLAR_HOST_DEVICE constexpr std::int64_t tiles() const {
    return std::int64_t{blocks} * heads_kv * group * sequences;
  }

  /// In the arithmetic of Integer, which must hold tiles().
  template <class Integer>
  ASHLAR_HOST_DEVICE constexpr TilePlace place(Integer tile) const {
    const Integer section_tiles = Integer{blocks} * section * group;
    const Integer first = tile / section_tiles * section;  // kv head
    const Integer all = Integer{heads_kv} * sequences;
    const Integer width = (all - first < section ? all - first : section) * group;
    const Integer rest = tile % section_tiles;
    const auto rank = static_cast<int>(rest / width);
    const Integer head = first * group + rest % width;  // query head over sequences
    const int heads = heads_kv * group;
    return {static_cast<int>(head / heads), static_cast<int>(head % heads),
            last_first ? blocks - 1 - rank : rank};
  }
};

/// kv heads whose K and V, in 16 bits, fit into `cache_bytes`; at least 1.
ASHLAR_HOST_DEVICE constexpr int heads_in_cache(std::int64_t cache_bytes, std::int64_t seqlen_k,
                                                int head_dim, int most) {
  const std::int64_t head_bytes = 2 * 2 * seqlen_k * head_dim;
  if (head_bytes == 0) return most;
  const std::int64_t heads = cache_bytes / head_bytes;
  return static_cast<int>(heads < 1 ? 1 : (heads < most ? heads : most));
}

/// Packed sequences: first_tile[i] is the number of tiles of the sequences before i, in blocks of
/// `rows`, all heads; it has one element more than there are sequences.
inline void count_packed_tiles(const std::int32_t* cu_seqlens, int sequences, int rows, int heads,
                               std::int64_t* first_tile) {
  first_tile[0] = 0;
  for (int i = 0; i < sequences; ++i) {
    const int length = cu_seqlens[i + 1] - cu_seqlens[i];
    first_tile[i + 1] = first_tile[i] + std::int64_t{divide_up(length, rows)} * heads;
  }
}

/// The place of a tile of packed sequences. Sequences without rows have no tiles. Inside of a
/// sequence all heads of a block come before the next block, the last block first if asked for.
ASHLAR_HOST_DEVICE constexpr TilePlace packed_place(const std::int64_t* first_tile, int sequences,
                                                    int heads, bool last_first, std::int64_t tile) {
  int low = 0;  // first_tile[low] <= tile < first_tile[high]
  int high = sequences;
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    if (first_tile[middle] <= tile) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const auto blocks = static_cast<int>((first_tile[low + 1] - first_tile[low]) / heads);
  const std::int64_t rest = tile - first_tile[low];
  const auto rank = static_cast<int>(rest / heads);
  return {low, static_cast<int>(rest % heads), last_first ? blocks - 1 - rank : rank};
}

/// Deterministic backward pass: `copies` thread blocks share the column blocks of one head, each
/// adds to a dQ of its own, in the order of its walk, and a last kernel sums the copies in order.
struct DqCopies {
  int copies = 1;
  int column_blocks = 0;

  /// Column block of the i-th step of a copy; there are steps(copy) of them.
  ASHLAR_HOST_DEVICE constexpr int column_block(int copy, int i) const { return copy + i * copies; }
  ASHLAR_HOST_DEVICE constexpr int steps(int copy) const {
    return copy < column_blocks ? (column_blocks - 1 - copy) / copies + 1 : 0;
  }
  /// Floats of all copies of dQ; copy c of (sequence, head) begins at floats() / copies * c.
  ASHLAR_HOST_DEVICE constexpr std::int64_t floats(std::int64_t rows, std::int64_t heads,
                                                   std::int64_t head_dim) const {
    return copies * rows * heads * head_dim;
  }
};

/// As many copies as fill the device, and no more than there are column blocks.
ASHLAR_HOST_DEVICE constexpr DqCopies dq_copies(int multiprocessors, int sequences, int heads,
                                                int column_blocks) {
  const std::int64_t pairs = std::int64_t{sequences} * heads;
  const std::int64_t wanted = pairs == 0 ? 1 : divide_up<std::int64_t>(multiprocessors, pairs);
  const int most = column_blocks < 1 ? 1 : column_blocks;
  return {static_cast<int>(wanted < most ? wanted : most), column_blocks};
}

}  // namespace ashlar::flashattention2::kernel
