#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "impls/core/cuda/buffer.hpp"
#include "impls/core/tensor.hpp"

namespace ashlar::core::cuda {

/// A copy of a host tensor on the device: the same shape and strides, gaps between rows included,
/// with guard zones before and after. Gaps and guards hold the byte 0xff, which reads as NaN, so a
/// kernel that reads beyond its elements gives NaN and one that writes there is found by intact().
/// The data pointer is aligned to 256 bytes whatever the host's alignment.
class DeviceTensor {
 public:
  static constexpr std::size_t kGuardBytes = 256;

  DeviceTensor() = default;
  /// Strides in elements, none negative on an axis of several (throws std::invalid_argument). With
  /// upload the elements are copied from host, else they are poisoned. Throws what DeviceBuffer
  /// throws.
  DeviceTensor(const void* host, std::size_t element_bytes, std::span<const Index> shape,
               std::span<const Index> strides, bool upload);

  void* data() const;
  /// Of device memory, guards included.
  std::size_t bytes() const { return buffer_.bytes(); }
  /// Sets every byte to 0xff.
  void poison() { buffer_.fill(0xff); }
  /// Copies the elements, and nothing between them, to host.
  void fetch(void* host) const;
  /// Whether all bytes that are no element still are 0xff.
  bool intact() const;

 private:
  template <class Visit>
  void for_each_run(const Visit& visit) const;
  std::vector<std::byte> download() const;

  std::size_t element_bytes_ = 0;
  std::vector<Index> shape_;
  std::vector<Index> strides_;
  DeviceBuffer buffer_;
};

}  // namespace ashlar::core::cuda
