#pragma once
// From a page to a gnuplot script.
#include <string>

#include "harness/report/page.hpp"

namespace ashlar::report {

/// A complete script for gnuplot 5.4 with its data inside, so that a user can restyle one file and
/// draw it again: `gnuplot -e "format='png'" NAME.gp`, in its folder. Without a format it draws
/// SVG. The output is NAME.svg or NAME.png, NAME being page.file.
std::string gnuplot_script(const Page& page);

}  // namespace ashlar::report
