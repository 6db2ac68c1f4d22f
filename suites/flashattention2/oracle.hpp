#pragma once
// What decides whether an answer of the forward pass is right.
#include <optional>
#include <string>
#include <vector>

#include "harness/model/oracle.hpp"
#include "suites/flashattention2/problem.hpp"

namespace ashlar::flashattention2::suite {

/// A row that the oracle looks at; `row` counts within the sequence.
struct SampledRow {
  Index sequence;
  Index head;
  Index row;
};
/// All rows of a small problem, else the first, the last, those around the edges of tiles, and some
/// drawn from the seed, of every sequence and query head that is drawn.
std::vector<SampledRow> sampled_rows(const AttentionProblem& problem);

/// Up to four of `count` heads, the first and the last among them; `what` tells draws apart.
std::vector<Index> sampled_heads(Index count, std::uint64_t seed, const std::string& what);
/// Up to 24 of the `count` rows or keys of the head drawn `pair`-th, those around the edges of
/// tiles among them.
std::vector<Index> sampled_lines(Index count, std::uint64_t seed, const std::string& what,
                                 Index pair);

/// Flat index of the first element of a row in a tensor shaped like q, and of its number in lse.
Index element_of_row(const AttentionParams& params, const SampledRow& at);
Index element_of_lse(const AttentionParams& params, const SampledRow& at);

/// The sampled rows in double precision.
model::Expected attention_rows_in_double(const AttentionProblem& problem);
/// The same rows by plain attention in the storage precision: scores and weights rounded to 16
/// bits. Its error is the yardstick of the official tests (at most twice that error), for out and
/// for lse.
model::Expected attention_rows_in_storage_precision(const AttentionProblem& problem);
model::Tolerances attention_tolerance(const model::Point& point);

/// Every element of out lies between the least and the greatest value of its column of v (and 0
/// where a row may see nothing): holds for all rows, sampled or not, since a row of the answer is a
/// convex combination. And, in 16-bit types, the weights that lse stands for sum to one in a few
/// rows, with exact scores or with scores rounded to the storage type: tighter than the tolerance
/// of lse can be.
std::optional<std::string> rows_are_convex(const AttentionProblem& problem,
                                           const std::vector<model::TensorView>& answer);

/// Negative controls: wrong on purpose in the sampled rows. All others hold the first value, which
/// is a convex combination, so that a control costs little at any size.
void scale_forgotten(const AttentionProblem& problem, AttentionAnswer& answer);
/// Causal: every row sees one key too many. Not causal: every row misses the last key.
void mask_off_by_one(const AttentionProblem& problem, AttentionAnswer& answer);
/// Online softmax over blocks of 64 keys that does not rescale when the maximum rises.
void rescale_forgotten(const AttentionProblem& problem, AttentionAnswer& answer);

}  // namespace ashlar::flashattention2::suite
