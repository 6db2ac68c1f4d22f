#pragma once
// Standard attention that stores every intermediate in the storage type, as PyTorch's does on a
// GPU: scores, weights, and the gradients of both; sums in float or better. It is the yardstick of
// the authors' tests, and, over all rows, the rival in the experiment about accuracy. Slow.
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/problem.hpp"

namespace ashlar::flashattention2::suite {

/// A key whose gradients are looked at; `column` counts within the sequence.
struct SampledKey {
  Index sequence;
  Index head_kv;
  Index column;
};

/// Flat index of the first element of a key in a tensor shaped like k.
Index element_of_key(const AttentionParams& params, const SampledKey& at);

RowResult plain_row(const AttentionParams& params, const SampledRow& at);
/// From the statistics of the rows of one sequence.
std::vector<double> plain_query_gradient(const AttentionParams& params,
                                         const RowStatistics& statistics, const SampledRow& at);
KeyGradient plain_key_gradient(const AttentionParams& params, const RowStatistics& statistics,
                               const SampledKey& at);

/// Both passes, all rows and keys, in parallel.
void plain_attention(const GradientProblem& problem, BothAnswer& answer);

}  // namespace ashlar::flashattention2::suite
