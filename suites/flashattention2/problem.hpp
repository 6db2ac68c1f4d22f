#pragma once
// The attention problem of a point and its answers: what implementations take and give.
#include <cstdint>
#include <string>
#include <vector>

#include "harness/model/suite.hpp"
#include "impls/core/tensor.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::suite {

/// q as (batch, seqlen_q, heads_q, head_dim), k and v likewise, rounded once to the storage type.
struct AttentionProblem {
  core::Tensor<4> q;
  core::Tensor<4> k;
  core::Tensor<4> v;
  float scale = 0;
  bool causal = false;
  std::uint64_t seed = 0;  // also of the sampled rows
  Window window = {};
  float softcap = 0;
  Dropout dropout = {};
  std::vector<std::int32_t> cu_seqlens_q = {};  // of packed sequences
  std::vector<std::int32_t> cu_seqlens_k = {};
};

/// With the sizes of its tiles; 0 leaves the choice to the implementation.
struct TiledProblem : AttentionProblem {
  Index row_block = 0;
  Index key_block = 0;
  Index warps = 0;  // of a thread block, on a GPU
};

struct AttentionAnswer {
  core::Tensor<4> out;  // as q
  core::Tensor<3> lse;  // (batch, heads, seqlen), float
  explicit AttentionAnswer(const AttentionProblem& problem);
  std::vector<model::TensorView> tensors();
};

/// A problem whose forward pass is done: out and lse by `flash`, and the gradient of the answer.
struct GradientProblem : AttentionProblem {
  core::Tensor<4> dout;  // as q, standard normal
  core::Tensor<4> out;
  core::Tensor<3> lse;
};

struct GradientAnswer {
  core::Tensor<4> dq;
  core::Tensor<4> dk;
  core::Tensor<4> dv;
  explicit GradientAnswer(const AttentionProblem& problem);
  std::vector<model::TensorView> tensors();
};

/// Of both passes in turn: the answer's own out and lse, and the gradients that follow from them.
struct BothAnswer : AttentionAnswer, GradientAnswer {
  explicit BothAnswer(const AttentionProblem& problem);
  std::vector<model::TensorView> tensors();
};

/// How the elements of q, k and v are drawn.
enum class Inputs {
  normal,       // N(0, 1)
  outliers,     // N(0, 1), one entry in a thousand with N(0, 100) added
  adversarial,  // running maxima that rise, rows of equal scores, and rows that one key dominates
};
Inputs inputs_named(const std::string& name);

struct ProblemShape {
  core::DType dtype;
  Index batch;
  Index seqlen_q;
  Index seqlen_k;
  Index heads_q;
  Index heads_kv;
  Index head_dim;
};
/// Tensors of that shape, scale 1 / sqrt(head_dim), no mask.
AttentionProblem make_problem(const ProblemShape& shape, Inputs inputs, std::uint64_t seed);

/// Axes: seqlen, head_dim, causal, dtype, heads, batch.
AttentionProblem make_attention_problem(const model::Point& point, std::uint64_t seed);
/// Beside these axes: key_block, and row_block and warps where there is one.
TiledProblem make_tiled_problem(const model::Point& point, std::uint64_t seed);
GradientProblem make_gradient_problem(const model::Point& point, std::uint64_t seed);
/// Computes out and lse, and draws dout. Throws std::runtime_error where out or lse do not agree
/// with double precision in the sampled rows: gradients would be judged by them.
GradientProblem with_forward_pass(AttentionProblem problem);

core::DType dtype_named(const std::string& name);

std::vector<model::TensorView> attention_inputs(const AttentionProblem& problem);
std::vector<model::TensorView> gradient_inputs(const GradientProblem& problem);

/// The call that every implementation takes; `answer` may be null where only inputs are read.
AttentionParams forward_params(const AttentionProblem& problem, AttentionAnswer* answer);
AttentionParams backward_params(const GradientProblem& problem, GradientAnswer* answer);
AttentionParams both_params(const GradientProblem& problem, BothAnswer* answer);
inline AttentionParams params_of(const AttentionProblem& problem, AttentionAnswer* answer) {
  return forward_params(problem, answer);
}
inline AttentionParams params_of(const GradientProblem& problem, GradientAnswer* answer) {
  return backward_params(problem, answer);
}
inline AttentionParams params_of(const GradientProblem& problem, BothAnswer* answer) {
  return both_params(problem, answer);
}

/// The paper's counts: forward 4 B H N^2 d, backward 2.5 and both 3.5 times as much, halved under a
/// causal mask (section 4). Bytes: every tensor moved once.
model::Work attention_forward_work(const model::Point& point);
model::Work attention_backward_work(const model::Point& point);
model::Work attention_both_work(const model::Point& point);

}  // namespace ashlar::flashattention2::suite
