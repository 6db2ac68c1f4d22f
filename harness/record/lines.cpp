#include "harness/record/lines.hpp"

#include <cstring>

namespace ashlar::record::detail {

namespace {

constexpr std::size_t kChunk = 1 << 16;

}  // namespace

LineSource::LineSource(const std::filesystem::path& path, std::size_t padding)
    : source_(path), padding_(padding) {}

bool LineSource::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ + padding_ == buffer_.size() || buffer_.empty())
    buffer_.resize(2 * end_ + kChunk + padding_);
  const std::size_t got = source_.read(buffer_.data() + end_, buffer_.size() - padding_ - end_);
  end_ += got;
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
