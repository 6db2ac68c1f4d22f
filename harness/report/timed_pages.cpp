// Figures of timed experiments: time, rate, speed-up and memory over one axis.
#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/holes.hpp"
#include "harness/report/text.hpp"
#include "harness/report/timed_parts.hpp"

namespace ashlar::report {

namespace {

/// What a kind of figure draws of a cell, in the unit of its axis.
struct Drawn {
  YScale scale;
  std::string what;  // for the title when the figure has none
  std::function<std::optional<Measured>(const Cell&)> of;
  std::string baseline = {};  // of speed-ups
};

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

Drawn drawn_time(const TimedView& view) {
  const TimeUnit unit = unit_for(view);
  return {{fmt::format("time ({})", unit.name), true, false, false},
          "time per execution",
          [unit](const Cell& cell) -> std::optional<Measured> {
            return scaled(*cell.time_ns, 1 / unit.ns);
          }};
}

Drawn drawn_rate() {
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

Drawn drawn_speedup(const std::string& baseline) {
  return {{fmt::format("speed-up over {}", baseline), true, false, false},
          fmt::format("speed-up over {}", baseline),
          [baseline](const Cell& cell) -> std::optional<Measured> {
            const Ratio* ratio = cell.over(baseline);
            return ratio == nullptr ? std::nullopt : std::optional(ratio->value);
          },
          baseline};
}

Drawn drawn_memory() {
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

struct Builder {
  const RunView& run;
  const TimedView& view;
  const FigureSpec& spec;
  const Abscissa& abscissa;
  const Drawn& quantity;
  const std::map<std::string, Style>& styles;

  Panel panel(const Spread::Cell& place, Holes& holes) const {
    Panel panel;
    panel.title = place.title;
    panel.row = place.row;
    panel.column = place.column;
    const std::vector<const Row*> rows = comparable(place, holes);
    for (const std::string& name : view.implementations) {
      Series series{name, styles.at(name), {}};
      for (const Row* row : rows) {
        if (const Cell* cell = row->find(name)) add_mark(series, row->point, *cell, holes);
      }
      std::sort(series.marks.begin(), series.marks.end(),
                [](const Mark& a, const Mark& b) { return a.x < b.x; });
      if (!series.marks.empty()) panel.series.push_back(std::move(series));
    }
    abscissa.apply(panel);
    return panel;
  }

  /// The rows of a panel; of a speed-up those where the baseline has a time.
  std::vector<const Row*> comparable(const Spread::Cell& place, Holes& holes) const {
    std::vector<const Row*> rows;
    for (const std::size_t index : place.points) {
      const Row& row = view.rows[index];
      const Cell* over = row.find(quantity.baseline);
      if (quantity.baseline.empty() || (over != nullptr && over->ok())) {
        holes.comparable();
        rows.push_back(&row);
      } else {
        holes.incomparable();
      }
    }
    return rows;
  }

  void add_mark(Series& series, const model::Point& point, const Cell& cell, Holes& holes) const {
    if (cell.implementation == quantity.baseline) return;
    holes.point(cell.implementation);
    if (!cell.ok()) {
      holes.add(cell.implementation, word_of(cell.status), cell.reason);
      return;
    }
    const std::optional<Measured> measured = quantity.of(cell);
    if (!measured) return;
    if (!std::isfinite(measured->value)) {
      holes.add(cell.implementation, "not a number", "");
    } else if (quantity.scale.log && measured->value <= 0) {
      holes.add(cell.implementation, "zero", "");
    } else {
      series.marks.push_back(mark_of(abscissa.at(point.at(spec.x)), *measured));
    }
  }
};

void add_equal_speed(Page& page) {
  for (Panel& panel : page.panels) {
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
    std::vector<std::vector<const Row*>> rows;
    for (const Spread::Cell& place : part.panels) {
      page.panels.push_back(builder.panel(place, holes));
      rows.emplace_back();
      for (const std::size_t index : place.points) rows.back().push_back(&builder.view.rows[index]);
    }
    const std::string& kind = builder.spec.kind;
    if (kind == "rate") add_roofs(page, rows, builder.run.roof, builder.abscissa, builder.spec.x);
    if (kind == "speedup") add_equal_speed(page);
    close_ranks(page);
    if (page.panels.empty()) continue;
    const std::string note = holes.text(builder.view.implementations, builder.quantity.baseline);
    if (!note.empty()) page.notes.push_back(note);
    scale_y(page, builder.quantity.scale);
    if (kind == "memory") add_slopes(page, builder.spec.x);
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
  const auto add = [&](const Drawn& quantity, const std::string& name) {
    add_pages({run, view, spec, abscissa, quantity, styles}, name, pages);
  };
  if (spec.kind == "time") {
    add(drawn_time(view), spec.name);
  } else if (spec.kind == "rate") {
    add(drawn_rate(), spec.name);
  } else if (spec.kind == "memory") {
    add(drawn_memory(), spec.name);
  } else if (spec.kind == "speedup") {
    const auto& baselines = spec.over.empty() ? view.declared.baselines : spec.over;
    for (const std::string& baseline : baselines)
      add(drawn_speedup(baseline),
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
