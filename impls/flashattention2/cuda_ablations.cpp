#include "impls/flashattention2/cuda_ablations.hpp"

#include <stdexcept>

#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"
#include "impls/flashattention2/cuda_dispatch.hpp"
#include "impls/flashattention2/cuda_split_keys_block.hpp"
#include "impls/flashattention2/cuda_strides.hpp"

namespace ashlar::flashattention2 {
namespace {

using kernel::PassKind;
using Without = CudaAblationLaunch::Without;

kernel::AblationPlan plan_without(const AttentionParams& params, Without without) {
  return without == Without::sequence_parallelism ? kernel::heads_only_plan(params)
                                                  : kernel::split_keys_plan(params);
}

kernel::LaunchForward ablation_launcher(const AttentionParams& params, Without without) {
  return kernel::visit_plain_kernel(params, [without]<class Element, int HeadDim, PassKind Kind>() {
    return without == Without::sequence_parallelism
               ? kernel::launch_heads_only<Element, HeadDim, Kind>
               : kernel::launch_split_keys<Element, HeadDim, Kind>;
  });
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

const AttentionParams& CudaAblationLaunch::supported(const AttentionParams& params, Without) {
  validate_forward(params);
  if (const auto reason = cuda_ablation_unsupported(params)) {
    throw std::invalid_argument("CUDA attention, one idea off: " + *reason);
  }
  return params;
}

CudaAblationLaunch::CudaAblationLaunch(const AttentionParams& device, Without without)
    : plan_(plan_without(supported(device, without), without)),
      launch_(ablation_launcher(device, without)) {
  kernel::require_aligned_tensors(device);
}

}  // namespace ashlar::flashattention2
