#pragma once
// How wide text stands in a figure. gnuplot does not wrap, and does not say where a label ends.
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::report {

/// Pixels that UTF-8 text takes in DejaVu Sans of `size` pixels, the font of the figures. Wide
/// enough for other sans-serif fonts that a viewer may put in its place.
double text_width(std::string_view text, double size);

/// Lines of at most `width` pixels, broken at blanks; a word longer than a line stands alone. No
/// text gives no line.
std::vector<std::string> wrap_pixels(std::string_view text, double size, double width);

}  // namespace ashlar::report
