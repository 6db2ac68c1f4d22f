#include "baselines/flashattention2/standard_backward.hpp"

#include <algorithm>
#include <stdexcept>

#include "baselines/flashattention2/standard.hpp"
#include "baselines/flashattention2/unfused_layout.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

const AttentionParams& supported_backward(const AttentionParams& params, ProductLibrary library) {
  validate_backward(params);
  if (const auto reason = unfused_backward_unsupported(params, library)) {
    throw std::invalid_argument(*reason);
  }
  return params;
}

std::size_t weight_bytes(const MatrixLayout& layout) {
  return unfused::matrix_bytes(layout.rows, layout.row_stride, layout.dtype);
}

}  // namespace

std::optional<std::string> standard_backward_unsupported(const AttentionParams& params) {
  return unfused_backward_unsupported(params, ProductLibrary::onednn);
}

std::optional<std::string> standard_openblas_backward_unsupported(const AttentionParams& params) {
  return unfused_backward_unsupported(params, ProductLibrary::openblas);
}

StandardTrainingStep::StandardTrainingStep(const AttentionParams& params, ProductLibrary library)
    : params_(supported_backward(params, library)),
      heads_in_parallel_(
          prefer_heads(params, params.batch() * params.heads_kv(), core::thread_count())),
      threads_(core::thread_count()),
      plan_{library, heads_in_parallel_ ? 1 : threads_, heads_in_parallel_ ? threads_ : 1},
      dense_(params),
      forward_(params, params.seqlen_q(), params.seqlen_k(), plan_),
      backward_(params, params.seqlen_q(), params.seqlen_k(), forward_.weights_layout(), plan_),
      head_weight_bytes_(weight_bytes(forward_.weights_layout())),
      weights_(head_weight_bytes_ * static_cast<std::size_t>(params.batch() * params.heads_q())),
      sums_(params, plan_.workers) {
  const std::size_t bytes = std::max(forward_.scratch_bytes(), backward_.scratch_bytes());
  for (int worker = 0; worker < plan_.workers; ++worker) scratch_.emplace_back(bytes);
}

void* StandardTrainingStep::weights_of(Index batch, Index head) {
  return weights_.as<std::byte>() +
         static_cast<std::size_t>(batch * params_.heads_q() + head) * head_weight_bytes_;
}

void StandardTrainingStep::forward() { forward(params_); }

void StandardTrainingStep::keep_weights() {
  core::Tensor<4> out(params_.out.dtype, params_.out.shape);
  core::Tensor<3> lse(core::DType::f32, params_.lse.shape);
  AttentionParams elsewhere = params_;
  elsewhere.out = out.any();
  elsewhere.lse = lse.view<float>();
  forward(elsewhere);
}

void StandardTrainingStep::forward(const AttentionParams& params) {
  dense_.pack(params, threads_);
  const auto one_head = [&](Index item, int worker) {
    const Index batch = item / params.heads_q();
    const Index head = item % params.heads_q();
    forward_(params, dense_, batch, head, 0, worker,
             scratch_[static_cast<std::size_t>(worker)].as<std::byte>(), weights_of(batch, head));
  };
  const Index heads = params.batch() * params.heads_q();
  if (heads_in_parallel_) {
    core::parallel_for_dynamic(heads, one_head, threads_);
  } else {
    for (Index item = 0; item < heads; ++item) one_head(item, 0);
  }
}

/// One kv head with the query heads that read it, up to the sums of dk and dv.
void StandardTrainingStep::backward_group(Index item, int worker) {
  const Index batch = item / params_.heads_kv();
  const Index group = params_.group();
  const Index first = item % params_.heads_kv() * group;
  sums_.clear(worker);
  for (Index head = first; head < first + group; ++head) {
    backward_(params_, dense_, batch, head, 0, weights_of(batch, head), sums_.sums(worker), worker,
              scratch_[static_cast<std::size_t>(worker)].as<std::byte>());
  }
}

void StandardTrainingStep::backward() {
  dense_.pack(params_, threads_);
  if (heads_in_parallel_) {
    sums_.store_in_parallel(
        params_, [&](Index item, int worker) { backward_group(item, worker); }, threads_);
  } else {
    sums_.store_in_turn(
        params_, [&](Index item) { backward_group(item, 0); }, threads_);
  }
}

std::size_t StandardTrainingStep::workspace_bytes() const {
  std::size_t bytes = dense_.bytes() + weights_.bytes() + sums_.bytes();
  for (const core::AlignedBuffer& buffer : scratch_) bytes += buffer.bytes();
  return bytes;
}

}  // namespace ashlar::flashattention2::baselines
