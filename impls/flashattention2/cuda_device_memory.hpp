#pragma once
// What the launches of this folder ask of pointers, and their memory beside the tensors. Internal.
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "impls/core/cuda/buffer.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_features.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"

namespace ashlar::flashattention2::kernel {

inline void require_aligned(const void* pointer, const char* name) {
  if (reinterpret_cast<std::uintptr_t>(pointer) % kChunkBytes != 0) {
    throw std::invalid_argument(std::string(name) + " is not aligned to 16 bytes");
  }
}

inline core::cuda::DeviceBuffer float_buffer(std::int64_t count) {
  return core::cuda::DeviceBuffer(static_cast<std::size_t>(count) * sizeof(float));
}

/// Throws std::invalid_argument when a tensor of the forward pass, lse apart, is not aligned.
inline void require_aligned_tensors(const AttentionParams& params) {
  require_aligned(params.q.data, "q");
  require_aligned(params.k.data, "k");
  require_aligned(params.v.data, "v");
  require_aligned(params.out.data, "out");
}

/// The offsets of packed sequences on the device; of others, nothing.
class PackedOffsets {
 public:
  explicit PackedOffsets(const AttentionParams& params)
      : q_(device_copy(params.cu_seqlens_q)), k_(device_copy(params.cu_seqlens_k)) {}

  /// To be read as long as this object lives.
  void show(FeatureArguments& features) const {
    features.cu_seqlens_q = static_cast<const std::int32_t*>(q_.data());
    features.cu_seqlens_k = static_cast<const std::int32_t*>(k_.data());
  }

 private:
  static core::cuda::DeviceBuffer device_copy(std::span<const std::int32_t> offsets) {
    core::cuda::DeviceBuffer buffer(offsets.size_bytes());
    buffer.copy_in(offsets.data(), offsets.size_bytes());
    return buffer;
  }

  core::cuda::DeviceBuffer q_, k_;
};

}  // namespace ashlar::flashattention2::kernel
