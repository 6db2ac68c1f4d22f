#pragma once
// One tile of the backward pass: a block of query rows of one head against a block of keys.
// Internal; backward_kernels.hpp has the design, backward.cpp walks over the tiles.
#include <cstddef>

#include "impls/core/aligned_buffer.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/backward_kernels.hpp"
#include "impls/flashattention2/backward_packing.hpp"

namespace ashlar::flashattention2 {

struct BackwardTiling {
  Index row_block;  // a multiple of kProductRows
  Index key_block;  // a multiple of lanes and of kProductRows
};

/// Rows whose scores are kept at a time, in the first-level cache: four strips.
inline constexpr Index kGroupRows = 4 * kProductRows;

/// Memory of one worker: a column block's keys and values, its gradients, and the weights and score
/// gradients of one tile.
class BackwardWorker {
 public:
  BackwardWorker(const BackwardShape& shape, const BackwardTiling& tiling);
  std::size_t bytes() const;

  Index answer_stride;                // words between rows of p and ds
  Index by_row_stride;                // words between rows of ds_by_row
  core::AlignedBuffer keys_by_panel;  // K^T and V^T: [panel][word of depth][key of the panel]
  core::AlignedBuffer values_by_panel;
  core::AlignedBuffer keys;  // K along rows
  core::AlignedBuffer rows;  // along depth, while they are packed
  core::AlignedBuffer dk;    // [key][gradient_stride]
  core::AlignedBuffer dv;
  core::AlignedBuffer p;  // [row / step][key]
  core::AlignedBuffer ds;
  core::AlignedBuffer ds_by_row;  // [row][key / step] where step is 2
  core::AlignedBuffer scores;     // [kGroupRows][panel] where step is 2
  core::AlignedBuffer dp;
  core::AlignedBuffer factors;  // [kGroupRows][panel] of dropout or softcap
};

/// A block of query rows in packed form, and where their dq is summed.
struct TileRows {
  Index first;  // row of the sequence
  Index count;  // rows that exist
  const std::uint32_t* q_along_depth;
  const std::uint32_t* q_along_rows;
  const std::uint32_t* dout_along_depth;
  const std::uint32_t* dout_along_rows;
  const float* lse_log2;
  const float* delta;
  float* dq;  // [row][gradient_stride]
};

/// A block of keys of one kv head.
struct TileKeys {
  Index first;  // column of the sequence
  Index count;  // keys that exist
};

class BackwardTile {
 public:
  BackwardTile(const AttentionParams& params, const BackwardKernels& kernels,
               const BackwardShape& shape, const BackwardTiling& tiling);

  /// Packs the keys and values of a column block and clears its gradients.
  void begin_keys(const Sequence& sequence, Index head_kv, const TileKeys& keys,
                  BackwardWorker& worker) const;
  /// Adds the tile's share to dq, and to dk and dv in the worker. `masked`: some of the tile's
  /// elements are hidden.
  void run(const Sequence& sequence, Index head, const TileRows& rows, const TileKeys& keys,
           bool masked, BackwardWorker& worker) const;
  /// Writes dk and dv of the column block.
  void finish_keys(const Sequence& sequence, Index head_kv, const TileKeys& keys,
                   const BackwardWorker& worker) const;

 private:
  struct Context;  // the arguments of run()
  struct Patch;    // strips of a group against one panel of keys

  void weigh_panels(const Context& tile) const;
  void weigh_patch(const Context& tile, const Patch& patch) const;
  void clear_patch(const Context& tile, const Patch& patch) const;
  Range<Index> strips_that_see(const Context& tile, const Patch& patch) const;
  Factors prepare_factors(const Context& tile, const Patch& patch, float* scores,
                          Index stride) const;
  void fill_kept(const Context& tile, const Patch& patch) const;
  void add_key_gradients(const Context& tile) const;
  void add_query_gradients(const Context& tile) const;

  const AttentionParams& params_;
  const BackwardKernels& kernels_;
  const BackwardShape& shape_;
  const BackwardTiling& tiling_;
  float scale_log2e_;
};

}  // namespace ashlar::flashattention2
