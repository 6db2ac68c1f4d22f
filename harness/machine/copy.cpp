#include "harness/machine/copy.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
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

namespace {

constexpr std::size_t kLine = 64;

/// The exclusive or of the 64-bit words of an array.
template <std::size_t kWords>
std::uint64_t folded(const std::array<std::uint64_t, kWords>& words) {
  std::uint64_t all = 0;
  for (const std::uint64_t word : words) all ^= word;
  return all;
}

/// Of the lines that it was given. With intrinsics where there are any: GCC 12 keeps an array that
/// is folded this way on the stack, and its stores and loads took twice the time of the reads.
class Fold {
 public:
#if defined(__x86_64__)
  void line(const std::byte* from) {
    const auto* source = reinterpret_cast<const __m256i*>(from);
    first_ = _mm256_xor_si256(first_, _mm256_load_si256(source));
    second_ = _mm256_xor_si256(second_, _mm256_load_si256(source + 1));
  }
  std::uint64_t all() const {
    std::array<std::uint64_t, 4> words;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words.data()),
                        _mm256_xor_si256(first_, second_));
    return folded(words);
  }

 private:
  __m256i first_ = _mm256_setzero_si256();
  __m256i second_ = _mm256_setzero_si256();
#else
  void line(const std::byte* from) {
    std::array<std::uint64_t, kLine / sizeof(std::uint64_t)> words;
    std::memcpy(words.data(), from, kLine);
    all_ ^= folded(words);
  }
  std::uint64_t all() const { return all_; }

 private:
  std::uint64_t all_ = 0;
#endif
};

}  // namespace

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

std::uint64_t read_all(const std::byte* from, std::size_t bytes, int streams) {
  Fold fold;
  const auto count = static_cast<std::size_t>(streams);
  const std::size_t stride = bytes / kLine / count * kLine;
  for (std::size_t at = 0; at < stride; at += kLine) {
    for (std::size_t stream = 0; stream < count; ++stream) fold.line(from + stream * stride + at);
  }
  for (std::size_t at = count * stride; at < bytes; at += kLine) fold.line(from + at);
  return fold.all();
}

}  // namespace ashlar::machine
