// Lines that are no measurements: what the machine can do, and how things grow.
#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "harness/report/timed_parts.hpp"

namespace ashlar::report {

namespace {

/// Of one device and precision in one panel, in GFLOP/s.
struct Roofline {
  double peak = 0;
  std::map<double, double> limits;  // x -> the smaller of peak and bandwidth times intensity
  bool bends() const {
    return std::any_of(limits.begin(), limits.end(),
                       [&](const auto& limit) { return limit.second < peak; });
  }
};
using Rooflines = std::map<std::string, Roofline>;  // by "cpu f32"

/// Implementations with fewer threads have lower limits: the highest is the roof.
Rooflines rooflines_of(const std::vector<const Row*>& rows, const Roof& roof,
                       const Abscissa& abscissa, const std::string& axis) {
  Rooflines found;
  for (const Row* row : rows) {
    for (const Cell& cell : row->cells) {
      const record::CaseRecord& first = *cell.records.front();
      if (!cell.ok() || !first.work) continue;
      const auto peak = roof.peak(cell.device, first.work->precision, first.threads);
      if (!peak) continue;
      double limit = *peak;
      const auto bandwidth = roof.bandwidth(cell.device, first.threads);
      if (bandwidth && first.work->bytes > 0)
        limit = std::min(limit, *bandwidth * first.work->flops / first.work->bytes);
      Roofline& line = found[fmt::format("{} {}", cell.device, first.work->precision)];
      line.peak = std::max(line.peak, *peak / 1e9);
      double& highest = line.limits[abscissa.at(row->point.at(axis))];
      highest = std::max(highest, limit / 1e9);
    }
  }
  return found;
}

double highest_mark(const Page& page) {
  double highest = 0;
  for (const Panel& panel : page.panels) {
    for (const Series& series : panel.series) {
      for (const Mark& mark : series.marks) highest = std::max(highest, mark.y);
    }
  }
  return highest;
}

/// To the edges of the panel where it is level there.
std::vector<std::pair<double, double>> line_of(const Roofline& roof, const PlotAxis& x) {
  std::vector<std::pair<double, double>> points(roof.limits.begin(), roof.limits.end());
  if (points.front().second == roof.peak) points.insert(points.begin(), {x.low, roof.peak});
  if (points.back().second == roof.peak) points.emplace_back(x.high, roof.peak);
  return points;
}

void add_note(Page& page, const std::string& note) {
  if (std::find(page.notes.begin(), page.notes.end(), note) == page.notes.end())
    page.notes.push_back(note);
}

}  // namespace

void add_roofs(Page& page, const std::vector<std::vector<const Row*>>& rows, const Roof& roof,
               const Abscissa& abscissa, const std::string& x) {
  std::vector<Rooflines> panels;
  std::set<std::string> names;
  bool several = false;
  bool bends = false;
  for (const auto& points : rows) {
    panels.push_back(rooflines_of(points, roof, abscissa, x));
    several = several || panels.back().size() > 1;
    for (const auto& [name, line] : panels.back()) {
      names.insert(name);
      bends = bends || line.bends();
    }
  }
  constexpr Guide::Look kLooks[] = {Guide::Look::dashed, Guide::Look::dash_dotted,
                                    Guide::Look::dotted, Guide::Look::solid};
  const std::string what = bends ? "measured roofline" : "measured peak";
  const double highest = highest_mark(page);
  for (std::size_t p = 0; p < panels.size(); ++p) {
    if (page.panels[p].series.empty()) continue;
    for (const auto& [name, line] : panels[p]) {
      std::vector<std::pair<double, double>> points = line_of(line, page.panels[p].x);
      const auto [low, high] =
          std::minmax_element(points.begin(), points.end(),
                              [](const auto& a, const auto& b) { return a.second < b.second; });
      // A roof far above everything would press the lines to the ground.
      const double most = 3 * highest;
      if (low->second > most) {
        add_note(page, fmt::format("Above the axis: measured peak, {}: {} GFLOP/s.", name,
                                   number(line.peak)));
        continue;
      }
      const bool room = high->second <= most;
      const auto place = static_cast<std::size_t>(std::distance(names.begin(), names.find(name)));
      page.panels[p].guides.push_back({several ? fmt::format("{}, {}", what, name) : what,
                                       several ? kLooks[place % std::size(kLooks)] : kLooks[0],
                                       std::move(points), room});
    }
  }
  if (bends)
    add_note(page, "Measured roofline: the smaller of peak and bandwidth times FLOP per byte.");
}

void add_slopes(Page& page, const std::string& axis) {
  for (Panel& panel : page.panels) {
    if (!panel.x.log || !panel.y.log || panel.series.empty()) continue;
    double from = INFINITY;
    for (const Series& series : panel.series) from = std::min(from, series.marks.front().x);
    double low = INFINITY;
    double high = 0;
    for (const Series& series : panel.series) {
      if (series.marks.front().x > from) continue;
      low = std::min(low, series.marks.front().y);
      high = std::max(high, series.marks.front().y);
    }
    const double start = std::sqrt(low * high);
    const auto slope = [&](const std::string& name, Guide::Look look, double exponent) {
      double x = panel.x.high;
      double y = start * std::pow(x / panel.x.low, exponent);
      if (y > panel.y.high) {
        y = panel.y.high;
        x = panel.x.low * std::pow(y / start, 1 / exponent);
      }
      panel.guides.push_back({name, look, {{panel.x.low, start}, {x, y}}, false});
    };
    slope("∝ " + axis, Guide::Look::dotted, 1);
    slope("∝ " + axis + "²", Guide::Look::dash_dotted, 2);
  }
}

}  // namespace ashlar::report
