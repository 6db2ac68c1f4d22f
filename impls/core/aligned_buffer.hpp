#pragma once
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace ashlar::core {

/// Zero-filled memory aligned to 64 bytes (a cache line and the widest vector). Move-only. Where
/// the system grants huge pages on request, those that lie wholly inside a large buffer are used:
/// else whoever reads a cache of keys or a matrix once waits for one page walk per 4 KiB. The
/// buffer takes no more memory for that.
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  static constexpr std::size_t kLarge = 2 * kHugePage;

  AlignedBuffer() = default;
  /// Throws std::bad_alloc when memory is short.
  explicit AlignedBuffer(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    const std::size_t alignment = bytes < kLarge ? kAlignment : kHugePage;
    const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, rounded) != 0) throw std::bad_alloc();
    memory_.reset(memory);
#if defined(__linux__)
    // Before the first touch. A wish: refusal is no error.
    if (bytes >= kLarge) madvise(memory, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
    std::memset(memory, 0, rounded);
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
