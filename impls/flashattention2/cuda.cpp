#include "impls/flashattention2/cuda.hpp"

#include <cstdint>
#include <stdexcept>

#include "impls/flashattention2/cuda_arguments.hpp"

namespace ashlar::flashattention2 {
namespace {

void require_aligned(const void* pointer, const char* name) {
  if (reinterpret_cast<std::uintptr_t>(pointer) % kernel::kChunkBytes != 0) {
    throw std::invalid_argument(std::string(name) + " is not aligned to 16 bytes");
  }
}

template <class Element>
kernel::LaunchForward launcher(const AttentionParams& params) {
  if (params.head_dim() == 64) {
    return params.causal ? kernel::launch_forward<Element, 64, true>
                         : kernel::launch_forward<Element, 64, false>;
  }
  return params.causal ? kernel::launch_forward<Element, 128, true>
                       : kernel::launch_forward<Element, 128, false>;
}

const AttentionParams& supported(const AttentionParams& params) {
  validate_forward(params);
  if (const auto reason = cuda_unsupported(params)) {
    throw std::invalid_argument("CUDA attention: " + *reason);
  }
  return params;
}

}  // namespace

bool cuda_built() { return cuda_device().built; }

const core::cuda::DeviceStatus& cuda_device() { return core::cuda::device_status(); }

std::optional<std::string> cuda_unsupported(const AttentionParams& params) {
  if (!cuda_device().available) return cuda_device().reason;
  return kernel::unsupported(params);
}

CudaLaunch::CudaLaunch(const AttentionParams& device)
    : arguments_(kernel::forward_arguments(supported(device))),
      grid_(kernel::forward_grid(device)),
      launch_(device.q.dtype == core::DType::f16 ? launcher<core::Float16>(device)
                                                 : launcher<core::BFloat16>(device)) {
  require_aligned(device.q.data, "q");
  require_aligned(device.k.data, "k");
  require_aligned(device.v.data, "v");
  require_aligned(device.out.data, "out");
}

void CudaLaunch::operator()(void* stream) const {
  if (grid_.x != 0) launch_(arguments_, grid_, stream);
}

CudaForward::CudaForward(const AttentionParams& host)
    : problem_(supported(host)), launch_(problem_.params()) {}

}  // namespace ashlar::flashattention2
