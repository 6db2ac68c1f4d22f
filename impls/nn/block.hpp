#pragma once
// One block of a GPT, forward and backward, in double precision: what a block on a GPU is held
// against, and small enough to be checked by finite differences itself. Attention is a parameter,
// so that a stack of blocks can be run with one kind of attention or another.
//
//   h = x + project(attention(split(qkv(norm_1(x)))))
//   y = h + contract(gelu(expand(norm_2(h))))
//
// Norms before each half, as in GPT-2 (Radford et al. 2019, section 2.3); gelu in its exact form,
// x Phi(x) (Hendrycks and Gimpel, arXiv 1606.08415); a causal mask. No dropout.
//
// Activations are (tokens, width), row-major, tokens = batch * seqlen. Weights are (inputs,
// outputs), row-major, so that y = x W + b.
#include <cstdint>
#include <vector>

namespace ashlar::nn {

using Index = std::int64_t;
using Values = std::vector<double>;

struct BlockShape {
  Index batch = 1;
  Index seqlen = 1;
  Index heads = 1;
  Index head_dim = 1;

  Index tokens() const { return batch * seqlen; }
  Index hidden() const { return heads * head_dim; }
  Index inner() const { return 4 * hidden(); }
};

/// Of norm: a factor and a summand per column.
struct NormWeights {
  Values gain;
  Values bias;
};
struct LinearWeights {
  Values weight;  // (inputs, outputs)
  Values bias;    // (outputs)
};

/// Also of their gradients.
struct BlockWeights {
  NormWeights norm_1, norm_2;
  LinearWeights qkv;       // hidden -> 3 hidden: all of q, then k, then v
  LinearWeights project;   // hidden -> hidden
  LinearWeights expand;    // hidden -> inner
  LinearWeights contract;  // inner -> hidden

  /// Zeros.
  explicit BlockWeights(const BlockShape& shape);
  /// Every array once, in the order above.
  std::vector<Values*> arrays();
};

/// Tensors of attention: (batch, seqlen, heads, head_dim) where element (b, n, h, k) lies at
/// ((b * seqlen + n) * row) + h * head_dim + k; q, k and v are thirds of one row.
struct AttentionInputs {
  BlockShape shape;
  Index row = 0;
  const double* q = nullptr;
  const double* k = nullptr;
  const double* v = nullptr;
};

/// Causal attention with scale 1 / sqrt(head_dim). `out` and `dout` are (tokens, hidden); gradients
/// lie as what they are gradients of, and are written, not added to.
class BlockAttention {
 public:
  virtual ~BlockAttention() = default;
  virtual void forward(const AttentionInputs& inputs, double* out) const = 0;
  virtual void backward(const AttentionInputs& inputs, const double* dout, double* dq, double* dk,
                        double* dv) const = 0;
};
/// By the definition, weights computed anew in the backward pass.
const BlockAttention& plain_attention();

/// What the backward pass reads beside the weights.
struct BlockActivations {
  Values x, normed_1, qkv, attended, middle /* h above */, normed_2, expanded, activated, y;
};

BlockActivations block_forward(const BlockShape& shape, const BlockWeights& weights,
                               const Values& x, const BlockAttention& attention);

struct BlockGradients {
  Values dx;
  BlockWeights weights;
};

/// From `dy`, the gradient of y.
BlockGradients block_backward(const BlockShape& shape, const BlockWeights& weights,
                              const BlockActivations& activations, const Values& dy,
                              const BlockAttention& attention);

/// Parameters of one block: 12 hidden^2 and what is linear in hidden.
double block_parameters(const BlockShape& shape);
/// Of one forward and backward pass by the formula that the paper's table 1 is counted with
/// (Narayanan et al., arXiv 2104.04473, section 5.1, without recomputation): 6 FLOPs per token and
/// weight of a matrix, and 12 seqlen^2 hidden per sequence for attention, not halved for its mask.
double block_training_flops(const BlockShape& shape);

}  // namespace ashlar::nn
