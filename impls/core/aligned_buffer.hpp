#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace ashlar::core {

/// Zero-filled memory aligned to 64 bytes (a cache line and the widest vector). Move-only.
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedBuffer() = default;
  /// Throws std::bad_alloc when memory is short.
  explicit AlignedBuffer(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    memory_.reset(std::aligned_alloc(kAlignment, rounded));
    if (!memory_) throw std::bad_alloc();
    std::memset(memory_.get(), 0, rounded);
  }

  void* data() { return memory_.get(); }
  const void* data() const { return memory_.get(); }
  template <class T>
  T* as() {
    return static_cast<T*>(memory_.get());
  }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(memory_.get());
  }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace ashlar::core
