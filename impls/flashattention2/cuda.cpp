#include "impls/flashattention2/cuda.hpp"

#include <cstdint>
#include <stdexcept>

#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_launch.hpp"

namespace ashlar::flashattention2 {
namespace {

void require_aligned(const void* pointer, const char* name) {
  if (reinterpret_cast<std::uintptr_t>(pointer) % kernel::kChunkBytes != 0) {
    throw std::invalid_argument(std::string(name) + " is not aligned to 16 bytes");
  }
}

template <class Element>
void launch(const ForwardParams& params, const kernel::GridIndex& grid, void* stream) {
  const kernel::ForwardArguments arguments = kernel::forward_arguments(params);
  if (params.head_dim() == 64) {
    params.causal ? kernel::launch_forward<Element, 64, true>(arguments, grid, stream)
                  : kernel::launch_forward<Element, 64, false>(arguments, grid, stream);
  } else {
    params.causal ? kernel::launch_forward<Element, 128, true>(arguments, grid, stream)
                  : kernel::launch_forward<Element, 128, false>(arguments, grid, stream);
  }
}

}  // namespace

bool cuda_built() { return cuda_device().built; }

const core::cuda::DeviceStatus& cuda_device() { return core::cuda::device_status(); }

std::optional<std::string> cuda_unsupported(const ForwardParams& params) {
  if (!cuda_device().available) return cuda_device().reason;
  return kernel::unsupported(params);
}

void cuda_forward(const ForwardParams& device, void* stream) {
  validate(device);
  if (const auto reason = cuda_unsupported(device)) {
    throw std::invalid_argument("CUDA attention: " + *reason);
  }
  require_aligned(device.q.data, "q");
  require_aligned(device.k.data, "k");
  require_aligned(device.v.data, "v");
  require_aligned(device.out.data, "out");
  const kernel::GridIndex grid = kernel::forward_grid(device);
  if (grid.x == 0) return;
  if (device.q.dtype == core::DType::f16) {
    launch<core::Float16>(device, grid, stream);
  } else {
    launch<core::BFloat16>(device, grid, stream);
  }
}

}  // namespace ashlar::flashattention2
