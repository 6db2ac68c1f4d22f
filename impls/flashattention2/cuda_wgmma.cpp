#include "impls/flashattention2/cuda_wgmma.hpp"

#include <array>
#include <stdexcept>

#include <fmt/format.h>

#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"

namespace ashlar::flashattention2 {
namespace {

template <class Element, WgmmaRung Rung>
kernel::LaunchWgmma wgmma_launcher(const AttentionParams& params) {
  if (params.head_dim() == 64) {
    return params.causal ? kernel::launch_wgmma<Element, 64, true, Rung>
                         : kernel::launch_wgmma<Element, 64, false, Rung>;
  }
  return params.causal ? kernel::launch_wgmma<Element, 128, true, Rung>
                       : kernel::launch_wgmma<Element, 128, false, Rung>;
}

kernel::LaunchWgmma wgmma_launcher(const AttentionParams& params, WgmmaRung rung) {
  using enum WgmmaRung;
  switch (rung) {
    case plain:
      return wgmma_launcher<core::Float16, plain>(params);
    case specialised:
      return wgmma_launcher<core::Float16, specialised>(params);
    case ping_pong:
      return wgmma_launcher<core::Float16, ping_pong>(params);
    case unspecialised:
      return wgmma_launcher<core::Float16, unspecialised>(params);
    case overlapped:
      break;
  }
  return params.q.dtype == core::DType::f16 ? wgmma_launcher<core::Float16, overlapped>(params)
                                            : wgmma_launcher<core::BFloat16, overlapped>(params);
}

core::cuda::DeviceBuffer zeroed_counters() {
  constexpr std::array<int, 2> kZeros{};
  core::cuda::DeviceBuffer buffer(sizeof(kZeros));
  buffer.copy_in(kZeros.data(), sizeof(kZeros));
  return buffer;
}

}  // namespace

std::optional<std::string> wgmma_unsupported(const AttentionParams& params, WgmmaRung rung) {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!device.available) return device.reason;
  if (device.compute_capability != 90) {
    return fmt::format("compute capability {}.{} (9.0 only)", device.compute_capability / 10,
                       device.compute_capability % 10);
  }
  return kernel::wgmma_shapes_unsupported(params, rung);
}

const AttentionParams& WgmmaLaunch::supported(const AttentionParams& params, WgmmaRung rung) {
  validate_forward(params);
  if (const auto reason = wgmma_unsupported(params, rung)) {
    throw std::invalid_argument("wgmma attention: " + *reason);
  }
  return params;
}

WgmmaLaunch::WgmmaLaunch(const AttentionParams& device, WgmmaRung rung)
    : plan_(
          kernel::wgmma_plan(supported(device, rung), core::cuda::device_status().multiprocessors)),
      launch_(wgmma_launcher(device, rung)),
      next_tile_(zeroed_counters()) {
  kernel::require_aligned_tensors(device);
  plan_.arguments.next_tile = static_cast<int*>(next_tile_.data());
  if (plan_.blocks != 0) {
    maps_ = kernel::encode_maps(plan_.tensors, device.q.dtype == core::DType::f16);
  }
}

void WgmmaLaunch::operator()(void* stream) const {
  if (plan_.blocks != 0) launch_(plan_.arguments, maps_, plan_.blocks, stream);
}

}  // namespace ashlar::flashattention2
