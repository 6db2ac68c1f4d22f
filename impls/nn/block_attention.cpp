// Causal attention by its definition, for blocks in double precision.
#include <algorithm>
#include <cmath>

#include "impls/nn/block.hpp"

namespace ashlar::nn {
namespace {

class PlainAttention final : public BlockAttention {
 public:
  void forward(const AttentionInputs& inputs, double* out) const override {
    for_each_row(inputs, [&](const Row& row, const Values& weights) {
      double* const to = out + row.token * inputs.shape.hidden() + row.column;
      std::fill_n(to, inputs.shape.head_dim, 0.0);
      for (Index c = 0; c < static_cast<Index>(weights.size()); ++c) {
        const double* const v = inputs.v + row.key(c);
        for (Index k = 0; k < inputs.shape.head_dim; ++k)
          to[k] += weights[static_cast<std::size_t>(c)] * v[k];
      }
    });
  }

  /// dS = P (dP - sum(P dP)), row by row.
  void backward(const AttentionInputs& inputs, const double* dout, double* dq, double* dk,
                double* dv) const override {
    clear(inputs, {dq, dk, dv});
    for_each_row(inputs, [&](const Row& row, const Values& weights) {
      const double* const from = dout + row.token * inputs.shape.hidden() + row.column;
      Values dweights(weights.size());
      double delta = 0;
      for (std::size_t c = 0; c < weights.size(); ++c) {
        const Index key = row.key(static_cast<Index>(c));
        for (Index k = 0; k < inputs.shape.head_dim; ++k) {
          dweights[c] += from[k] * inputs.v[key + k];
          dv[key + k] += weights[c] * from[k];
        }
        delta += weights[c] * dweights[c];
      }
      for (std::size_t c = 0; c < weights.size(); ++c) {
        const Index key = row.key(static_cast<Index>(c));
        const double dscore = scale(inputs) * weights[c] * (dweights[c] - delta);
        for (Index k = 0; k < inputs.shape.head_dim; ++k) {
          dq[row.query + k] += dscore * inputs.k[key + k];
          dk[key + k] += dscore * inputs.q[row.query + k];
        }
      }
    });
  }

 private:
  struct Row {
    Index token = 0;
    Index column = 0;     // of the head in a token
    Index query = 0;      // offset of its first element
    Index first_key = 0;  // likewise
    Index step = 0;       // from one token to the next
    Index key(Index c) const { return first_key + c * step; }
  };

  static double scale(const AttentionInputs& inputs) {
    return 1 / std::sqrt(static_cast<double>(inputs.shape.head_dim));
  }

  static void clear(const AttentionInputs& inputs, std::initializer_list<double*> gradients) {
    for (double* gradient : gradients) {
      for (Index token = 0; token < inputs.shape.tokens(); ++token)
        std::fill_n(gradient + token * inputs.row, inputs.shape.hidden(), 0.0);
    }
  }

  static Values weights_of(const AttentionInputs& inputs, const Row& row, Index visible) {
    Values weights(static_cast<std::size_t>(visible));
    for (Index c = 0; c < visible; ++c) {
      double dot = 0;
      for (Index k = 0; k < inputs.shape.head_dim; ++k)
        dot += inputs.q[row.query + k] * inputs.k[row.key(c) + k];
      weights[static_cast<std::size_t>(c)] = scale(inputs) * dot;
    }
    const double most = *std::max_element(weights.begin(), weights.end());
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(weight - most);
    for (double& weight : weights) weight /= sum;
    return weights;
  }

  template <class Visit>
  static void for_each_row(const AttentionInputs& inputs, const Visit& visit) {
    const BlockShape& shape = inputs.shape;
    for (Index b = 0; b < shape.batch; ++b) {
      for (Index n = 0; n < shape.seqlen; ++n) {
        for (Index h = 0; h < shape.heads; ++h) {
          const Index token = b * shape.seqlen + n;
          const Index column = h * shape.head_dim;
          const Row row{token, column, token * inputs.row + column,
                        b * shape.seqlen * inputs.row + column, inputs.row};
          visit(row, weights_of(inputs, row, n + 1));
        }
      }
    }
  }
};

}  // namespace

const BlockAttention& plain_attention() {
  static const PlainAttention attention;
  return attention;
}

}  // namespace ashlar::nn
