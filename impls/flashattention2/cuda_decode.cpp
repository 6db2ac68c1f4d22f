#include "impls/flashattention2/cuda_decode.hpp"

#include <cstdint>
#include <stdexcept>

#include "impls/core/cuda/device.hpp"

namespace ashlar::flashattention2 {
namespace {

template <class Element>
kernel::LaunchDecode decode_launcher(Index head_dim) {
  return head_dim == 64 ? kernel::launch_decode<Element, 64> : kernel::launch_decode<Element, 128>;
}

int multiprocessors() { return core::cuda::device_status().multiprocessors; }

}  // namespace

std::optional<std::string> cuda_decode_unsupported(const AttentionParams& params) {
  if (!core::cuda::device_status().available) return core::cuda::device_status().reason;
  return kernel::decode_unsupported(params);
}

std::size_t cuda_decode_workspace_bytes(const AttentionParams& params, int splits) {
  const PartialLayout layout =
      kernel::decode_plan(params, multiprocessors(), splits).arguments.layout;
  return static_cast<std::size_t>(layout.lse_floats() + layout.out_floats()) * sizeof(float) +
         params.cu_seqlens_q.size_bytes() + params.cu_seqlens_k.size_bytes();
}

const AttentionParams& CudaDecodeLaunch::supported(const AttentionParams& params, int) {
  validate_forward(params);
  if (const auto reason = cuda_decode_unsupported(params)) {
    throw std::invalid_argument("CUDA decoding: " + *reason);
  }
  return params;
}

CudaDecodeLaunch::CudaDecodeLaunch(const AttentionParams& device, int splits)
    : plan_(kernel::decode_plan(supported(device), multiprocessors(), splits)),
      launch_(device.q.dtype == core::DType::f16
                  ? decode_launcher<core::Float16>(device.head_dim())
                  : decode_launcher<core::BFloat16>(device.head_dim())),
      part_lse_(kernel::float_buffer(plan_.arguments.layout.lse_floats())),
      part_out_(kernel::float_buffer(plan_.arguments.layout.out_floats())),
      offsets_(device) {
  kernel::require_aligned_tensors(device);
  kernel::DecodeArguments& arguments = plan_.arguments;
  arguments.part_lse = static_cast<float*>(part_lse_.data());
  arguments.part_out = static_cast<float*>(part_out_.data());
  offsets_.show(arguments.features);
}

}  // namespace ashlar::flashattention2
