#pragma once
// A control experiment: the loop orders of FlashAttention-1 and -2 on one thread, by the size of
// the column block. FlashAttention-1 returns to every row of the output once per column block, so
// what its order costs should grow as blocks shrink.
#include "harness/model/suite.hpp"

namespace ashlar::flashattention2::suite {

void declare_loop_order(model::Suite& suite);

}  // namespace ashlar::flashattention2::suite
