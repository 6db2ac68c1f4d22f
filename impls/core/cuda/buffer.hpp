#pragma once
#include <cstddef>
#include <utility>

namespace ashlar::core::cuda {

/// Memory of device 0, aligned to 256 bytes, contents unspecified. Move-only. Copies and fills have
/// finished when they return. The constructor throws std::bad_alloc when memory is short; every
/// member but the destructor throws std::runtime_error, naming the CUDA call, when that fails.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t bytes);
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() { release(); }

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  void fill(int byte);
  void copy_in(const void* host, std::size_t bytes, std::size_t offset = 0);
  void copy_out(void* host, std::size_t bytes, std::size_t offset = 0) const;

 private:
  void release() noexcept;

  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace ashlar::core::cuda
