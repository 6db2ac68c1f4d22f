#include "harness/record/lines.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "harness/record/file.hpp"

namespace ashlar::record::detail {

namespace {

constexpr std::size_t kChunk = 1 << 16;

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw FileError(fmt::format("{}: cannot be read ({})", path.string(), std::strerror(errno)));
}

}  // namespace

LineSource::LineSource(const std::filesystem::path& path, std::size_t padding)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), padding_(padding) {
  if (descriptor_ < 0) fail(path_);
}

LineSource::~LineSource() { ::close(descriptor_); }

bool LineSource::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ + padding_ == buffer_.size() || buffer_.empty())
    buffer_.resize(2 * end_ + kChunk + padding_);
  ssize_t got = 0;
  do {
    got = ::read(descriptor_, buffer_.data() + end_, buffer_.size() - padding_ - end_);
  } while (got < 0 && errno == EINTR);
  if (got < 0) fail(path_);
  end_ += static_cast<std::size_t>(got);
  return got > 0;
}

std::optional<std::string_view> LineSource::next() {
  std::size_t searched = 0;
  while (true) {
    const std::size_t left = end_ - begin_;
    const char* start = buffer_.data() + begin_;
    if (left > searched) {
      const void* found = std::memchr(start + searched, '\n', left - searched);
      if (found != nullptr) {
        const std::string_view line(start, static_cast<const char*>(found) - start);
        begin_ += line.size() + 1;
        return line;
      }
    }
    searched = left;
    if (fill()) continue;
    if (end_ == begin_) return std::nullopt;
    unfinished_ = true;
    const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
    begin_ = end_;
    return rest;
  }
}

}  // namespace ashlar::record::detail
