#pragma once
// Where a process keeps its ranges while it runs: a file that is mapped into memory, so that what
// was written survives the process, however it ends. Threads write without locks, each into a chunk
// of its own; memory and file are bounded, and what does not fit is counted.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::trace {

enum class EventKind : std::uint8_t {
  push = 1,
  pop,
  start,   // of a range that need not nest; `value` is its id
  finish,  // of that id, on any thread
  mark,
  domain,       // `domain` is called `text`
  thread_name,  // this thread is called `text`
  thread_end,
  thread,  // the owner of what follows in a chunk; never seen by readers
};

struct SpillEvent {
  EventKind kind = EventKind::mark;
  std::int64_t time_ns = 0;  // CLOCK_MONOTONIC
  std::uint16_t domain = 0;  // 0: the default domain
  bool has_payload = false;  // of a push, whose `value` it is then
  std::uint64_t value = 0;
  std::string text;
};

enum class Role : std::uint32_t { supervisor, worker };

namespace detail {
struct SpillHeader;
struct Chunk {
  std::byte* data = nullptr;
  std::size_t used = 0;
};
}  // namespace detail

/// CLOCK_MONOTONIC, which all processes of a machine share.
std::int64_t monotonic_ns();

class Spill {
 public:
  static constexpr std::size_t kChunkBytes = 16384;
  static constexpr std::size_t kMostBytes = std::size_t{16} << 20;
  static constexpr std::size_t kLongestText = 1000;  // bytes; longer names are cut

  /// Makes the file, which must not exist. Throws std::system_error.
  Spill(const std::filesystem::path& path, Role role, std::size_t most_bytes = kMostBytes);
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

 private:
  friend class SpillLane;
  /// An empty chunk, or the rest of one whose thread has ended; nothing when the file is full.
  std::optional<detail::Chunk> acquire();
  void release(const detail::Chunk& chunk);
  void count_dropped();
  detail::SpillHeader& header() const;

  int file_ = -1;
  std::byte* memory_ = nullptr;
  std::size_t most_bytes_;
  std::mutex mutex_;  // of what is below
  std::size_t file_bytes_ = 0;
  std::vector<detail::Chunk> rests_;
};

/// One thread's way into the spill; only that thread uses it.
class SpillLane {
 public:
  SpillLane(Spill& spill, std::uint64_t serial);
  /// Writes thread_end.
  ~SpillLane();
  SpillLane(const SpillLane&) = delete;
  SpillLane& operator=(const SpillLane&) = delete;

  /// How many ranges of the domain were open before.
  int push(std::uint16_t domain, std::string_view name, std::optional<std::int64_t> payload);
  /// How many are open after; -1 when none was open.
  int pop(std::uint16_t domain);
  /// Everything but push and pop.
  void write(EventKind kind, std::uint16_t domain, std::uint64_t value, std::string_view text);

 private:
  struct Depth {
    int open = 0;
    int dropped = 0;  // the innermost ones, for which no room was left
  };
  Depth& depth(std::uint16_t domain);
  bool make_room(std::size_t bytes);
  void put(EventKind kind, std::uint16_t domain, bool has_payload, std::uint64_t value,
           std::string_view text);

  Spill& spill_;
  std::uint64_t serial_;
  std::uint16_t segments_ = 0;
  detail::Chunk chunk_;
  std::size_t open_ = 0;  // recorded pushes of all domains: each has room for its pop
  std::vector<Depth> depths_;
};

/// What is left of a process, its events by thread and in order of time.
struct SpillThread {
  std::uint64_t serial = 0;  // in order of first use; 0 is the first
  std::vector<SpillEvent> events;
};
struct SpillFile {
  int pid = 0;
  Role role = Role::worker;
  std::int64_t start_ns = 0;
  std::uint64_t dropped = 0;  // ranges and marks without room
  std::vector<SpillThread> threads;
};
/// Throws std::runtime_error when the file is no spill. A process killed while it wrote an event
/// leaves that one out.
SpillFile read_spill(const std::filesystem::path& path);

}  // namespace ashlar::trace
