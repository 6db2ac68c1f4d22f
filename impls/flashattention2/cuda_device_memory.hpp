#pragma once
// What the launches of this folder ask of pointers, and their memory beside the tensors. Internal.
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "impls/core/cuda/buffer.hpp"
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

inline core::cuda::DeviceBuffer device_copy(std::span<const std::int32_t> offsets) {
  core::cuda::DeviceBuffer buffer(offsets.size_bytes());
  if (!offsets.empty()) buffer.copy_in(offsets.data(), offsets.size_bytes());
  return buffer;
}

}  // namespace ashlar::flashattention2::kernel
