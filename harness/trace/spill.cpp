#include "harness/trace/spill.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace ashlar::trace {

namespace {

constexpr char kMagic[8] = {'A', 'S', 'H', 'T', 'R', 'A', 'C', '1'};
constexpr std::size_t kHeaderBytes = 4096;

/// Before each event's text. `size` is written last: a reader sees whole events only.
struct EventHead {
  std::uint32_t size;  // of head and text, a multiple of eight; 0: nothing follows
  std::uint32_t text_bytes;
  std::int64_t time_ns;
  std::uint64_t value;
  std::uint16_t domain;  // of `thread`: which segment of its events this is
  EventKind kind;
  bool has_payload;
  std::uint32_t reserved;
};
static_assert(sizeof(EventHead) == 32);

std::size_t event_bytes(std::size_t text_bytes) {
  return sizeof(EventHead) + (text_bytes + 7) / 8 * 8;
}

[[noreturn]] void fail(const std::filesystem::path& path, int error) {
  throw std::system_error(error, std::generic_category(), path.string());
}

}  // namespace

struct detail::SpillHeader {
  char magic[8];
  std::int32_t pid;
  Role role;
  std::int64_t start_ns;
  std::uint64_t dropped;
};

std::int64_t monotonic_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Spill::Spill(const std::filesystem::path& path, Role role, std::size_t most_bytes)
    : most_bytes_(std::max(most_bytes / kChunkBytes, std::size_t{1}) * kChunkBytes + kHeaderBytes) {
  file_ = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (file_ < 0) fail(path, errno);
  file_bytes_ = kHeaderBytes;
  int error = posix_fallocate(file_, 0, static_cast<off_t>(file_bytes_));
  if (error == 0) {
    void* memory = mmap(nullptr, most_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (memory == MAP_FAILED) error = errno;
    if (error == 0) memory_ = static_cast<std::byte*>(memory);
  }
  if (error != 0) {
    close(file_);
    fail(path, error);
  }
  detail::SpillHeader& head = header();
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.pid = getpid();
  head.role = role;
  head.start_ns = monotonic_ns();
}

Spill::~Spill() {
  munmap(memory_, most_bytes_);
  close(file_);
}

detail::SpillHeader& Spill::header() const {
  return *reinterpret_cast<detail::SpillHeader*>(memory_);
}

std::optional<detail::Chunk> Spill::acquire() {
  const std::lock_guard lock(mutex_);
  if (!rests_.empty()) {
    const detail::Chunk rest = rests_.back();
    rests_.pop_back();
    return rest;
  }
  if (file_bytes_ + kChunkBytes > most_bytes_) return std::nullopt;
  // Allocated, not only made longer: writing to a hole on a full disk would be a bus error.
  if (posix_fallocate(file_, static_cast<off_t>(file_bytes_), kChunkBytes) != 0) {
    return std::nullopt;
  }
  const detail::Chunk fresh{memory_ + file_bytes_, 0};
  file_bytes_ += kChunkBytes;
  return fresh;
}

void Spill::release(const detail::Chunk& chunk) {
  // Room for a thread that begins and ends, and little more, is not worth keeping.
  if (kChunkBytes - chunk.used < 8 * sizeof(EventHead)) return;
  const std::lock_guard lock(mutex_);
  rests_.push_back(chunk);
}

void Spill::count_dropped() {
  std::atomic_ref(header().dropped).fetch_add(1, std::memory_order_relaxed);
}

SpillLane::SpillLane(Spill& spill, std::uint64_t serial) : spill_(spill), serial_(serial) {}

SpillLane::~SpillLane() {
  if (chunk_.data == nullptr) return;
  put(EventKind::thread_end, 0, false, 0, "");
  spill_.release(chunk_);
}

SpillLane::Depth& SpillLane::depth(std::uint16_t domain) {
  if (depths_.size() <= domain) depths_.resize(domain + std::size_t{1});
  return depths_[domain];
}

/// For `bytes`, the pops of all open ranges, and the end of the thread.
bool SpillLane::make_room(std::size_t bytes) {
  const std::size_t wanted = bytes + (open_ + 1) * sizeof(EventHead);
  if (chunk_.data != nullptr && Spill::kChunkBytes - chunk_.used >= wanted) return true;
  // A chunk takes its owner first; a rest may be too small.
  while (const auto next = spill_.acquire()) {
    if (Spill::kChunkBytes - next->used < wanted + sizeof(EventHead)) {
      if (next->used > 0) continue;
      spill_.release(*next);
      return false;
    }
    chunk_ = *next;
    put(EventKind::thread, segments_++, false, serial_, "");
    return true;
  }
  return false;
}

void SpillLane::put(EventKind kind, std::uint16_t domain, bool has_payload, std::uint64_t value,
                    std::string_view text) {
  const std::size_t bytes = event_bytes(text.size());
  std::byte* const at = chunk_.data + chunk_.used;
  EventHead head{0, static_cast<std::uint32_t>(text.size()), 0, value, domain, kind, has_payload,
                 0};
  head.time_ns = monotonic_ns();
  std::memcpy(at, &head, sizeof head);
  std::memcpy(at + sizeof head, text.data(), text.size());
  auto& size = *reinterpret_cast<std::uint32_t*>(at);
  std::atomic_ref(size).store(static_cast<std::uint32_t>(bytes), std::memory_order_release);
  chunk_.used += bytes;
}

int SpillLane::push(std::uint16_t domain, std::string_view name,
                    std::optional<std::int64_t> payload) {
  name = name.substr(0, Spill::kLongestText);
  Depth& own = depth(domain);
  const int before = own.open + own.dropped;
  // The pop of a range that is dropped must not end another one: only the innermost are dropped.
  if (own.dropped > 0 || !make_room(event_bytes(name.size()) + sizeof(EventHead))) {
    ++own.dropped;
    spill_.count_dropped();
    return before;
  }
  put(EventKind::push, domain, payload.has_value(), static_cast<std::uint64_t>(payload.value_or(0)),
      name);
  ++own.open;
  ++open_;
  return before;
}

int SpillLane::pop(std::uint16_t domain) {
  Depth& own = depth(domain);
  if (own.dropped > 0) {
    --own.dropped;
    return own.open + own.dropped;
  }
  if (own.open == 0) {
    if (make_room(sizeof(EventHead))) put(EventKind::pop, domain, false, 0, "");
    return -1;
  }
  put(EventKind::pop, domain, false, 0, "");
  --open_;
  return --own.open;
}

void SpillLane::write(EventKind kind, std::uint16_t domain, std::uint64_t value,
                      std::string_view text) {
  text = text.substr(0, Spill::kLongestText);
  if (make_room(event_bytes(text.size()))) {
    put(kind, domain, false, value, text);
  } else if (kind == EventKind::start || kind == EventKind::mark) {
    spill_.count_dropped();
  }
}

namespace {

/// The events of one chunk, by (thread, segment).
using Segments = std::map<std::pair<std::uint64_t, std::uint16_t>, std::vector<SpillEvent>>;

void read_chunk(std::string_view chunk, Segments& segments) {
  std::vector<SpillEvent>* owner = nullptr;
  while (chunk.size() >= sizeof(EventHead)) {
    EventHead head{};
    std::memcpy(&head, chunk.data(), sizeof head);
    if (head.size < sizeof head || head.size > chunk.size() ||
        head.text_bytes > head.size - sizeof head) {
      return;  // the end, or an event that was being written
    }
    if (head.kind == EventKind::thread) {
      owner = &segments[{head.value, head.domain}];
    } else if (owner != nullptr) {
      owner->push_back({head.kind, head.time_ns, head.domain, head.has_payload, head.value,
                        std::string(chunk.substr(sizeof head, head.text_bytes))});
    }
    chunk.remove_prefix(head.size);
  }
}

}  // namespace

SpillFile read_spill(const std::filesystem::path& path) {
  std::ostringstream buffer;
  buffer << std::ifstream(path, std::ios::binary).rdbuf();
  const std::string bytes = buffer.str();
  detail::SpillHeader head{};
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    throw std::runtime_error(path.string() + " holds no recorded ranges");
  }
  std::memcpy(&head, bytes.data(), sizeof head);
  Segments segments;
  for (std::size_t at = kHeaderBytes; at < bytes.size(); at += Spill::kChunkBytes) {
    read_chunk(std::string_view(bytes).substr(at, Spill::kChunkBytes), segments);
  }
  SpillFile file{head.pid, head.role, head.start_ns, head.dropped, {}};
  for (auto& [key, events] : segments) {
    if (file.threads.empty() || file.threads.back().serial != key.first) {
      file.threads.push_back({key.first, {}});
    }
    auto& all = file.threads.back().events;
    all.insert(all.end(), std::make_move_iterator(events.begin()),
               std::make_move_iterator(events.end()));
  }
  return file;
}

}  // namespace ashlar::trace
