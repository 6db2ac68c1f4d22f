#include "impls/flashattention2/cuda.hpp"

#include <cstdint>
#include <stdexcept>

#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_strides.hpp"

namespace ashlar::flashattention2 {
namespace {

template <class Element, int HeadDim>
kernel::LaunchForward forward_launcher(kernel::PassKind kind) {
  using enum kernel::PassKind;
  if (kind == full) return kernel::launch_forward<Element, HeadDim, full>;
  return kind == causal ? kernel::launch_forward<Element, HeadDim, causal>
                        : kernel::launch_forward<Element, HeadDim, general>;
}

template <class Element>
kernel::LaunchForward forward_launcher(const AttentionParams& params) {
  const kernel::PassKind kind = kernel::kind_of(params);
  switch (params.head_dim()) {
    case 64:
      return forward_launcher<Element, 64>(kind);
    case 96:
      return forward_launcher<Element, 96>(kind);
    case 128:
      return forward_launcher<Element, 128>(kind);
    default:
      return forward_launcher<Element, 256>(kind);
  }
}

}  // namespace

bool cuda_built() { return cuda_device().built; }

const core::cuda::DeviceStatus& cuda_device() { return core::cuda::device_status(); }

std::optional<std::string> cuda_unsupported(const AttentionParams& params) {
  if (!cuda_device().available) return cuda_device().reason;
  return kernel::unsupported(params);
}

const AttentionParams& CudaLaunch::supported(const AttentionParams& params) {
  validate_forward(params);
  if (const auto reason = cuda_unsupported(params)) {
    throw std::invalid_argument("CUDA attention: " + *reason);
  }
  return params;
}

CudaLaunch::CudaLaunch(const AttentionParams& device)
    : arguments_(kernel::forward_arguments(supported(device))),
      grid_(kernel::forward_grid(device)),
      launch_(device.q.dtype == core::DType::f16 ? forward_launcher<core::Float16>(device)
                                                 : forward_launcher<core::BFloat16>(device)),
      offsets_(device) {
  kernel::require_aligned_tensors(device);
  offsets_.show(arguments_.features);
}

void CudaLaunch::operator()(void* stream) const {
  if (grid_.x != 0) launch_(arguments_, grid_, stream);
}

}  // namespace ashlar::flashattention2
