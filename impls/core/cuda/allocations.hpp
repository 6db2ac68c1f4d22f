#pragma once
// How much device memory this process asks for: bytes of DeviceBuffers, as many as were asked for.
// What the driver and CUDA's libraries take for themselves, and what allocation rounds up to, is
// not in it. Plain C++: a build without CUDA counts nothing.
#include <cstddef>

namespace ashlar::core::cuda {

/// The count goes on from construction; its peak begins anew there, so one at a time.
class AllocationCount {
 public:
  AllocationCount();
  /// Held now and not at construction; memory given back since counts against what was taken.
  std::ptrdiff_t held_bytes() const;
  /// The most that held_bytes() was since construction.
  std::ptrdiff_t peak_bytes() const;

 private:
  std::ptrdiff_t start_;
};

namespace detail {
/// From DeviceBuffer: taken where positive, else given back.
void count_allocation(std::ptrdiff_t bytes) noexcept;
}  // namespace detail

}  // namespace ashlar::core::cuda
