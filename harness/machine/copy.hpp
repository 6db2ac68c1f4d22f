#pragma once
// Memory for the bandwidths of copies and of reads, and ways to copy and to read it.
#include <cstddef>
#include <cstdint>

namespace ashlar::machine {

/// Pages straight from the system, so that large buffers go back to it at once. Where the system
/// grants huge pages, they are used. Move-only.
class Pages {
 public:
  /// Throws std::bad_alloc.
  explicit Pages(std::size_t bytes);
  ~Pages();
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&&) = delete;
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Bytes of each of the two buffers: four times the last-level cache, between 32 MiB and a limit
/// that grows with the threads (64 MiB each, at least 128 MiB, at most 1 GiB), since virtual
/// machines report caches of their host; and never more than an eighth of the free memory.
/// Unknown sizes are 0. A multiple of 1 MiB.
std::size_t copy_buffer_bytes(std::int64_t last_level_bytes, std::int64_t available_bytes,
                              int threads);

/// Copies with stores that bypass the caches, so that exactly 2 * bytes move: plain stores would
/// read each line before writing it. Both pointers aligned to 64 bytes, bytes a multiple of 64.
void copy_nontemporal(std::byte* to, const std::byte* from, std::size_t bytes);

/// Reads every byte once, line by line, from `streams` places in turn, and returns the exclusive or
/// of its 64-bit words. Some prefetchers follow several streams faster than one. `from` aligned to
/// 64 bytes, bytes a multiple of 64.
std::uint64_t read_all(const std::byte* from, std::size_t bytes, int streams);

}  // namespace ashlar::machine
