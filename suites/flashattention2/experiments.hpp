#pragma once
// The suite's experiments, each declared in a file of its own. README.md in this folder says what
// they are for.
#include "harness/model/suite.hpp"

namespace ashlar::flashattention2::suite {

/// The paper's grid for one pass and for both.
void declare_forward(model::Suite& suite);
void declare_backward(model::Suite& suite);
void declare_both(model::Suite& suite);
/// One new token against a long cache of keys and values.
void declare_decode(model::Suite& suite);
/// The paper's three ideas, switched off one at a time in the same code.
void declare_schedule(model::Suite& suite);
/// The loop orders of FlashAttention-1 and -2 on one thread, by the size of the column block.
/// FlashAttention-1 returns to every row of the output once per column block, so what its order
/// costs should grow as blocks shrink.
void declare_loop_order(model::Suite& suite);
/// Sizes of row and column blocks.
void declare_tiles(model::Suite& suite);
/// The same on tensor cores, with the warps that share a tile.
void declare_tiles_mma(model::Suite& suite);
/// How many heads there are to share among threads.
void declare_heads(model::Suite& suite);
/// Every feature on three kinds of inputs, by the rule of the authors' tests.
void declare_accuracy(model::Suite& suite);

/// From scalar loops to all threads, one step at a time.
void declare_ladder(model::Suite& suite);
/// From mma.sync to all that Hopper has, one step at a time.
void declare_hopper_ladder(model::Suite& suite);
/// Transformer blocks with attention exchanged: forward and backward pass on a GPU.
void declare_transformer(model::Suite& suite);
/// Operations and bytes counted in plain code.
void declare_operations(model::Suite& suite);

/// On a GPU the paper's grid: 16384 tokens in all, hidden size 2048.
inline bool in_paper_grid(const model::Point& point) {
  return point.integer("batch") * point.integer("seqlen") == 16384 &&
         point.integer("heads") * point.integer("head_dim") == 2048;
}

}  // namespace ashlar::flashattention2::suite
