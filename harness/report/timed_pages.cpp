// Figures of timed experiments: time, rate, speed-up and memory over one axis.
#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/page.hpp"
#include "harness/report/text.hpp"

namespace ashlar::report {

namespace {

/// What a kind of figure draws of a cell, in the unit of its axis.
struct Quantity {
  YScale scale;
  std::string what;  // for the title when the figure has none
  std::function<std::optional<Measured>(const Cell&)> of;
  std::string baseline = {};  // of speed-ups
};

std::vector<model::Point> points_of(const TimedView& view) {
  std::vector<model::Point> points;
  for (const Row& row : view.rows) points.push_back(row.point);
  return points;
}

Measured scaled(Measured measured, double factor) {
  measured.value *= factor;
  if (measured.low) *measured.low *= factor;
  if (measured.high) *measured.high *= factor;
  return measured;
}

struct TimeUnit {
  double ns = 1;
  const char* name = "ns";
};

/// The unit that suits the middle of the times.
TimeUnit unit_for(const TimedView& view) {
  double sum = 0;
  int count = 0;
  for (const Row& row : view.rows) {
    for (const Cell& cell : row.cells) {
      if (!cell.ok() || cell.time_ns->value <= 0) continue;
      sum += std::log10(cell.time_ns->value);
      ++count;
    }
  }
  const double middle = count == 0 ? 0 : sum / count;
  if (middle >= 9) return {1e9, "s"};
  if (middle >= 5.5) return {1e6, "ms"};
  if (middle >= 3) return {1e3, "µs"};
  return {};
}

Quantity time_quantity(const TimedView& view) {
  const TimeUnit unit = unit_for(view);
  return {{fmt::format("time ({})", unit.name), true, false, false},
          "time per execution",
          [unit](const Cell& cell) -> std::optional<Measured> {
            return scaled(*cell.time_ns, 1 / unit.ns);
          }};
}

Quantity rate_quantity() {
  return {{"rate (GFLOP/s)", false, true, false},
          "arithmetic rate",
          [](const Cell& cell) -> std::optional<Measured> {
            if (!cell.flops_per_s) return std::nullopt;
            const double flops = cell.records.front()->work->flops;
            Measured rate{*cell.flops_per_s / 1e9, {}, {}, true};
            // FLOP per nanosecond are GFLOP per second; the slowest time is the lowest rate.
            if (cell.time_ns->low && cell.time_ns->high) {
              rate.low = flops / *cell.time_ns->high;
              rate.high = flops / *cell.time_ns->low;
            }
            return rate;
          }};
}

Quantity speedup_quantity(const std::string& baseline) {
  return {{fmt::format("speed-up over {}", baseline), true, false, false},
          fmt::format("speed-up over {}", baseline),
          [baseline](const Cell& cell) -> std::optional<Measured> {
            const Ratio* ratio = cell.over(baseline);
            return ratio == nullptr ? std::nullopt : std::optional(ratio->value);
          },
          baseline};
}

Quantity memory_quantity() {
  return {{"peak extra memory", true, false, true},
          "peak memory beyond inputs and outputs",
          [](const Cell& cell) -> std::optional<Measured> {
            if (!cell.peak_extra_bytes) return std::nullopt;
            return Measured{*cell.peak_extra_bytes, {}, {}, true};
          }};
}

Mark mark_of(double x, const Measured& measured) {
  return {x, measured.value, measured.low.value_or(measured.value),
          measured.high.value_or(measured.value)};
}

/// Cells that a line lacks, for the note below the panels.
class Holes {
 public:
  void add(const Cell& cell, const std::string& why) { ++counts_[{cell.implementation, why}]; }
  void point(const std::string& implementation) { ++points_[implementation]; }
  std::string text() const {
    std::vector<std::string> parts;
    for (const auto& [key, count] : counts_) {
      const std::size_t points = points_.at(key.first);
      parts.push_back(fmt::format(
          "{} {} at {}", key.first, key.second,
          count == points ? std::string("every point") : fmt::format("{} of {}", count, points)));
    }
    if (parts.empty()) return "";
    return fmt::format("Not drawn: {}.", fmt::join(parts, "; "));
  }

 private:
  std::map<std::pair<std::string, std::string>, std::size_t> counts_;
  std::map<std::string, std::size_t> points_;
};

struct Builder {
  const RunView& run;
  const TimedView& view;
  const FigureSpec& spec;
  const Abscissa& abscissa;
  const Quantity& quantity;
  const std::map<std::string, Style>& styles;

  Panel panel(const Spread::Cell& place, Holes& holes) const {
    Panel panel;
    panel.title = place.title;
    panel.row = place.row;
    panel.column = place.column;
    for (const std::string& name : view.implementations) {
      Series series{name, styles.at(name), {}};
      for (const std::size_t index : place.points) {
        const Row& row = view.rows[index];
        if (const Cell* cell = row.find(name)) add_mark(series, row.point, *cell, holes);
      }
      std::sort(series.marks.begin(), series.marks.end(),
                [](const Mark& a, const Mark& b) { return a.x < b.x; });
      if (!series.marks.empty()) panel.series.push_back(std::move(series));
    }
    abscissa.apply(panel);
    return panel;
  }

  void add_mark(Series& series, const model::Point& point, const Cell& cell, Holes& holes) const {
    if (cell.implementation == quantity.baseline) return;
    holes.point(cell.implementation);
    if (!cell.ok()) {
      holes.add(cell, word_of(cell.status));
      return;
    }
    const std::optional<Measured> measured = quantity.of(cell);
    if (!measured && !quantity.baseline.empty())
      holes.add(cell, "without a time of " + quantity.baseline);
    if (!measured) return;
    if (!std::isfinite(measured->value)) {
      holes.add(cell, "not a number");
    } else if (quantity.scale.log && measured->value <= 0) {
      holes.add(cell, "zero");
    } else {
      series.marks.push_back(mark_of(abscissa.at(point.at(spec.x)), *measured));
    }
  }
};

/// The measured peak of each precision and device of the panel, and the roof of the memory where it
/// is lower.
void add_roofs(Panel& panel, const Spread::Cell& place, const Builder& builder,
               std::vector<std::string>& notes) {
  struct Roofline {
    double peak = 0;
    std::vector<std::pair<double, double>> points;
    bool bites = false;
  };
  std::map<std::string, Roofline> roofs;
  double highest = 0;
  for (const Series& series : panel.series) {
    for (const Mark& mark : series.marks) highest = std::max(highest, mark.y);
  }
  for (const std::size_t index : place.points) {
    const Row& row = builder.view.rows[index];
    for (const Cell& cell : row.cells) {
      const auto& first = *cell.records.front();
      if (!cell.ok() || !first.work) continue;
      const auto peak = builder.run.roof.peak(cell.device, first.work->precision, first.threads);
      if (!peak) continue;
      Roofline& roof = roofs[fmt::format("{} {}", cell.device, first.work->precision)];
      roof.peak = std::max(roof.peak, *peak / 1e9);
      const double x = builder.abscissa.at(row.point.at(builder.spec.x));
      const auto bandwidth = builder.run.roof.bandwidth(cell.device, first.threads);
      if (!bandwidth || first.work->bytes <= 0) continue;
      const double memory = *bandwidth * first.work->flops / first.work->bytes / 1e9;
      if (memory < *peak / 1e9) roof.bites = true;
      const std::pair point(x, std::min(memory, *peak / 1e9));
      if (std::find(roof.points.begin(), roof.points.end(), point) == roof.points.end())
        roof.points.push_back(point);
    }
  }
  for (auto& [name, roof] : roofs) {
    // A roof far above everything would press the lines to the ground.
    if (roof.peak <= 3 * highest) {
      panel.guides.push_back({fmt::format("measured peak, {}", name),
                              Guide::Look::dashed,
                              {{panel.x.low, roof.peak}, {panel.x.high, roof.peak}}});
    } else {
      std::string note =
          fmt::format("Above the axis: measured peak, {}: {} GFLOP/s.", name, number(roof.peak));
      if (std::find(notes.begin(), notes.end(), note) == notes.end())
        notes.push_back(std::move(note));
    }
    if (!roof.bites) continue;
    std::sort(roof.points.begin(), roof.points.end());
    panel.guides.push_back(
        {fmt::format("memory roof, {}", name), Guide::Look::dotted, std::move(roof.points)});
  }
}

/// Thin lines of slope one below all marks and of slope two above them.
void add_slopes(Panel& panel, const std::string& axis) {
  if (!panel.x.log || panel.series.empty()) return;
  double low = INFINITY;
  double high = 0;
  const double from = panel.x.ticks.front().at;
  const double to = panel.x.ticks.back().at;
  for (const Series& series : panel.series) {
    for (const Mark& mark : series.marks) {
      low = std::min(low, mark.y * from / mark.x);
      high = std::max(high, mark.y * (from / mark.x) * (from / mark.x));
    }
  }
  const auto slope = [&](const std::string& name, Guide::Look look, double start, double exponent) {
    panel.guides.push_back(
        {name, look, {{from, start}, {to, start * std::pow(to / from, exponent)}}});
  };
  slope("∝ " + axis, Guide::Look::dotted, low * 0.75, 1);
  slope("∝ " + axis + "²", Guide::Look::dash_dotted, high * 1.5, 2);
}

void add_guides(Panel& panel, const Spread::Cell& place, const Builder& builder,
                std::vector<std::string>& notes) {
  if (builder.spec.kind == "rate") add_roofs(panel, place, builder, notes);
  if (builder.spec.kind == "memory") add_slopes(panel, builder.spec.x);
  if (builder.spec.kind == "speedup") {
    panel.guides.push_back(
        {"equal speed", Guide::Look::solid, {{panel.x.low, 1}, {panel.x.high, 1}}});
  }
}

void add_pages(const Builder& builder, const std::string& name, std::vector<Page>& pages) {
  const Declared& declared = builder.view.declared;
  for (const Spread& part :
       spread(points_of(builder.view), builder.spec.x, builder.spec.panels, declared)) {
    Page page;
    page.file = fmt::format("{}-{}-{}{}", file_word(declared.suite), file_word(declared.experiment),
                            file_word(name), part.file_suffix);
    page.title =
        builder.spec.title.empty()
            ? fmt::format("{} {}: {}", declared.suite, declared.experiment, builder.quantity.what)
            : builder.spec.title;
    if (!part.file_title.empty()) page.title += ", " + part.file_title;
    page.subtitle = subtitle_of(builder.run);
    Holes holes;
    for (const Spread::Cell& place : part.panels) {
      page.panels.push_back(builder.panel(place, holes));
      if (!page.panels.back().series.empty())
        add_guides(page.panels.back(), place, builder, page.notes);
    }
    close_ranks(page);
    if (page.panels.empty()) continue;
    if (std::string note = holes.text(); !note.empty()) page.notes.push_back(std::move(note));
    scale_y(page, builder.quantity.scale);
    pages.push_back(std::move(page));
  }
}

}  // namespace

std::vector<Page> timed_pages(const RunView& run, const TimedView& view, const FigureSpec& spec) {
  std::vector<model::Value> values;
  for (const Row& row : view.rows) {
    const model::Value* value = row.point.find(spec.x);
    if (value == nullptr) {
      throw std::invalid_argument(fmt::format("figure '{}' of {} {}: no axis '{}'", spec.name,
                                              view.declared.suite, view.declared.experiment,
                                              spec.x));
    }
    if (std::find(values.begin(), values.end(), *value) == values.end()) values.push_back(*value);
  }
  const Abscissa abscissa(values, axis_title(view.declared, spec.x));
  const std::map<std::string, Style> styles = styles_of(run, view.declared.suite);
  std::vector<Page> pages;
  const auto add = [&](const Quantity& quantity, const std::string& name) {
    add_pages({run, view, spec, abscissa, quantity, styles}, name, pages);
  };
  if (spec.kind == "time") {
    add(time_quantity(view), spec.name);
  } else if (spec.kind == "rate") {
    add(rate_quantity(), spec.name);
  } else if (spec.kind == "memory") {
    add(memory_quantity(), spec.name);
  } else if (spec.kind == "speedup") {
    const auto& baselines = spec.over.empty() ? view.declared.baselines : spec.over;
    for (const std::string& baseline : baselines)
      add(speedup_quantity(baseline),
          baselines.size() == 1 ? spec.name : spec.name + "-over-" + baseline);
  } else {
    throw std::invalid_argument(fmt::format(
        "figure '{}' of {} {}: unknown kind '{}'{}", spec.name, view.declared.suite,
        view.declared.experiment, spec.kind,
        model::suggestion(spec.kind, {"time", "rate", "speedup", "memory", "curve", "metric"})));
  }
  return pages;
}

}  // namespace ashlar::report
