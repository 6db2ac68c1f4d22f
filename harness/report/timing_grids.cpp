// Timed experiments as grids: one per quantity (wide), or one row per case (long).
#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/estimates.hpp"
#include "harness/report/table_parts.hpp"

namespace ashlar::report {

namespace {

constexpr const char* kNone = "–";
constexpr const char* kBrackets =
    "[low, high]: 95 % interval of the median; (low, high): range of too few samples for one.";
constexpr const char* kPlusMinus =
    "±: half of the 95 % interval of the median; in brackets: of the range of too few samples.";

/// What a cell without a number says.
std::string word_with_mark(const Cell& cell, Footnotes& footnotes) {
  if (cell.status == record::Status::ok) return "no samples";
  return word_of(cell.status) + footnotes.mark(cell.reason);
}

std::string time_cell(const Cell& cell, Footnotes& footnotes) {
  if (!cell.ok()) return word_with_mark(cell, footnotes);
  return time_text(*cell.time_ns);
}

std::string short_time_cell(const Cell& cell, Footnotes& footnotes) {
  if (!cell.ok()) return word_with_mark(cell, footnotes);
  return short_time_text(*cell.time_ns);
}

std::string rate_cell(const Cell& cell) {
  if (!cell.ok() || !cell.flops_per_s) return kNone;
  std::string text = rate_text(*cell.flops_per_s);
  if (cell.share_of_peak) text += fmt::format(" ({})", percent_text(*cell.share_of_peak));
  return text;
}

std::string bandwidth_cell(const Cell& cell) {
  if (!cell.ok() || !cell.bytes_per_s) return kNone;
  std::string text = number(*cell.bytes_per_s * 1e-9);
  std::vector<std::string> shares;
  for (const auto& share : {cell.share_of_copy, cell.share_of_reads}) {
    if (share) shares.push_back(percent_text(*share));
  }
  if (!shares.empty()) text += fmt::format(" ({})", fmt::join(shares, ", "));
  return text;
}

std::string memory_cell(const Cell& cell) {
  return cell.ok() && cell.peak_extra_bytes ? bytes_text(*cell.peak_extra_bytes) : kNone;
}

std::string speedup_cell(const Cell& cell, const std::string& baseline) {
  const Ratio* ratio = cell.over(baseline);
  return ratio == nullptr ? kNone : ratio_text(ratio->value);
}

/// Geometric mean over the points where both have a time; says how many when that is not all.
std::string mean_speedup(const TimedView& view, const std::string& implementation,
                         const std::string& baseline) {
  std::vector<double> ratios;
  for (const Row& row : view.rows) {
    const Cell* cell = row.find(implementation);
    if (const Ratio* ratio = cell == nullptr ? nullptr : cell->over(baseline))
      ratios.push_back(ratio->value.value);
  }
  if (ratios.empty()) return kNone;
  std::string text = ratio_text({statistics::geometric_mean(ratios), {}, {}, true});
  if (ratios.size() < view.rows.size())
    text += fmt::format(" ({} of {})", ratios.size(), view.rows.size());
  return text;
}

class Wide {
 public:
  explicit Wide(const TimedView& view)
      : view_(view), points_(points_of(view)), axes_(axis_columns(view.declared, points_)) {}

  /// A grid of one quantity; columns that say nothing anywhere are left out.
  Grid grid(const std::string& title, const std::string& remark,
            const std::vector<std::string>& implementations,
            const std::function<std::string(const Cell&)>& text) const {
    Grid grid;
    grid.title = title;
    grid.remark = remark;
    grid.columns = columns_of(axes_, view_.declared, points_);
    for (const std::string& name : implementations) grid.columns.push_back({name, Align::right});
    for (const Row& row : view_.rows) {
      std::vector<std::string> cells = cells_of(axes_, row.point);
      for (const std::string& name : implementations) {
        const Cell* cell = row.find(name);
        cells.push_back(cell == nullptr ? kNone : text(*cell));
      }
      grid.rows.push_back(std::move(cells));
    }
    return grid;
  }
  /// The label of a footer row, and blanks up to the first implementation.
  std::vector<std::string> footer_start(const std::string& label) const {
    std::vector<std::string> cells(std::max<std::size_t>(1, axes_.shown.size()));
    cells.front() = label;
    return cells;
  }
  /// Those of the implementations that have at least one cell for which `has` holds.
  std::vector<std::string> with(const std::function<bool(const Cell&)>& has) const {
    std::vector<std::string> names;
    for (const std::string& name : view_.implementations) {
      const bool any = std::any_of(view_.rows.begin(), view_.rows.end(), [&](const Row& row) {
        const Cell* cell = row.find(name);
        return cell != nullptr && has(*cell);
      });
      if (any) names.push_back(name);
    }
    return names;
  }

 private:
  const TimedView& view_;
  std::vector<model::Point> points_;
  AxisColumns axes_;
};

std::string range_text(std::size_t low, std::size_t high) {
  return low == high ? fmt::format("{}", low) : fmt::format("{} to {}", low, high);
}

/// "Rounds: 3. Samples per case: naive 9 to 15, flash 45."
std::string samples_note(const TimedView& view) {
  std::vector<std::string> parts;
  std::size_t fewest_rounds = SIZE_MAX;
  std::size_t most_rounds = 0;
  for (const std::string& name : view.implementations) {
    std::size_t fewest = SIZE_MAX;
    std::size_t most = 0;
    for (const Row& row : view.rows) {
      const Cell* cell = row.find(name);
      if (cell == nullptr || !cell->ok()) continue;
      fewest = std::min(fewest, cell->samples);
      most = std::max(most, cell->samples);
      fewest_rounds = std::min(fewest_rounds, cell->rounds);
      most_rounds = std::max(most_rounds, cell->rounds);
    }
    if (most > 0) parts.push_back(name + ' ' + range_text(fewest, most));
  }
  if (parts.empty()) return "";
  return fmt::format("Rounds: {}. Samples, all rounds together: {}.",
                     range_text(fewest_rounds, most_rounds), fmt::join(parts, ", "));
}

std::string flags_note(const TimedView& view) {
  std::map<std::string, std::size_t> counts;
  std::size_t flagged = 0;
  std::size_t cells = 0;
  for (const Row& row : view.rows) {
    for (const Cell& cell : row.cells) {
      ++cells;
      if (!cell.flags.empty()) ++flagged;
      for (const auto& [flag, rounds] : cell.flags) ++counts[flag];
    }
  }
  if (flagged == 0) return "";
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (const auto& [flag, count] : counts) parts.push_back(fmt::format("{} {}", flag, count));
  return fmt::format("Flagged: {} of {} ({}).", flagged, count_of(cells, "case"),
                     fmt::join(parts, ", "));
}

std::string above_peak_note(const TimedView& view) {
  for (const Row& row : view.rows) {
    for (const Cell& cell : row.cells) {
      if (cell.share_of_peak.value_or(0) > 1.0)
        return "A share above 100 % means that the measured peak is too low or the work is "
               "counted too high: see `ashlar machine`.";
    }
  }
  return "";
}

void add_note(Grid& grid, std::string note) {
  if (!note.empty()) grid.notes.push_back(std::move(note));
}

Grid time_grid(const Wide& wide, const std::vector<std::string>& names) {
  Footnotes footnotes;
  Grid grid = wide.grid("Time per execution", "(median)", names,
                        [&](const Cell& cell) { return short_time_cell(cell, footnotes); });
  for (std::string& line : footnotes.lines()) add_note(grid, std::move(line));
  add_note(grid, kPlusMinus);
  return grid;
}

Grid speedup_grid(const TimedView& view, const Wide& wide, const std::string& baseline,
                  const std::vector<std::string>& names) {
  Grid grid = wide.grid("Speed-up over " + baseline, fmt::format("(time of {} / time)", baseline),
                        names, [&](const Cell& cell) { return speedup_cell(cell, baseline); });
  if (view.rows.size() > 1) {
    std::vector<std::string> footer = wide.footer_start("geometric mean");
    for (const std::string& name : names) footer.push_back(mean_speedup(view, name, baseline));
    grid.footer.push_back(std::move(footer));
  }
  return grid;
}

std::string counts_text(const Cell& cell) {
  return cell.samples == 0 ? kNone : fmt::format("{} / {}", cell.rounds, cell.samples);
}

std::vector<std::string> long_cells(const Cell& cell, const std::vector<std::string>& baselines,
                                    Footnotes& footnotes) {
  std::vector<std::string> cells{cell.implementation, cell.tier, time_cell(cell, footnotes)};
  const bool ok = cell.ok();
  cells.push_back(ok && cell.flops_per_s ? rate_text(*cell.flops_per_s) : kNone);
  cells.push_back(ok && cell.share_of_peak ? percent_text(*cell.share_of_peak) : kNone);
  for (const std::string& baseline : baselines) cells.push_back(speedup_cell(cell, baseline));
  cells.push_back(memory_cell(cell));
  cells.push_back(counts_text(cell));
  return cells;
}

}  // namespace

std::vector<Grid> wide_grids(const TimedView& view, const TableOptions& options) {
  const Wide wide(view);
  const Shown shown = shown_columns(view);
  std::vector<Grid> grids;
  if (shows(options, Quantity::time)) {
    grids.push_back(time_grid(wide, shown.implementations));
    if (options.layout == Layout::wide) {
      add_note(grids.back(), samples_note(view));
      add_note(grids.back(), flags_note(view));
    }
  }
  const auto rated = wide.with([](const Cell& cell) { return cell.ok() && cell.flops_per_s; });
  if (shows(options, Quantity::rate) && !rated.empty()) {
    grids.push_back(
        wide.grid("GFLOP/s", "(share of the peak measured in this run)", rated, rate_cell));
    add_note(grids.back(), above_peak_note(view));
  }
  const auto moved = wide.with([](const Cell& cell) { return cell.ok() && cell.bytes_per_s; });
  if (shows(options, Quantity::bandwidth) && !moved.empty()) {
    const bool reads =
        !wide.with([](const Cell& cell) { return cell.share_of_reads.has_value(); }).empty();
    grids.push_back(wide.grid(
        "GB/s",
        reads ? "(shares of the bandwidth of copies and of that of reads measured in this run)"
              : "(share of the bandwidth of copies measured in this run)",
        moved, bandwidth_cell));
  }
  for (const std::string& baseline : view.declared.baselines) {
    const auto compared =
        wide.with([&](const Cell& cell) { return cell.over(baseline) != nullptr; });
    if (shows(options, Quantity::speedup) && !compared.empty())
      grids.push_back(speedup_grid(view, wide, baseline, compared));
  }
  const auto measured =
      wide.with([](const Cell& cell) { return cell.ok() && cell.peak_extra_bytes; });
  if (shows(options, Quantity::memory) && !measured.empty())
    grids.push_back(wide.grid("Peak memory beyond inputs and outputs", "", measured, memory_cell));
  if (!grids.empty()) add_note(grids.front(), shown.note);
  return grids;
}

Grid long_grid(const TimedView& view) {
  const std::vector<model::Point> points = points_of(view);
  const AxisColumns axes = axis_columns(view.declared, points);
  Grid grid;
  Footnotes footnotes;
  grid.columns = columns_of(axes, view.declared, points);
  for (const char* name : {"implementation", "tier"}) grid.columns.push_back({name, Align::left});
  for (const char* name : {"time (median)", "GFLOP/s", "of peak"})
    grid.columns.push_back({name, Align::right});
  for (const std::string& baseline : view.declared.baselines)
    grid.columns.push_back({"speed-up over " + baseline, Align::right});
  for (const char* name : {"extra memory", "rounds / samples"})
    grid.columns.push_back({name, Align::right});
  for (const Row& row : view.rows) {
    for (const Cell& cell : row.cells) {
      std::vector<std::string> cells = cells_of(axes, row.point);
      for (std::string& text : long_cells(cell, view.declared.baselines, footnotes))
        cells.push_back(std::move(text));
      grid.rows.push_back(std::move(cells));
    }
  }
  for (std::string& line : footnotes.lines()) add_note(grid, std::move(line));
  add_note(grid, kBrackets);
  add_note(grid, flags_note(view));
  add_note(grid, above_peak_note(view));
  return grid;
}

}  // namespace ashlar::report
