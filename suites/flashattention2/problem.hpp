#pragma once
// The attention problem of a point, its answer, and what decides whether an answer is right.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/suite.hpp"
#include "impls/core/tensor.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::suite {

/// q, k, v as (batch, seqlen, heads, head_dim), standard normal, rounded once to the storage type.
struct AttentionProblem {
  core::Tensor<4> q;
  core::Tensor<4> k;
  core::Tensor<4> v;
  float scale = 0;
  bool causal = false;
  std::uint64_t seed = 0;  // also of the sampled rows
};

struct AttentionAnswer {
  core::Tensor<4> out;  // as q
  core::Tensor<3> lse;  // (batch, heads, seqlen), float
  explicit AttentionAnswer(const AttentionProblem& problem);
  std::vector<model::TensorView> tensors();
};

/// Axes: seqlen, head_dim, causal, dtype, heads, batch.
AttentionProblem make_attention_problem(const model::Point& point, std::uint64_t seed);
std::vector<model::TensorView> attention_inputs(const AttentionProblem& problem);

/// The call that every implementation takes; `answer` may be null where only inputs are read.
AttentionParams forward_params(const AttentionProblem& problem, AttentionAnswer* answer);

/// The paper's count, 4 B H N^2 d, halved under a causal mask (section 4); every tensor moved once.
model::Work attention_forward_work(const model::Point& point);

/// Rows in double precision: all of a small problem, else the first, the last, those around the
/// edges of tiles, and some drawn from the seed, for every batch and head that is drawn.
model::Expected attention_rows_in_double(const AttentionProblem& problem);
/// The same rows by plain attention in the storage precision: scores and weights rounded to 16
/// bits. Its error is the yardstick of the official tests (at most twice that error), for out and
/// for lse.
model::Expected attention_rows_in_storage_precision(const AttentionProblem& problem);
model::Tolerances attention_tolerance(const model::Point& point);

/// Every element of out lies between the least and the greatest value of its column of v: holds for
/// all rows, sampled or not, since a row of the answer is a convex combination. And, in 16-bit
/// types, the weights that lse stands for sum to one in a few rows, with exact scores or with
/// scores rounded to the storage type: tighter than the tolerance of lse can be.
std::optional<std::string> rows_are_convex(const AttentionProblem& problem,
                                           const std::vector<model::TensorView>& answer);

/// The rows that the oracle looks at.
struct SampledRow {
  Index batch;
  Index head;
  Index row;
};
std::vector<SampledRow> sampled_rows(const AttentionProblem& problem);

/// Negative controls: wrong on purpose in the sampled rows. All others hold the first value, which
/// is a convex combination, so that a control costs little at any size.
void scale_forgotten(const AttentionProblem& problem, AttentionAnswer& answer);
/// Causal: every row sees one key too many. Not causal: every row misses the last key.
void mask_off_by_one(const AttentionProblem& problem, AttentionAnswer& answer);
/// Online softmax over blocks of 64 keys that does not rescale when the maximum rises.
void rescale_forgotten(const AttentionProblem& problem, AttentionAnswer& answer);

}  // namespace ashlar::flashattention2::suite
