#include "baselines/flashattention2/naive_cuda.hpp"

#include <stdexcept>

#include "impls/core/cuda/device.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

constexpr std::size_t kMebi = std::size_t{1} << 20;

const AttentionParams& supported(const AttentionParams& params) {
  validate_forward(params);
  if (const auto reason = naive_cuda_unsupported(params)) {
    throw std::invalid_argument("standard attention on CUDA: " + *reason);
  }
  return params;
}

}  // namespace

std::size_t naive_cuda_needed_bytes(const AttentionParams& params) {
  constexpr std::size_t kLibraryBytes = 64 * kMebi;  // cuBLAS's workspace and kernels
  const std::size_t element = core::size_of(params.q.dtype);
  return naive_cuda_score_bytes(params) + extent_bytes(params.q, element) +
         extent_bytes(params.k, element) + extent_bytes(params.v, element) +
         extent_bytes(params.out, element) + extent_bytes(params.lse, sizeof(float)) +
         kLibraryBytes;
}

std::optional<std::string> naive_memory_short(std::size_t needed, std::size_t scores) {
  const std::size_t available = core::cuda::free_memory_bytes();
  if (needed <= available) return std::nullopt;
  return "too little device memory: " + std::to_string(needed / kMebi) + " MiB are needed (" +
         std::to_string(scores / kMebi) + " for the scores), free are " +
         std::to_string(available / kMebi) + " MiB";
}

std::optional<std::string> naive_cuda_unsupported(const AttentionParams& params) {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!device.available) return device.reason;
  if (Cublas::missing()) return Cublas::missing();
  if (auto reason = naive_shape_unsupported(params)) return reason;
  return naive_memory_short(naive_cuda_needed_bytes(params), naive_cuda_score_bytes(params));
}

NaiveCudaForward::NaiveCudaForward(const AttentionParams& host)
    : problem_(supported(host)),
      scores_(naive_cuda_score_bytes(host)),
      addresses_(naive_address_bytes(host)) {
  if (scores_.bytes() == 0) return;
  AddressLists lists{static_cast<const void* const*>(addresses_.data())};
  plan_ = naive_forward_plan(problem_.params(), scores_.data(), lists);
  addresses_.copy_in(lists.all.data(), lists.all.size() * sizeof(void*));
}

void NaiveCudaForward::execute(void* stream) {
  launch_naive_forward(problem_.params(), plan_, cublas_, stream);
}

void launch_naive_forward(const AttentionParams& device, const NaiveForwardPlan& plan,
                          Cublas& cublas, void* stream) {
  if (score_rows(device) == 0) return;
  cublas.set_stream(stream);
  if (device.seqlen_k() == 0) {
    launch_softmax(naive_softmax_arguments(device, nullptr), device.q.dtype, stream);
    launch_zero_tensor(device.out, stream);
    return;
  }
  cublas.multiply(plan.scores);
  launch_softmax(plan.softmax, device.q.dtype, stream);
  cublas.multiply(plan.out);
}

void launch_zero_tensor(const core::AnyView<4>& tensor, void* stream) {
  if (tensor.size() == 0) return;
  const std::size_t element = core::size_of(tensor.dtype);
  for (Index b = 0; b < tensor.shape[0]; ++b) {
    for (Index h = 0; h < tensor.shape[2]; ++h) {
      const Index first = b * tensor.strides[0] + h * tensor.strides[2];
      launch_zeros(static_cast<std::byte*>(tensor.data) + first * static_cast<Index>(element),
                   static_cast<std::size_t>(row_stride(tensor)) * element,
                   static_cast<std::size_t>(tensor.shape[3]) * element,
                   static_cast<std::size_t>(tensor.shape[1]), stream);
    }
  }
}

}  // namespace ashlar::flashattention2::baselines
