#pragma once
// A stack of blocks (block.hpp), forward and backward, as a sequence of matrix products, row
// functions (block_rows.hpp) and attention. What carries them out is a parameter: a GPU's libraries
// and kernels, or loops on a CPU (block_host.hpp), so that the sequence and all of its addresses
// are tested where there is no GPU.
//
// As in common training code activations are kept, none is computed anew, gradients have the type
// of what they are gradients of, and a product's bias, residual and GELU are one pass after it.
//
// Ops is:
//   Element                                      of activations, weights and their gradients
//   Element* elements(count), float* floats(count)  memory, aligned to 16 bytes, as long as Ops
//   lives multiply(MatrixProduct<Element>) rows(NormRows<Element>) ...                  each of
//   block_rows.hpp, for all tokens sums(BiasSums<Element>) ...                  likewise
//   attention(AttentionPlaces<Element>)          a std::unique_ptr<LayerAttention>
// All of them start work that follows what was started before.
#include <memory>
#include <stdexcept>
#include <vector>

#include "impls/nn/block.hpp"
#include "impls/nn/block_rows.hpp"

namespace ashlar::nn {

/// C = op(A) op(B), column-major, m x n x k, no op on C; sums in float.
template <class Element>
struct MatrixProduct {
  struct Factor {
    const Element* data = nullptr;
    Index leading = 0;
    bool transposed = false;
  };
  Index m = 0, n = 0, k = 0;
  Factor a, b;
  Element* c = nullptr;
  Index leading_c = 0;
};

/// A row-major matrix is the transpose of a column-major one: y = x W is y^T = W^T x^T.
template <class Element>
MatrixProduct<Element> linear_product(const Element* x, const Element* weight, Element* y,
                                      Index tokens, Index inputs, Index outputs) {
  return {outputs, tokens, inputs, {weight, outputs, false}, {x, inputs, false}, y, outputs};
}
/// dx = dy W^T.
template <class Element>
MatrixProduct<Element> input_gradient_product(const Element* dy, const Element* weight, Element* dx,
                                              Index tokens, Index inputs, Index outputs) {
  return {inputs, tokens, outputs, {weight, outputs, true}, {dy, outputs, false}, dx, inputs};
}
/// dW = x^T dy.
template <class Element>
MatrixProduct<Element> weight_gradient_product(const Element* x, const Element* dy,
                                               Element* dweight, Index tokens, Index inputs,
                                               Index outputs) {
  return {outputs, inputs, tokens, {dy, outputs, false}, {x, inputs, true}, dweight, outputs};
}

/// Where one layer's attention finds and leaves its tensors: q, k and v as in AttentionInputs with
/// rows of 3 * hidden elements, and their gradients likewise.
template <class Element>
struct AttentionPlaces {
  BlockShape shape;
  const Element* qkv = nullptr;
  Element* out = nullptr;  // (tokens, hidden)
  const Element* dout = nullptr;
  Element* dqkv = nullptr;
};

/// The passes of one layer; the backward pass may use what the forward pass kept.
class LayerAttention {
 public:
  virtual ~LayerAttention() = default;
  virtual void forward() = 0;
  virtual void backward() = 0;
};

/// The weights of one block one after the other, in the order of BlockWeights::arrays().
template <class Element>
struct BlockPlaces {
  struct Norm {
    Element* gain;
    Element* bias;
  };
  struct Linear {
    Element* weight;
    Element* bias;
    Index inputs;
    Index outputs;
  };
  Norm norm_1{}, norm_2{};
  Linear qkv{}, project{}, expand{}, contract{};

  BlockPlaces(const BlockShape& shape, Element* first) {
    const auto take = [&first](Index count) {
      Element* const taken = first;
      first += count;
      return taken;
    };
    for (Norm* norm : {&norm_1, &norm_2}) {
      norm->gain = take(shape.hidden());
      norm->bias = take(shape.hidden());
    }
    const auto linear = [&](Index inputs, Index outputs) {
      Element* const weight = take(inputs * outputs);
      return Linear{weight, take(outputs), inputs, outputs};
    };
    qkv = linear(shape.hidden(), 3 * shape.hidden());
    project = linear(shape.hidden(), shape.hidden());
    expand = linear(shape.hidden(), shape.inner());
    contract = linear(shape.inner(), shape.hidden());
  }
  static Index count(const BlockShape& shape) {
    return 12 * shape.hidden() * shape.hidden() + 13 * shape.hidden();
  }
};

template <class Ops>
class BlockStack {
 public:
  using Element = typename Ops::Element;

  /// Takes all memory. `ops` must outlive the stack. Throws std::invalid_argument where a width is
  /// no multiple of 8, and what Ops throws.
  BlockStack(Ops& ops, const BlockShape& shape, int layers)
      : ops_(ops), shape_(shape), parameters_(BlockPlaces<Element>::count(shape)) {
    if (shape.hidden() % kChunk != 0)
      throw std::invalid_argument("the hidden size of a block is no multiple of 8");
    const Index hidden = activation(shape.hidden());
    weights_ = ops.elements(layers * parameters_);
    gradients_ = ops.elements(layers * parameters_);
    x_ = ops.elements(hidden);
    for (Element** buffer : {&dy_, &dx_, &dmiddle_, &dnormed_, &dattended_})
      *buffer = ops.elements(hidden);
    dqkv_ = ops.elements(3 * hidden);
    dinner_ = ops.elements(activation(shape.inner()));
    partials_ = ops.floats(kSumParts * shape.inner());  // and 2 * hidden is less than inner
    for (int layer = 0; layer < layers; ++layer) add_layer(layer);
  }

  void forward() {
    for (const Layer& layer : layers_) forward(layer);
  }
  /// After forward().
  void backward() {
    const Element* dy = dy_;
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
      backward(*layer, dy);
      dy = dx_;
    }
  }

  const BlockShape& shape() const { return shape_; }
  Index parameters() const { return parameters_ * static_cast<Index>(layers_.size()); }
  /// Inputs, for the caller to fill: (tokens, hidden), and all layers' weights (BlockPlaces).
  Element* x() { return x_; }
  Element* dy() { return dy_; }
  Element* weights() { return weights_; }
  /// Outputs.
  Element* y() { return layers_.back().y; }
  Element* dx() { return dx_; }
  Element* gradients() { return gradients_; }

 private:
  using Linear = typename BlockPlaces<Element>::Linear;
  using Norm = typename BlockPlaces<Element>::Norm;
  struct Layer {
    BlockPlaces<Element> weights, gradients;
    const Element* x;
    Element *normed_1, *qkv, *attended, *middle, *normed_2, *expanded, *activated, *y;
    float *moments_1, *moments_2;
    std::unique_ptr<LayerAttention> attention;
  };

  Index activation(Index width) const { return shape_.tokens() * width; }

  void add_layer(int index) {
    const Index hidden = activation(shape_.hidden());
    Layer layer{BlockPlaces<Element>(shape_, weights_ + index * parameters_),
                BlockPlaces<Element>(shape_, gradients_ + index * parameters_),
                index == 0 ? x_ : layers_.back().y,
                ops_.elements(hidden),
                ops_.elements(3 * hidden),
                ops_.elements(hidden),
                ops_.elements(hidden),
                ops_.elements(hidden),
                ops_.elements(activation(shape_.inner())),
                ops_.elements(activation(shape_.inner())),
                ops_.elements(hidden),
                ops_.floats(2 * shape_.tokens()),
                ops_.floats(2 * shape_.tokens()),
                nullptr};
    layer.attention = ops_.attention(
        AttentionPlaces<Element>{shape_, layer.qkv, layer.attended, dattended_, dqkv_});
    layers_.push_back(std::move(layer));
  }

  void forward(const Layer& layer) {
    const BlockPlaces<Element>& w = layer.weights;
    norm(layer.x, w.norm_1, layer.normed_1, layer.moments_1);
    product(layer.normed_1, w.qkv, layer.qkv);
    add_bias(w.qkv, nullptr, layer.qkv);
    layer.attention->forward();
    product(layer.attended, w.project, layer.middle);
    add_bias(w.project, layer.x, layer.middle);
    norm(layer.middle, w.norm_2, layer.normed_2, layer.moments_2);
    product(layer.normed_2, w.expand, layer.expanded);
    ops_.rows(GeluRows<Element>{shape_.tokens(), shape_.inner(), w.expand.bias, layer.expanded,
                                layer.activated});
    product(layer.activated, w.contract, layer.y);
    add_bias(w.contract, layer.middle, layer.y);
  }

  /// To dx_, which may be `dy`.
  void backward(const Layer& layer, const Element* dy) {
    const BlockPlaces<Element>& w = layer.weights;
    const BlockPlaces<Element>& into = layer.gradients;
    linear_backward(layer.activated, w.contract, dy, into.contract, dinner_);
    ops_.rows(GeluBackwardRows<Element>{shape_.tokens(), shape_.inner(), layer.expanded, dinner_});
    linear_backward(layer.normed_2, w.expand, dinner_, into.expand, dnormed_);
    norm_backward(layer.middle, w.norm_2, layer.moments_2, into.norm_2, dy, dmiddle_);
    linear_backward(layer.attended, w.project, dmiddle_, into.project, dattended_);
    layer.attention->backward();
    linear_backward(layer.normed_1, w.qkv, dqkv_, into.qkv, dnormed_);
    norm_backward(layer.x, w.norm_1, layer.moments_1, into.norm_1, dmiddle_, dx_);
  }

  void norm(const Element* x, const Norm& weights, Element* y, float* moments) {
    ops_.rows(NormRows<Element>{shape_.tokens(), shape_.hidden(), x, weights.gain, weights.bias, y,
                                moments});
  }
  void product(const Element* x, const Linear& weights, Element* y) {
    ops_.multiply(linear_product<Element>(x, weights.weight, y, shape_.tokens(), weights.inputs,
                                          weights.outputs));
  }
  void add_bias(const Linear& weights, const Element* residual, Element* y) {
    ops_.rows(BiasRows<Element>{shape_.tokens(), weights.outputs, weights.bias, residual, y});
  }
  void linear_backward(const Element* x, const Linear& weights, const Element* dy,
                       const Linear& gradient, Element* dx) {
    const Index tokens = shape_.tokens();
    ops_.multiply(input_gradient_product<Element>(dy, weights.weight, dx, tokens, weights.inputs,
                                                  weights.outputs));
    ops_.multiply(weight_gradient_product<Element>(x, dy, gradient.weight, tokens, weights.inputs,
                                                   weights.outputs));
    ops_.sums(BiasSums<Element>{tokens, weights.outputs, dy, partials_, {gradient.bias}});
  }
  /// From dnormed_.
  void norm_backward(const Element* x, const Norm& weights, const float* moments,
                     const Norm& gradient, const Element* residual, Element* dx) {
    const Index tokens = shape_.tokens();
    const Index width = shape_.hidden();
    ops_.sums(NormSums<Element>{
        tokens, width, x, moments, dnormed_, partials_, {gradient.gain, gradient.bias}});
    ops_.rows(
        NormBackwardRows<Element>{tokens, width, x, weights.gain, moments, dnormed_, residual, dx});
  }

  Ops& ops_;
  BlockShape shape_;
  Index parameters_;  // of one layer
  Element *weights_, *gradients_, *x_, *dy_, *dx_, *dmiddle_, *dnormed_, *dattended_, *dqkv_,
      *dinner_;
  float* partials_;
  std::vector<Layer> layers_;
};

}  // namespace ashlar::nn
