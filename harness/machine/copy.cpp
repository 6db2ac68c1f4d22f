#include "harness/machine/copy.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ashlar::machine {

Pages::Pages(std::size_t bytes) : bytes_(bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: refusal is no error
  data_ = static_cast<std::byte*>(memory);
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

Pages::Pages(Pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

std::size_t copy_buffer_bytes(std::int64_t last_level_bytes, std::int64_t available_bytes,
                              int threads) {
  constexpr std::int64_t kMiB = 1 << 20;
  const std::int64_t limit =
      std::clamp<std::int64_t>(64 * kMiB * std::max(threads, 1), 128 * kMiB, 1024 * kMiB);
  std::int64_t bytes = std::clamp<std::int64_t>(4 * last_level_bytes, 32 * kMiB, limit);
  if (last_level_bytes <= 0) bytes = limit;
  if (available_bytes > 0) bytes = std::min(bytes, available_bytes / 8);
  return static_cast<std::size_t>(std::max(bytes / kMiB * kMiB, kMiB));
}

#if defined(__x86_64__)

void copy_nontemporal(std::byte* to, const std::byte* from, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 64) {
    const auto* source = reinterpret_cast<const __m256i*>(from + at);
    auto* target = reinterpret_cast<__m256i*>(to + at);
    const __m256i first = _mm256_load_si256(source);
    const __m256i second = _mm256_load_si256(source + 1);
    _mm256_stream_si256(target, first);
    _mm256_stream_si256(target + 1, second);
  }
  _mm_sfence();
}

#else

void copy_nontemporal(std::byte* to, const std::byte* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}

#endif

}  // namespace ashlar::machine
