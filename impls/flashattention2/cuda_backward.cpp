#include "impls/flashattention2/cuda_backward.hpp"

#include <cstdint>
#include <stdexcept>

#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/cuda_strides.hpp"

namespace ashlar::flashattention2 {
namespace {

using kernel::PassKind;

template <class Element, int HeadDim>
kernel::LaunchBackward backward_launcher(PassKind kind) {
  if (kind == PassKind::full) {
    return kernel::launch_backward<Element, HeadDim, PassKind::full>;
  }
  return kind == PassKind::causal ? kernel::launch_backward<Element, HeadDim, PassKind::causal>
                                  : kernel::launch_backward<Element, HeadDim, PassKind::general>;
}

template <class Element>
kernel::LaunchBackward backward_launcher(const AttentionParams& params) {
  const Index head_dim = params.head_dim();
  const PassKind kind = kernel::kind_of(params);
  if (head_dim == 64) return backward_launcher<Element, 64>(kind);
  return head_dim == 96 ? backward_launcher<Element, 96>(kind)
                        : backward_launcher<Element, 128>(kind);
}

}  // namespace

std::optional<std::string> cuda_backward_unsupported(const AttentionParams& params) {
  if (!core::cuda::device_status().available) return core::cuda::device_status().reason;
  return kernel::backward_unsupported(params);
}

const AttentionParams& CudaBackwardLaunch::supported(const AttentionParams& params) {
  validate_backward(params);
  if (const auto reason = cuda_backward_unsupported(params)) {
    throw std::invalid_argument("CUDA attention, backward: " + *reason);
  }
  return params;
}

CudaBackwardLaunch::CudaBackwardLaunch(const AttentionParams& device)
    : CudaBackwardLaunch(
          device,
          kernel::backward_plan(supported(device), core::cuda::device_status().multiprocessors),
          device.q.dtype == core::DType::f16 ? backward_launcher<core::Float16>(device)
                                             : backward_launcher<core::BFloat16>(device)) {}

CudaBackwardLaunch::CudaBackwardLaunch(const AttentionParams& device,
                                       const kernel::BackwardPlan& plan,
                                       kernel::LaunchBackward launch)
    : plan_(plan),
      launch_(launch),
      lse_log2_(kernel::float_buffer(plan_.statistics_floats)),
      delta_(kernel::float_buffer(plan_.statistics_floats)),
      dq_sums_(kernel::float_buffer(plan_.sums_floats)),
      offsets_(device) {
  kernel::require_aligned_tensors(device);
  kernel::require_aligned(device.dout.data, "dout");
  kernel::require_aligned(device.dq.data, "dq");
  kernel::require_aligned(device.dk.data, "dk");
  kernel::require_aligned(device.dv.data, "dv");
  kernel::BackwardArguments& arguments = plan_.arguments;
  arguments.lse_log2 = static_cast<float*>(lse_log2_.data());
  arguments.delta = static_cast<float*>(delta_.data());
  arguments.dq_sums = static_cast<float*>(dq_sums_.data());
  offsets_.show(arguments.features);
}

std::size_t cuda_backward_workspace_bytes(const AttentionParams& params) {
  const kernel::BackwardPlan plan =
      kernel::backward_plan(params, core::cuda::device_status().multiprocessors);
  const auto floats =
      static_cast<std::size_t>(2 * plan.statistics_floats + plan.sums_floats) * sizeof(float);
  return floats + params.cu_seqlens_q.size_bytes() + params.cu_seqlens_k.size_bytes();
}

}  // namespace ashlar::flashattention2
