#include "impls/bcd/digits.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "impls/bcd/mersenne.hpp"
#include "impls/bcd/neighbours.hpp"

namespace ashlar::bcd {
namespace {

// Plain files pass through zlib as they are.
std::string unpacked(const std::filesystem::path& file) {
  const auto refuse = [&](const char* what) {
    throw std::invalid_argument(fmt::format("{}:1:1: {}", file.string(), what));
  };
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> stream(gzopen(file.c_str(), "rb"), gzclose);
  if (!stream)
    refuse("cannot be opened; install python3-sklearn, or set ASHLAR_DIGITS to the file");
  std::string text;
  std::array<char, 65536> part{};
  int count = 0;
  while ((count = gzread(stream.get(), part.data(), part.size())) > 0) {
    text.append(part.data(), static_cast<std::size_t>(count));
  }
  int error = Z_OK;
  gzerror(stream.get(), &error);
  // A file that ends too early is an error of the buffer, and no error of the read.
  if (count < 0 || error != Z_OK) refuse("cannot be unpacked; copy it anew");
  return text;
}

void add_image(std::string_view line, std::string_view where, Digits& out) {
  std::size_t begin = 0;
  for (Index field = 0; field <= Digits::kPixels; ++field) {
    const bool last = field == Digits::kPixels;
    const std::size_t end = std::min(line.find(',', begin), line.size());
    const auto refuse = [&](const char* what) {
      throw std::invalid_argument(fmt::format("{}:{}: {}", where, begin + 1, what));
    };
    if ((end == line.size()) != last) {
      refuse("not 64 pixels and a digit; give an image a line, with commas between");
    }
    double value = 0;
    const char* const stop = line.data() + end;
    const auto [parsed, error] = std::from_chars(line.data() + begin, stop, value);
    if (error != std::errc() || parsed != stop || !(value >= 0 && value <= (last ? 9 : 16))) {
      refuse(last ? "not a digit; write 0 to 9" : "not a pixel; write 0 to 16");
    }
    (last ? out.digits : out.pixels).push_back(value);
    begin = end + 1;
  }
}

}  // namespace

std::optional<std::filesystem::path> find_digits() {
  const char* const given = std::getenv("ASHLAR_DIGITS");
  const std::filesystem::path file =
      given != nullptr ? given
                       : "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz";
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(file, unreadable)) return std::nullopt;
  return file;
}

Digits read_digits(const std::filesystem::path& file) {
  const std::string text = unpacked(file);
  Digits digits;
  int number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    ++number;
    if (!line.empty()) add_image(line, fmt::format("{}:{}", file.string(), number), digits);
    begin = end + 1;
  }
  if (digits.digits.empty()) {
    throw std::invalid_argument(
        fmt::format("{}:1:1: no image; give lines of 64 pixels and a digit", file.string()));
  }
  return digits;
}

Problem make_digits(const Digits& digits, std::uint32_t seed) {
  constexpr Index kNeighbours = 5, kLabelled = 100;
  const SparseLines graph = nearest_neighbours(digits.pixels, Digits::kPixels, kNeighbours);
  Mersenne random(seed);
  return make_label_propagation(graph, label_at_random(graph, digits.digits, kLabelled, random));
}

}  // namespace ashlar::bcd
