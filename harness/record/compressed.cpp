#include "harness/record/compressed.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <fmt/format.h>

#include "harness/record/file.hpp"

namespace ashlar::record {

namespace detail {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kInput = 1 << 16;
constexpr unsigned char kMagic[] = {0x1f, 0x8b};

[[noreturn]] void unreadable(const fs::path& path) {
  throw FileError(fmt::format("{}: cannot be read ({})", path.string(), std::strerror(errno)));
}

[[noreturn]] void cut_off(const fs::path& path) {
  throw FileError(
      fmt::format("{0}: the compressed data end early; get the file again, or save what is there "
                  "with 'gzip -dc {0} >PART.jsonl'",
                  path.string()));
}

[[noreturn]] void damaged(const fs::path& path, const char* how) {
  throw FileError(fmt::format("{}: the compressed data are damaged ({}); get the file again",
                              path.string(), how != nullptr ? how : "unknown"));
}

[[noreturn]] void more_follows(const fs::path& path) {
  throw FileError(fmt::format(
      "{}: what is not compressed follows the compressed data; unpack and join them, and compress "
      "the whole",
      path.string()));
}

}  // namespace

struct ByteSource::Inflater {
  Inflater() {
    constexpr int kGzipOnly = MAX_WBITS + 16;
    if (inflateInit2(&stream, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream stream{};
  bool between = false;  // gzip -c twice into one file, or cat: one whole after another
};

ByteSource::ByteSource(const fs::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), input_(kInput) {
  if (descriptor_ < 0) unreadable(path_);
  std::size_t got = 0;
  try {
    // A pipe may give them one by one.
    while (got < sizeof kMagic) {
      const std::size_t more = read_file(input_.data() + got, input_.size() - got);
      if (more == 0) break;
      got += more;
    }
    input_.resize(got);
    if (got < sizeof kMagic || !std::equal(std::begin(kMagic), std::end(kMagic), input_.begin()))
      return;
    inflater_ = std::make_unique<Inflater>();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
  inflater_->stream.next_in = input_.data();
  inflater_->stream.avail_in = static_cast<uInt>(got);
}

ByteSource::~ByteSource() { ::close(descriptor_); }

std::size_t ByteSource::read_file(void* to, std::size_t size) {
  ssize_t got = 0;
  do {
    got = ::read(descriptor_, to, size);
  } while (got < 0 && errno == EINTR);
  if (got < 0) unreadable(path_);
  return static_cast<std::size_t>(got);
}

std::size_t ByteSource::read(char* to, std::size_t size) {
  if (inflater_) return inflate(to, size);
  const std::size_t left = input_.size() - begin_;
  if (left == 0) return read_file(to, size);
  const std::size_t some = std::min(left, size);
  std::memcpy(to, input_.data() + begin_, some);
  begin_ += some;
  return some;
}

void ByteSource::check_rest() {
  std::vector<char> passed_over(kInput);
  while (inflater_ && inflate(passed_over.data(), passed_over.size()) > 0) continue;
}

bool ByteSource::refill() {
  input_.resize(kInput);
  inflater_->stream.next_in = input_.data();
  inflater_->stream.avail_in = static_cast<uInt>(read_file(input_.data(), input_.size()));
  return inflater_->stream.avail_in > 0;
}

std::size_t ByteSource::inflate(char* to, std::size_t size) {
  z_stream& stream = inflater_->stream;
  const auto room =
      static_cast<uInt>(std::min<std::size_t>(size, std::numeric_limits<uInt>::max()));
  stream.next_out = reinterpret_cast<Bytef*>(to);
  stream.avail_out = room;
  while (stream.avail_out == room) {
    if (stream.avail_in == 0 && !refill()) {
      if (inflater_->between) return 0;
      cut_off(path_);
    }
    if (inflater_->between && *stream.next_in != kMagic[0]) more_follows(path_);
    inflater_->between = false;
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      inflateReset(&stream);
      inflater_->between = true;
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK) {
      damaged(path_, stream.msg);
    }
  }
  return room - stream.avail_out;
}

}  // namespace detail

bool is_compressed(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  char first[sizeof detail::kMagic] = {};
  std::ifstream(path, std::ios::binary).read(first, sizeof first);
  return std::memcmp(first, detail::kMagic, sizeof first) == 0;
}

}  // namespace ashlar::record
