#pragma once
// A stack of blocks on a GPU: products by cuBLAS, the kernels of impls/nn, and one of several kinds
// of attention.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baselines/flashattention2/cublas.hpp"
#include "baselines/flashattention2/fa1_cuda.hpp"
#include "baselines/flashattention2/naive_cuda_backward.hpp"
#include "harness/model/method.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/cuda_backward.hpp"
#include "impls/nn/block_kernels.hpp"
#include "impls/nn/block_steps.hpp"
#include "suites/flashattention2/transformer_problem.hpp"

namespace ashlar::flashattention2::suite {

using LayerPlaces = nn::AttentionPlaces<core::BFloat16>;

/// The attention of one layer: q, k and v are thirds of a token's row, as are their gradients.
/// `lse` has batch * heads * seqlen floats. Without places the pointers are null: the shape alone.
inline AttentionParams layer_attention(const LayerPlaces& places, float* lse) {
  const nn::BlockShape& shape = places.shape;
  const Index hidden = shape.hidden();
  const std::array<Index, 4> extents = {shape.batch, shape.seqlen, shape.heads, shape.head_dim};
  const std::array<Index, 4> thirds = {shape.seqlen * 3 * hidden, 3 * hidden, shape.head_dim, 1};
  const auto third = [&](auto* qkv, Index which) {
    return qkv == nullptr ? qkv : qkv + which * hidden;
  };
  constexpr auto kType = core::DType::bf16;
  AttentionParams params;
  params.q = {third(places.qkv, 0), kType, extents, thirds};
  params.k = {third(places.qkv, 1), kType, extents, thirds};
  params.v = {third(places.qkv, 2), kType, extents, thirds};
  params.out = {places.out, kType, extents};
  params.lse = {lse, {shape.batch, shape.heads, shape.seqlen}};
  params.scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  params.causal = true;
  params.dout = {places.dout, kType, extents};
  params.dq = {third(places.dqkv, 0), kType, extents, thirds};
  params.dk = {third(places.dqkv, 1), kType, extents, thirds};
  params.dv = {third(places.dqkv, 2), kType, extents, thirds};
  return params;
}

/// Kinds of attention: made for one layer in device memory, with forward(stream) and
/// backward(stream); why not, for a shape; and bytes beside the tensors for one layer.
class FlashPasses : public PassesInTurn<CudaLaunch, CudaBackwardLaunch> {
 public:
  using PassesInTurn::PassesInTurn;
  static std::optional<std::string> unsupported(const AttentionParams& params) {
    if (auto reason = cuda_unsupported(params)) return reason;
    return cuda_backward_unsupported(params);
  }
  static std::size_t bytes(const AttentionParams& params) {
    return cuda_backward_workspace_bytes(params);
  }
};

class Fa1Passes : public PassesInTurn<baselines::Fa1CudaLaunch, baselines::Fa1CudaBackwardLaunch> {
 public:
  using PassesInTurn::PassesInTurn;
  static std::optional<std::string> unsupported(const AttentionParams& params) {
    if (auto reason = baselines::fa1_cuda_unsupported(params)) return reason;
    return baselines::fa1_cuda_backward_unsupported(params);
  }
  static std::size_t bytes(const AttentionParams& params) {
    return baselines::fa1_cuda_both_workspace_bytes(params);
  }
};

/// Every layer keeps its weights for its backward pass, as autograd does.
class StandardPasses : public baselines::NaiveCudaLaunch {
 public:
  using NaiveCudaLaunch::NaiveCudaLaunch;
  static std::optional<std::string> unsupported(const AttentionParams& params) {
    return baselines::naive_gradient_shape_unsupported(params);
  }
  static std::size_t bytes(const AttentionParams& params) {
    return baselines::naive_cuda_backward_score_bytes(params);
  }
};

/// Ops of nn::BlockStack on a GPU. Neither copied nor moved.
template <class Passes>
class DeviceOps {
 public:
  using Element = core::BFloat16;

  DeviceOps() = default;
  DeviceOps(const DeviceOps&) = delete;
  DeviceOps& operator=(const DeviceOps&) = delete;

  Element* elements(Index count) { return static_cast<Element*>(taken(count, sizeof(Element))); }
  float* floats(Index count) { return static_cast<float*>(taken(count, sizeof(float))); }
  void set_stream(void* stream) {
    stream_ = stream;
    cublas_.set_stream(stream);
  }

  void multiply(const nn::MatrixProduct<Element>& p) {
    baselines::BatchedProduct product;
    product.dtype = core::DType::bf16;
    product.m = p.m;
    product.n = p.n;
    product.k = p.k;
    product.batch = 1;
    product.a = {p.a.data, 0, nullptr, p.a.leading, p.a.transposed};
    product.b = {p.b.data, 0, nullptr, p.b.leading, p.b.transposed};
    product.c = {p.c, 0, nullptr, p.leading_c, false};
    cublas_.multiply(product);
  }
  template <class Rows>
  void rows(const Rows& rows) {
    nn::launch_rows(rows, stream_);
  }
  template <class Sums>
  void sums(const Sums& sums) {
    nn::launch_sums(sums, stream_);
  }
  std::unique_ptr<nn::LayerAttention> attention(const LayerPlaces& places) {
    float* const lse = floats(places.shape.tokens() * places.shape.heads);
    return std::make_unique<Layer>(*this, layer_attention(places, lse));
  }

  /// The memory that elements() gave.
  core::cuda::DeviceBuffer& buffer_of(const Element* first) {
    return *std::find_if(memory_.begin(), memory_.end(),
                         [&](const auto& buffer) { return buffer.data() == first; });
  }

 private:
  class Layer final : public nn::LayerAttention {
   public:
    Layer(const DeviceOps& ops, const AttentionParams& device) : ops_(ops), passes_(device) {}
    void forward() override { passes_.forward(ops_.stream_); }
    void backward() override { passes_.backward(ops_.stream_); }

   private:
    const DeviceOps& ops_;
    Passes passes_;
  };

  void* taken(Index count, std::size_t size) {
    memory_.emplace_back(static_cast<std::size_t>(count) * size);
    return memory_.back().data();
  }

  baselines::Cublas cublas_;
  void* stream_ = nullptr;
  std::vector<core::cuda::DeviceBuffer> memory_;
};

/// What a stack and its attention take of device memory, but for what cuBLAS allocates: per layer
/// 16 activations of the hidden size, beside the layers 10, and lse and moments in float.
inline std::size_t transformer_bytes(const TransformerProblem& problem,
                                     std::size_t attention_bytes) {
  const nn::BlockShape& shape = problem.shape;
  const auto layers = static_cast<std::size_t>(problem.layers);
  const auto activation = static_cast<std::size_t>(shape.tokens() * shape.hidden()) * 2;
  const auto floats = static_cast<std::size_t>(shape.tokens() * (shape.heads + 4)) * sizeof(float);
  return layers * (16 * activation + floats + attention_bytes) + 14 * activation +
         2 * problem.weights.bytes();
}

template <class Passes>
class TransformerMethod final : public model::Method<TransformerProblem, TransformerAnswer> {
 public:
  model::Support supports(const TransformerProblem& problem) const override {
    const AttentionParams params = layer_attention({problem.shape}, nullptr);
    const core::cuda::DeviceStatus& device = core::cuda::device_status();
    if (!device.available) return model::Support::no(device.reason);
    if (const auto& missing = baselines::Cublas::missing()) return model::Support::no(*missing);
    if (auto reason = Passes::unsupported(params)) return model::Support::no(*reason);
    const std::size_t needed = transformer_bytes(problem, Passes::bytes(params));
    return model::Support::from(baselines::naive_memory_short(
        needed, static_cast<std::size_t>(problem.layers) * Passes::bytes(params)));
  }
  void prepare(const TransformerProblem& problem, TransformerAnswer&) override {
    stack_.reset();
    ops_.emplace();
    stack_.emplace(*ops_, problem.shape, static_cast<int>(problem.layers));
    copy_in(problem.x, stack_->x());
    copy_in(problem.dy, stack_->dy());
    copy_in(problem.weights, stack_->weights());
    const AttentionParams params = layer_attention({problem.shape}, nullptr);
    workspace_ = static_cast<std::int64_t>(transformer_bytes(problem, Passes::bytes(params)));
  }
  void execute(const TransformerProblem&, TransformerAnswer&, model::Stream stream) override {
    ops_->set_stream(stream);
    stack_->forward();
    stack_->backward();
  }
  void poison() override {
    if (!stack_) return;
    for (core::BFloat16* output : {stack_->y(), stack_->dx(), stack_->gradients()})
      ops_->buffer_of(output).fill(0xff);
  }
  void fetch(TransformerAnswer& answer) override {
    core::cuda::synchronize();
    ops_->buffer_of(stack_->y()).copy_out(answer.y.data(), answer.y.bytes());
    ops_->buffer_of(stack_->dx()).copy_out(answer.dx.data(), answer.dx.bytes());
    ops_->buffer_of(stack_->gradients())
        .copy_out(answer.gradients.data(), answer.gradients.bytes());
  }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.workspace_bytes = workspace_;
    return outcome;
  }

 private:
  void copy_in(const core::Tensor<2>& host, const core::BFloat16* device) {
    ops_->buffer_of(device).copy_in(host.data(), host.bytes());
  }

  std::optional<DeviceOps<Passes>> ops_;
  std::optional<nn::BlockStack<DeviceOps<Passes>>> stack_;
  std::optional<std::int64_t> workspace_;
};

}  // namespace ashlar::flashattention2::suite
