#pragma once
// Standard attention that stores every intermediate in the storage type, as PyTorch's does on a
// GPU: scores, weights, and the gradients of both; sums in float or better. It is the yardstick of
// the authors' tests, and, over all rows, the rival in the experiment about accuracy.
#include <vector>

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

// The order of the lists is free, but neighbours of one sequence and head share their work.
std::vector<RowResult> plain_rows(const AttentionParams& params,
                                  const std::vector<SampledRow>& rows);
/// From the statistics of every sequence.
std::vector<std::vector<double>> plain_query_gradients(const AttentionParams& params,
                                                       const std::vector<RowStatistics>& statistics,
                                                       const std::vector<SampledRow>& rows);
std::vector<KeyGradient> plain_key_gradients(const AttentionParams& params,
                                             const std::vector<RowStatistics>& statistics,
                                             const std::vector<SampledKey>& keys);

/// Both passes, all rows and keys, in parallel.
void plain_attention(const GradientProblem& problem, BothAnswer& answer);

}  // namespace ashlar::flashattention2::suite
