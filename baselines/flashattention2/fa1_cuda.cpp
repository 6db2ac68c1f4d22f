#include "baselines/flashattention2/fa1_cuda.hpp"

#include <algorithm>
#include <stdexcept>

#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"
#include "impls/flashattention2/cuda_dispatch.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using kernel::PassKind;

void require(const std::optional<std::string>& unsupported) {
  if (unsupported) throw std::invalid_argument("FlashAttention-1 on CUDA: " + *unsupported);
}

LaunchFa1Cuda forward_launcher(const AttentionParams& params) {
  return kernel::visit_plain_kernel(params, []<class Element, int HeadDim, PassKind Kind>() {
    return launch_fa1_cuda<Element, HeadDim, Kind>;
  });
}
kernel::LaunchBackward backward_launcher(const AttentionParams& params) {
  return kernel::visit_plain_kernel(params, []<class Element, int HeadDim, PassKind Kind>() {
    return kernel::launch_backward<Element, HeadDim, Kind>;
  });
}

template <int HeadDim>
std::int64_t state_sums(std::int64_t row_blocks) {
  using Config = Fa1CudaConfig<HeadDim, PassKind::full>;
  return row_blocks * Fa1CudaState<Config>::kSums * Config::kThreads;
}

}  // namespace

std::optional<std::string> fa1_cuda_unsupported(const AttentionParams& params) {
  if (!core::cuda::device_status().available) return core::cuda::device_status().reason;
  return kernel::ablation_unsupported(params);
}

std::optional<std::string> fa1_cuda_backward_unsupported(const AttentionParams& params) {
  if (auto reason = fa1_cuda_unsupported(params)) return reason;
  return kernel::backward_unsupported(params);
}

Fa1CudaPlan fa1_cuda_plan(const AttentionParams& params) {
  kernel::AblationPlan heads = kernel::heads_only_plan(params);
  const std::int64_t row_blocks =
      params.sequences() * params.heads_q() * std::int64_t{heads.arguments.row_blocks};
  return {{heads.arguments},
          heads.grid,
          params.head_dim() == 64 ? state_sums<64>(row_blocks) : state_sums<128>(row_blocks)};
}

kernel::BackwardPlan fa1_cuda_backward_plan(const AttentionParams& params) {
  AttentionParams in_any_order = params;  // with one thread block there is but one
  in_any_order.deterministic = false;
  kernel::BackwardPlan plan = kernel::backward_plan(in_any_order, 1);
  plan.columns.x = std::min(plan.columns.x, 1U);
  plan.arguments.column_stride = 1;
  return plan;
}

std::size_t fa1_cuda_workspace_bytes(const AttentionParams& params) {
  return static_cast<std::size_t>(fa1_cuda_plan(params).state_sums) * sizeof(kernel::ThreadSums);
}

std::size_t fa1_cuda_backward_workspace_bytes(const AttentionParams& params) {
  const kernel::BackwardPlan plan = fa1_cuda_backward_plan(params);
  return static_cast<std::size_t>(2 * plan.statistics_floats + plan.sums_floats) * sizeof(float);
}

std::size_t fa1_cuda_both_workspace_bytes(const AttentionParams& params) {
  return fa1_cuda_workspace_bytes(params) + fa1_cuda_backward_workspace_bytes(params);
}

const AttentionParams& Fa1CudaLaunch::supported(const AttentionParams& params) {
  validate_forward(params);
  require(fa1_cuda_unsupported(params));
  return params;
}

Fa1CudaLaunch::Fa1CudaLaunch(const AttentionParams& device)
    : plan_(fa1_cuda_plan(supported(device))),
      launch_(forward_launcher(device)),
      state_(fa1_cuda_workspace_bytes(device)) {
  kernel::require_aligned_tensors(device);
  plan_.arguments.state = static_cast<kernel::ThreadSums*>(state_.data());
}

const AttentionParams& Fa1CudaBackwardLaunch::supported(const AttentionParams& params) {
  validate_backward(params);
  require(fa1_cuda_backward_unsupported(params));
  return params;
}

Fa1CudaBackwardLaunch::Fa1CudaBackwardLaunch(const AttentionParams& device)
    : CudaBackwardLaunch(device, fa1_cuda_backward_plan(supported(device)),
                         backward_launcher(device)) {}

}  // namespace ashlar::flashattention2::baselines
