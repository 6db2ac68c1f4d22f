#include "baselines/flashattention2/naive_cuda_backward.hpp"

#include <algorithm>
#include <stdexcept>

#include "impls/core/cuda/device.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

const AttentionParams& supported_gradients(const AttentionParams& params) {
  validate_backward(params);
  if (const auto reason = naive_cuda_backward_unsupported(params)) {
    throw std::invalid_argument("standard attention on CUDA, backward: " + *reason);
  }
  return params;
}

const AttentionParams& supported_shape(const AttentionParams& params) {
  validate_backward(params);
  if (const auto reason = naive_gradient_shape_unsupported(params)) {
    throw std::invalid_argument("standard attention on CUDA: " + *reason);
  }
  return params;
}

/// lse of every row, where it is of no use to anybody.
std::size_t spare_lse_bytes(const AttentionParams& params) {
  return static_cast<std::size_t>(score_rows(params)) * sizeof(float);
}

/// The same problem with its lse elsewhere, packed.
AttentionParams with_lse_at(AttentionParams params, void* lse) {
  params.lse = {static_cast<float*>(lse), params.lse.shape};
  return params;
}

}  // namespace

std::size_t naive_cuda_backward_score_bytes(const AttentionParams& params) {
  return 2 * naive_cuda_score_bytes(params);
}

/// Outputs that are not there yet will be as large as the inputs of their shape.
std::size_t naive_cuda_backward_needed_bytes(const AttentionParams& params) {
  const std::size_t element = core::size_of(params.q.dtype);
  const std::size_t queries = extent_bytes(params.q, element);
  const auto like = [element](const auto& output, std::size_t input_bytes) {
    return std::max(extent_bytes(output, element), input_bytes);
  };
  return naive_cuda_needed_bytes(params) - extent_bytes(params.out, element) +
         naive_cuda_score_bytes(params) + like(params.out, queries) + like(params.dout, queries) +
         like(params.dq, queries) + like(params.dk, extent_bytes(params.k, element)) +
         like(params.dv, extent_bytes(params.v, element)) + spare_lse_bytes(params);
}

std::optional<std::string> naive_cuda_backward_unsupported(const AttentionParams& params) {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!device.available) return device.reason;
  if (Cublas::missing()) return Cublas::missing();
  if (auto reason = naive_gradient_shape_unsupported(params)) return reason;
  return naive_memory_short(naive_cuda_backward_needed_bytes(params),
                            naive_cuda_backward_score_bytes(params));
}

void launch_naive_backward(const AttentionParams& device, const NaiveBackwardPlan& plan,
                           Cublas& cublas, void* stream) {
  cublas.set_stream(stream);
  for (const BatchedProduct& product : plan.dv) cublas.multiply(product);
  cublas.multiply(plan.weight_gradients);
  launch_softmax_gradient(plan.softmax, device.q.dtype, stream);
  cublas.multiply(plan.dq);
  for (const BatchedProduct& product : plan.dk) cublas.multiply(product);
}

NaiveCudaLaunch::NaiveCudaLaunch(const AttentionParams& device)
    : device_(supported_shape(device)),
      weights_(naive_cuda_score_bytes(device)),
      gradients_(naive_cuda_score_bytes(device)),
      addresses_(naive_address_bytes(device)) {
  if (nothing_to_see()) return;
  AddressLists lists{static_cast<const void* const*>(addresses_.data())};
  forward_ = naive_forward_plan(device_, weights_.data(), lists);
  backward_ = naive_backward_plan(device_, weights_.data(), gradients_.data(), lists);
  addresses_.copy_in(lists.all.data(), lists.all.size() * sizeof(void*));
}

void NaiveCudaLaunch::forward(void* stream) {
  launch_naive_forward(device_, forward_, cublas_, stream);
}

void NaiveCudaLaunch::backward(void* stream) {
  if (nothing_to_see()) {
    launch_zero_tensor(device_.dq, stream);
    launch_zero_tensor(device_.dk, stream);
    launch_zero_tensor(device_.dv, stream);
    return;
  }
  launch_naive_backward(device_, backward_, cublas_, stream);
}

/// Where out and lse are inputs lse must stay, so it goes where nobody reads it.
void NaiveCudaLaunch::keep_weights() {
  if (nothing_to_see()) return;
  const core::cuda::DeviceBuffer lse(spare_lse_bytes(device_));
  cublas_.set_stream(nullptr);
  cublas_.multiply(forward_.scores);
  launch_softmax(naive_softmax_arguments(with_lse_at(device_, lse.data()), weights_.data()),
                 device_.q.dtype, nullptr);
  core::cuda::synchronize();
}

NaiveCudaGradients::NaiveCudaGradients(const AttentionParams& host,
                                       CudaGradientProblem::Passes passes)
    : problem_(supported_gradients(host), passes), launch_(problem_.params()) {}

}  // namespace ashlar::flashattention2::baselines
