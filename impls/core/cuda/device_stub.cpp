// What a build without CUDA answers.
#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"

#include <stdexcept>

namespace ashlar::core::cuda {
namespace {

[[noreturn]] void not_built() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

const DeviceStatus& device_status() {
  static const DeviceStatus status = [] {
    DeviceStatus answer;
    answer.reason = "not built";
    return answer;
  }();
  return status;
}

std::size_t free_memory_bytes() { return 0; }
void synchronize() { not_built(); }

DeviceBuffer::DeviceBuffer(std::size_t bytes) : bytes_(bytes) { not_built(); }
void DeviceBuffer::release() noexcept {}
void DeviceBuffer::fill(int /*byte*/) { not_built(); }
void DeviceBuffer::copy_in(const void* /*host*/, std::size_t /*bytes*/, std::size_t /*offset*/) {
  not_built();
}
void DeviceBuffer::copy_out(void* /*host*/, std::size_t /*bytes*/, std::size_t /*offset*/) const {
  not_built();
}

}  // namespace ashlar::core::cuda
