#pragma once
// What decides whether a training step of a stack of blocks is right. Double precision of all of it
// is affordable for a small stack alone. Of a large one it is y of the first tokens of the first
// and the last sequence, through all layers, since no later token is in them; and what must hold
// between the gradients of all tokens, whatever they are.
#include <optional>
#include <string>
#include <vector>

#include "suites/flashattention2/transformer_problem.hpp"

namespace ashlar::flashattention2::suite {

/// All of a small problem, or y of the first tokens.
bool checked_whole(const TransformerProblem& problem);
model::Expected transformer_in_double(const TransformerProblem& problem);
/// The same steps with all tensors rounded to bfloat16, and double precision within attention
/// (nn::HostOps): its error is the yardstick.
model::Expected transformer_in_storage_precision(const TransformerProblem& problem);
model::Tolerances transformer_tolerance(const model::Point& point);

/// Of every layer, in all tokens:
///   sum_i dx[t,i] = sum_i dy[t,i]          a norm's input gradient sums to zero over a row
///   dbias of keys = 0                      a summand of all keys shifts all scores of a row alike
///   dbias of values = W_project dbias_project     weights of attention sum to one
///   dbias of norm_2 = W_expand dbias_expand, of norm_1 = W_qkv dbias_qkv, of the last
///   contraction = sum_t dy[t]
std::optional<std::string> block_gradients_add_up(const TransformerProblem& problem,
                                                  const std::vector<model::TensorView>& answer);

/// Negative controls: steps on a CPU, wrong on purpose.
/// The projection's output without x.
void residual_forgotten(const TransformerProblem& problem, TransformerAnswer& answer);
/// The gradient of keys is zero.
void key_gradient_forgotten(const TransformerProblem& problem, TransformerAnswer& answer);

}  // namespace ashlar::flashattention2::suite
