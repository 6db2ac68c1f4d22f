#pragma once
// Label propagation on real data: the handwritten digits that scikit-learn brings along (1797
// images of 8 x 8 pixels from the UCI repository), and the graph of their 5 nearest neighbours.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd {

struct Digits {
  static constexpr Index kPixels = 64;
  std::vector<double> pixels;  // image after image; 0 to 16
  std::vector<double> digits;  // 0 to 9

  Index count() const { return static_cast<Index>(digits.size()); }
};

/// $ASHLAR_DIGITS, if it is set, else where Debian's python3-sklearn has it; nothing if no file is
/// there.
std::optional<std::filesystem::path> find_digits();

/// Lines of 64 pixels and the digit with commas between, plain or compressed by gzip. Throws
/// std::invalid_argument "file:line:column: what; remedy".
Digits read_digits(const std::filesystem::path& file);

/// 100 random images are labelled with their digit, the others are unknowns (1697).
Problem make_digits(const Digits& digits, std::uint32_t seed = 1);

}  // namespace ashlar::bcd
