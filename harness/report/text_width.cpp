#include "harness/report/text_width.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace ashlar::report {

namespace {

/// Advances of the letters from blank to tilde in thousandths of the size, from the font's file.
constexpr std::uint16_t kAdvances[] = {
    318,  401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,  // blank to /
    636,  636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,  // 0 to ?
    1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,  // @ to O
    603,  787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,  // P to _
    500,  613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,  // ` to o
    635,  635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838};      // p to ~
/// Of any other letter; those of the figures (µ, ², ∝, ·) are narrower.
constexpr double kOther = 838;

}  // namespace

double text_width(std::string_view text, double size) {
  double thousandths = 0;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if ((byte & 0xC0u) == 0x80u) continue;  // inside a letter of several bytes
    const bool known = byte >= 0x20 && byte - 0x20u < std::size(kAdvances);
    thousandths += known ? kAdvances[byte - 0x20u] : kOther;
  }
  return thousandths * size / 1000;
}

std::vector<std::string> wrap_pixels(std::string_view text, double size, double width) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string word(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const bool fits = !lines.empty() && text_width(lines.back() + ' ' + word, size) <= width;
    if (fits) {
      lines.back().append(" ").append(word);
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

}  // namespace ashlar::report
