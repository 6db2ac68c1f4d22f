#pragma once
// Numbers of the paper that are a matter of counting or of arithmetic, not of a device at hand:
// operations and bytes exchanged, memory of PyTorch's scheme, quotients of peaks, and the speed of
// training. Each is a study whose value a claim of reach "model" (or "direct", for counts) judges.
#include <cstdint>
#include <string>

#include "harness/model/suite.hpp"

namespace ashlar::flashattention2::suite {

/// Bytes of the N x N matrices that PyTorch's standard attention keeps in 16 bits.
struct MatrixBytes {
  double least =
      0;            // what has to be there at once: the weights, their gradient, that of the scores
  double most = 0;  // every matrix of both passes, as if none were freed before the end
};
/// Forward and backward, as the authors' benchmark writes them: `empty` for the product, scores,
/// their sum with a mask where causal, weights; gradients of weights and of scores.
MatrixBytes pytorch_matrix_bytes(double heads, double seqlen, bool causal);

/// The speed of training by the formula 6 N P + 12 L hidden N^2, in TFLOP/s per GPU.
struct TrainingModel {
  double layers;
  double hidden;
  double parameters;
};
TrainingModel training_model(const std::string& name);
/// Time = 6 N P / rest + attention. `attention` is the rate of both passes at head dimension 128
/// with a causal mask (figure 4, halved count), `rest` that of everything else, in TFLOP/s.
double training_rate(const TrainingModel& model, double seqlen, double attention, double rest);
/// Rate of figure 4 at head dimension 128, causal, in TFLOP/s; methods none, fa1, fa2.
double figure_4_rate(const std::string& method, std::int64_t seqlen);
/// The one number that the model takes from table 1: rest such that FlashAttention-2 trains the
/// smaller model at 2048 tokens with 196 TFLOP/s.
double training_rest();

void declare_models(model::Suite& suite);

}  // namespace ashlar::flashattention2::suite
