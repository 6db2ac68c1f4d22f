#pragma once
// Figures by gnuplot, from what the experiments declare.
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/record/file.hpp"
#include "harness/report/view.hpp"

namespace ashlar::report {

/// gnuplot is missing, or it failed; the message says which and what to do.
class GnuplotError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct FigureOptions {
  std::vector<std::string> formats{"svg", "png"};
  Filter filter;
  std::string gnuplot = "gnuplot";  // looked up on PATH
};

struct FigureFiles {
  std::vector<std::filesystem::path> files;  // scripts and pictures
  std::vector<std::string>
      messages;  // declared figures that had nothing to show, gnuplot's warnings
};

/// Writes NAME.gp, with its data inside, and NAME.svg and NAME.png beside it for every declared
/// figure of every run; NAME is SUITE-EXPERIMENT-FIGURE, with the values of the axes that make
/// files of their own, and with the run id where there are several runs.
///
/// Throws NothingToShow where no experiment with data declares a figure, std::invalid_argument for
/// an unknown format or a figure that names what is not there, GnuplotError (the scripts stay),
/// std::filesystem::filesystem_error.
FigureFiles write_figures(const record::RecordSet& records, const std::filesystem::path& folder,
                          const FigureOptions& options = {});

}  // namespace ashlar::report
