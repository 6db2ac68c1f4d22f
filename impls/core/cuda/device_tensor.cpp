#include "impls/core/cuda/device_tensor.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace ashlar::core::cuda {
namespace {

constexpr std::byte kFill{0xff};

/// Bytes from the first element to the end of the last; 0 when there is none.
std::size_t extent_bytes(std::size_t element_bytes, std::span<const Index> shape,
                         std::span<const Index> strides) {
  Index last = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] > 1 && strides[axis] < 0)
      throw std::invalid_argument("a tensor for the GPU has a negative stride");
    if (shape[axis] == 0) return 0;
    last += (shape[axis] - 1) * strides[axis];
  }
  return static_cast<std::size_t>(last + 1) * element_bytes;
}

}  // namespace

DeviceTensor::DeviceTensor(const void* host, std::size_t element_bytes,
                           std::span<const Index> shape, std::span<const Index> strides,
                           bool upload)
    : element_bytes_(element_bytes),
      shape_(shape.begin(), shape.end()),
      strides_(strides.begin(), strides.end()),
      buffer_(2 * kGuardBytes + extent_bytes(element_bytes, shape, strides)) {
  poison();
  if (!upload) return;
  std::vector<std::byte> staged(buffer_.bytes(), kFill);
  for_each_run([&](std::size_t offset, std::size_t bytes) {
    std::memcpy(staged.data() + kGuardBytes + offset, static_cast<const std::byte*>(host) + offset,
                bytes);
  });
  buffer_.copy_in(staged.data(), staged.size());
}

void* DeviceTensor::data() const { return static_cast<std::byte*>(buffer_.data()) + kGuardBytes; }

void DeviceTensor::fetch(void* host) const {
  const std::vector<std::byte> staged = download();
  for_each_run([&](std::size_t offset, std::size_t bytes) {
    std::memcpy(static_cast<std::byte*>(host) + offset, staged.data() + kGuardBytes + offset,
                bytes);
  });
}

bool DeviceTensor::intact() const {
  std::vector<std::byte> staged = download();
  for_each_run([&](std::size_t offset, std::size_t bytes) {
    std::memset(staged.data() + kGuardBytes + offset, 0xff, bytes);
  });
  return std::all_of(staged.begin(), staged.end(), [](std::byte b) { return b == kFill; });
}

std::vector<std::byte> DeviceTensor::download() const {
  std::vector<std::byte> staged(buffer_.bytes());
  buffer_.copy_out(staged.data(), staged.size());
  return staged;
}

/// Calls visit(byte offset, bytes) for every stretch of elements without a gap along the last axis.
template <class Visit>
void DeviceTensor::for_each_run(const Visit& visit) const {
  const std::size_t rank = shape_.size();
  if (std::find(shape_.begin(), shape_.end(), Index{0}) != shape_.end()) return;
  const bool dense = strides_.back() == 1;
  std::vector<Index> at(rank, 0);
  for (;;) {
    Index offset = 0;
    for (std::size_t axis = 0; axis < rank; ++axis) offset += at[axis] * strides_[axis];
    visit(static_cast<std::size_t>(offset) * element_bytes_,
          static_cast<std::size_t>(dense ? shape_.back() : 1) * element_bytes_);
    std::size_t axis = dense ? rank - 1 : rank;
    while (axis > 0 && ++at[axis - 1] == shape_[axis - 1]) at[--axis] = 0;
    if (axis == 0) return;
  }
}

}  // namespace ashlar::core::cuda
