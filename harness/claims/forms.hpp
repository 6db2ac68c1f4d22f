#pragma once
// From selected records to one interval per cell: what each form measures. Private to this folder.
#include <set>
#include <string>
#include <vector>

#include "harness/claims/intervals.hpp"
#include "harness/claims/select.hpp"

namespace ashlar::claims::detail {

/// What a form makes of one cell.
struct Cell {
  std::string label;
  Point at;  // of what the label says, the axes that vary
  std::optional<Measured> value;
  std::string missing;             // why there is no value; else empty
  std::optional<Outcome> outcome;  // where no interval decides (equal, holds, a wrong sense)
  std::string note;                // added to the reason when this cell decides
  std::size_t samples = 0;         // of the side with the fewest, for "few samples"
};

/// Everything that a form needs to know.
struct Question {
  const Claim& claim;
  const Check& check;
  const Declaration* declaration = nullptr;  // nullptr when nothing is declared
  bool several_runs = false;                 // labels name the run
  std::set<std::string> varying;             // axes that labels name

  const std::string& metric_of(const Side& side) const {
    return side.metric.empty() ? check.metric.text : side.metric;
  }
  Series series(const Step& step, std::size_t side, const Side& which) const;
  std::string label(const Step& step, const std::string& without_axis = "") const;
  Point point(const Step& step, const std::string& without_axis = "") const;
  /// "seqlen=2048, causal=true"
  static std::string text(const Point& point);
  /// From the check, the built-in metrics or the declaration.
  std::optional<Better> better() const;
};

/// Axes of the experiment that take more than one value in these runs.
std::set<std::string> varying_axes(const std::vector<const Run*>& runs,
                                   const std::string& experiment);
/// The sides that a check names, in the order in which steps hold their entries.
std::vector<Side> sides_of(const Check& check);
bool same_point(const Side& a, const Side& b);
Cell missing_cell(std::string label, std::string why);

/// Forms that look at one step at a time; for `count` the cells that are to be counted.
std::vector<Cell> point_cells(const Question& question, const std::vector<Side>& sides,
                              const std::vector<Step>& steps);
/// Forms that look along an axis or a curve: monotone, slope, crossover, fits.
std::vector<Cell> chain_cells(const Question& question, const std::vector<Side>& sides,
                              const std::vector<Step>& steps);
/// Form duration: a cell per run of the mode that holds all of the check's experiments of the suite
/// and has left nothing out. Empty, and `nothing` says why, when there is none. The label names the
/// run; there is no other evidence.
std::vector<Cell> duration_cells(const Check& check, const std::vector<const Run*>& runs,
                                 const std::string& suite, std::string& nothing);

}  // namespace ashlar::claims::detail
