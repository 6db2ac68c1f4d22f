#include "impls/flashattention2/cuda_ablations.hpp"

#include <stdexcept>

#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"
#include "impls/flashattention2/cuda_split_keys_block.hpp"
#include "impls/flashattention2/cuda_strides.hpp"

namespace ashlar::flashattention2 {
namespace {

using kernel::PassKind;

const AttentionParams& supported_ablation(const AttentionParams& params) {
  validate_forward(params);
  if (const auto reason = cuda_ablation_unsupported(params)) {
    throw std::invalid_argument("CUDA attention, one idea off: " + *reason);
  }
  return params;
}

template <class Element, int HeadDim, PassKind Kind>
kernel::LaunchForward ablation_launcher(CudaAblation::Without without) {
  return without == CudaAblation::Without::sequence_parallelism
             ? kernel::launch_heads_only<Element, HeadDim, Kind>
             : kernel::launch_split_keys<Element, HeadDim, Kind>;
}

template <class Element, int HeadDim>
kernel::LaunchForward ablation_launcher(bool causal, CudaAblation::Without without) {
  return causal ? ablation_launcher<Element, HeadDim, PassKind::causal>(without)
                : ablation_launcher<Element, HeadDim, PassKind::full>(without);
}

template <class Element>
kernel::LaunchForward ablation_launcher(const AttentionParams& params,
                                        CudaAblation::Without without) {
  return params.head_dim() == 64 ? ablation_launcher<Element, 64>(params.causal, without)
                                 : ablation_launcher<Element, 128>(params.causal, without);
}

kernel::AblationPlan plan_without(const AttentionParams& params, CudaAblation::Without without) {
  return without == CudaAblation::Without::sequence_parallelism ? kernel::heads_only_plan(params)
                                                                : kernel::split_keys_plan(params);
}

}  // namespace

namespace kernel {

std::optional<std::string> ablation_unsupported(const AttentionParams& params) {
  if (auto reason = common_unsupported(params, {64, 128})) return reason;
  if (kind_of(params) == PassKind::general) {
    return "a window, softcap, dropout or packed sequences";
  }
  return unsupported(params);
}

AblationPlan heads_only_plan(const AttentionParams& params) {
  AblationPlan plan{forward_arguments(params), forward_grid(params)};
  if (plan.grid.x != 0) plan.grid.x = static_cast<unsigned>(params.group());
  return plan;
}

AblationPlan split_keys_plan(const AttentionParams& params) {
  AblationPlan plan{forward_arguments(params), forward_grid(params)};
  // Head sizes and kinds have the same rows.
  plan.arguments.row_blocks =
      ceil_div(plan.arguments.seqlen_q, SplitKeysConfig<64, PassKind::full>::kRows);
  if (plan.grid.x != 0) {
    plan.grid.x = static_cast<unsigned>(plan.arguments.row_blocks * plan.arguments.group);
  }
  return plan;
}

}  // namespace kernel

std::optional<std::string> cuda_ablation_unsupported(const AttentionParams& params) {
  if (!core::cuda::device_status().available) return core::cuda::device_status().reason;
  return kernel::ablation_unsupported(params);
}

CudaAblation::CudaAblation(const AttentionParams& host, Without without)
    : problem_(supported_ablation(host)),
      plan_(plan_without(problem_.params(), without)),
      launch_(host.q.dtype == core::DType::f16 ? ablation_launcher<core::Float16>(host, without)
                                               : ablation_launcher<core::BFloat16>(host, without)) {
  kernel::require_aligned_tensors(problem_.params());
}

}  // namespace ashlar::flashattention2
