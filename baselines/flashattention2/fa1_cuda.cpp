#include "baselines/flashattention2/fa1_cuda.hpp"

#include <algorithm>
#include <stdexcept>

#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using kernel::PassKind;

void require(const std::optional<std::string>& unsupported) {
  if (unsupported) throw std::invalid_argument("FlashAttention-1 on CUDA: " + *unsupported);
}

const AttentionParams& supported_fa1(const AttentionParams& params) {
  validate_forward(params);
  require(fa1_cuda_unsupported(params));
  return params;
}

struct ForwardLaunchers {
  template <class Element, int HeadDim, PassKind Kind>
  static constexpr LaunchFa1Cuda kLaunch = launch_fa1_cuda<Element, HeadDim, Kind>;
};
struct BackwardLaunchers {
  template <class Element, int HeadDim, PassKind Kind>
  static constexpr kernel::LaunchBackward kLaunch = kernel::launch_backward<Element, HeadDim, Kind>;
};

template <class Launchers, class Element>
auto fa1_launcher(const AttentionParams& params) {
  if (params.head_dim() == 64) {
    return params.causal ? Launchers::template kLaunch<Element, 64, PassKind::causal>
                         : Launchers::template kLaunch<Element, 64, PassKind::full>;
  }
  return params.causal ? Launchers::template kLaunch<Element, 128, PassKind::causal>
                       : Launchers::template kLaunch<Element, 128, PassKind::full>;
}

template <class Launchers>
auto fa1_launcher(const AttentionParams& params) {
  return params.q.dtype == core::DType::f16 ? fa1_launcher<Launchers, core::Float16>(params)
                                            : fa1_launcher<Launchers, core::BFloat16>(params);
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

Fa1CudaLaunch::Fa1CudaLaunch(const AttentionParams& device)
    : plan_(fa1_cuda_plan(supported_fa1(device))),
      launch_(fa1_launcher<ForwardLaunchers>(device)),
      state_(fa1_cuda_workspace_bytes(device)) {
  kernel::require_aligned_tensors(device);
  plan_.arguments.state = static_cast<kernel::ThreadSums*>(state_.data());
}

CudaBackwardLaunch fa1_cuda_backward_launch(const AttentionParams& device) {
  validate_backward(device);
  require(fa1_cuda_backward_unsupported(device));
  return {device, fa1_cuda_backward_plan(device), fa1_launcher<BackwardLaunchers>(device)};
}

}  // namespace ashlar::flashattention2::baselines
