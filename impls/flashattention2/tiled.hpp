#pragma once
// Tiled attention as readable code: one function for a tile, no vector instructions of its own,
// sums in float, tile sizes as options. It comes in the variants that tell the three ideas of
// FlashAttention-2 apart from FlashAttention-1, and counts what each of them executes, exactly.
//
// Source: Dao, arXiv 2307.08691: sections 2.3.1 (FlashAttention-1), 3.1 (fewer operations beside
// products), 3.2 (parallel over rows), 3.3 (work between warps).
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

/// Section 3.2: with rows outside, each row block is a work item of its own, and its accumulator
/// stays where it is. With columns outside, a head is one work item, and the accumulator and the
/// statistics of a row block are read and written again for every column block.
enum class LoopOrder { rows_outside, columns_outside };

/// Section 3.1: divide by the sum of weights once, at the end, and save one statistic for the
/// backward pass; or keep the output normalised after every block, and save two (FlashAttention-1).
enum class Rescale { delayed, every_block };

/// Section 3.3: each warp has rows of its own, and nothing to exchange; or columns of its own of
/// every block, and row maxima, row sums and partial outputs go through a buffer.
enum class Split { queries, keys };

struct TiledOptions {
  Index row_block = 64;
  Index key_block = 64;
  LoopOrder order = LoopOrder::rows_outside;
  Rescale rescale = Rescale::delayed;
  Split split = Split::queries;
  Index warps = 4;
  bool skip_masked_blocks = true;  // blocks in which a row block sees nothing
  int threads = 0;                 // 0: core::thread_count()
};

constexpr TiledOptions fa2_options() { return {}; }
constexpr TiledOptions fa1_options() {
  return {
      .order = LoopOrder::columns_outside, .rescale = Rescale::every_block, .split = Split::keys};
}

/// What was executed. A ragged tile counts by the rows and keys that exist. Scores of a visited
/// block count whether visible or not. Masking, softcap and dropout do not count.
///
/// Per row and column block, beside products: one maximum, one scale-and-subtract, one exponential
/// and one addition to the sum per key (4 Bc), and updates of the output:
///   delayed      d: scale the old (the addition rides in the product's accumulator); 4 scalars:
///                maximum, exponent, exponential, multiply-add of the sum
///   every_block  4d: scale the old, scale the new, add, divide; 7 scalars: maximum, two exponents,
///                two exponentials, weight of the old sum, multiply-add of the sum
/// and once per row: delayed d to divide and 3 scalars (reciprocal, logarithm, multiply-add),
/// every_block 2 scalars.
///
/// Split::keys, per column block of r rows among w warps: w r (2 + d) floats are written to the
/// buffer and read again; combining them takes per row 2 (w - 1) + (w - 1) d operations, and d more
/// with delayed, where the addition rides in no accumulator.
struct TiledCounts {
  Index visited_blocks = 0;  // pairs of a row block and a column block
  Index matmul_flops = 0;    // two per multiply-add
  Index max_ops = 0;
  Index scale_ops = 0;
  Index exp_ops = 0;
  Index sum_ops = 0;
  Index output_ops = 0;
  Index final_ops = 0;
  Index scalar_ops = 0;
  Index combine_ops = 0;
  Index written_bytes = 0;     // to the buffer between warps
  Index read_bytes = 0;        // from it
  Index state_bytes = 0;       // accumulator, maximum and sum, in and out between column blocks
  Index saved_statistics = 0;  // floats for the backward pass
  Index work_items = 0;        // that may run at the same time

  /// Elementwise operations of all blocks beside products: what delaying the division saves on.
  Index elementwise_ops() const { return max_ops + scale_ops + exp_ops + sum_ops + output_ops; }

  TiledCounts& operator+=(const TiledCounts& other);
  bool operator==(const TiledCounts&) const = default;
};

/// Computes params.out and params.lse, with every feature of the interface, in storage types f32,
/// bf16 and f16, and adds what it executed to `counts`. The answer depends on key_block, rescale,
/// split and warps, not on order or threads, nor with Rescale::delayed on row_block, bit for bit.
/// Throws what validate_forward() throws, and std::invalid_argument for another storage type or for
/// a tile size or number of warps that is not positive.
void tiled_forward(const AttentionParams& params, const TiledOptions& options,
                   TiledCounts* counts = nullptr);

/// What tiled_forward() executes, by formula: block i of Br rows visits the column blocks from
/// max(0, floor((i Br + Off - left) / Bc)) to min(Tc, ceil((min((i + 1) Br, Nq) + Off + right) /
/// Bc)), Off = Nk - Nq; the rest follows from the numbers of rows and keys.
TiledCounts tiled_formula(const AttentionParams& params, const TiledOptions& options);

}  // namespace ashlar::flashattention2
