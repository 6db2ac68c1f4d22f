#include "impls/bcd/libsvm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace ashlar::bcd {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

// As it may stand in a message: bytes that are not printed in hexadecimal, and not all of a long
// text.
std::string libsvm_shown(std::string_view text) {
  constexpr std::size_t kMost = 40;
  std::string shown;
  for (const char byte : text.substr(0, kMost)) {
    if (byte >= ' ' && byte <= '~') {
      shown += byte;
    } else {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
  }
  return text.size() > kMost ? shown + "..." : shown;
}

// One line, token by token.
class LibsvmLine {
 public:
  LibsvmLine(std::string_view line, std::string_view name, std::int64_t number)
      : line_(line.substr(0, line.find('#'))), name_(name), number_(number) {}

  /// Empty at the end.
  std::string_view next() {
    begin_ = std::min(line_.find_first_not_of(kBlanks, end_), line_.size());
    end_ = std::min(line_.find_first_of(kBlanks, begin_), line_.size());
    return line_.substr(begin_, end_ - begin_);
  }

  template <class... Args>
  [[noreturn]] void refuse(std::size_t offset, fmt::format_string<Args...> text,
                           Args&&... args) const {
    throw std::invalid_argument(fmt::format("{}:{}:{}: {}", name_, number_, begin_ + offset + 1,
                                            fmt::format(text, std::forward<Args>(args)...)));
  }

  /// `offset` is where `text` stands in the token.
  double number(std::string_view text, std::size_t offset, const char* what) const {
    double value = 0;
    const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + (plus ? 1 : 0), last, value);
    if (error == std::errc::result_out_of_range) {
      refuse(offset, "{} '{}' is outside the range of double precision; scale it", what,
             libsvm_shown(text));
    }
    if (error != std::errc() || end != last) {
      refuse(offset, "{} '{}' is not a number; write one like 1 or -2.5e-3", what,
             libsvm_shown(text));
    }
    if (!std::isfinite(value)) {
      refuse(offset, "{} '{}' is not finite; leave the line out, or mend it", what,
             libsvm_shown(text));
    }
    return value;
  }

 private:
  std::string_view line_;
  std::string_view name_;
  std::int64_t number_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

Index libsvm_feature(const LibsvmLine& line, std::string_view text, Index before) {
  std::int64_t feature = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, feature);
  if (error == std::errc::invalid_argument || (error == std::errc() && end != last)) {
    line.refuse(0, "feature '{}' is not a whole number; write feature:value", libsvm_shown(text));
  }
  if (error != std::errc() || feature > std::numeric_limits<Index>::max() - 1) {
    line.refuse(0, "feature '{}' is beyond {}; renumber the features", libsvm_shown(text),
                std::numeric_limits<Index>::max() - 1);
  }
  if (feature < 1) line.refuse(0, "feature {}; they count from 1, so add one to all", feature);
  if (feature <= before) {
    line.refuse(0, "feature {} stands behind {}; sort each line, and name no feature twice",
                feature, before);
  }
  return static_cast<Index>(feature);
}

void add_libsvm_line(LibsvmLine line, std::int64_t number, LabelledRows& out) {
  const std::string_view label = line.next();
  if (label.empty()) return;
  if (label.find(':') != std::string_view::npos) {
    line.refuse(0, "'{}' where the label is expected; begin each line with a label",
                libsvm_shown(label));
  }
  if (label.find(',') != std::string_view::npos) {
    line.refuse(label.find(','), "several labels '{}'; keep one", libsvm_shown(label));
  }
  out.labels.push_back(line.number(label, 0, "label"));
  out.lines.push_back(number);
  Index before = 0;
  for (std::string_view token = line.next(); !token.empty(); token = line.next()) {
    const std::size_t colon = token.find(':');
    if (colon == std::string_view::npos) {
      line.refuse(0, "'{}' has no colon; write feature:value", libsvm_shown(token));
    }
    if (token.substr(0, colon) == "qid") {
      line.refuse(0, "'{}': groups of a ranking are not read; remove them", libsvm_shown(token));
    }
    before = libsvm_feature(line, token.substr(0, colon), before);
    const double value = line.number(token.substr(colon + 1), colon + 1, "value");
    out.columns = std::max(out.columns, before);
    if (value == 0) continue;
    out.rows.indices.push_back(before - 1);
    out.rows.values.push_back(value);
  }
  out.rows.starts.push_back(static_cast<std::int64_t>(out.rows.indices.size()));
}

}  // namespace

LabelledRows parse_libsvm(std::string_view text, std::string_view name) {
  LabelledRows out;
  out.rows.starts.push_back(0);
  std::int64_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    ++number;
    add_libsvm_line(LibsvmLine(text.substr(begin, end - begin), name, number), number, out);
    begin = end + 1;
  }
  if (out.labels.empty()) {
    throw std::invalid_argument(
        fmt::format("{}:1:1: no example; write lines of: label feature:value ...", name));
  }
  return out;
}

LabelledRows read_libsvm(const std::filesystem::path& file) {
  std::string text;
  std::error_code unknown;
  std::ifstream stream;
  if (!std::filesystem::is_directory(file, unknown)) stream.open(file, std::ios::binary);
  if (stream.is_open()) text.assign(std::istreambuf_iterator<char>(stream), {});
  if (!stream.is_open() || stream.bad()) {
    throw std::invalid_argument(fmt::format(
        "{}:1:1: cannot be read; check that it is a file, and its permissions", file.string()));
  }
  return parse_libsvm(text, file.string());
}

}  // namespace ashlar::bcd
