// Figures of studies: curves and metrics, medians with the range over seeds.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/page.hpp"
#include "harness/statistics/order.hpp"

namespace ashlar::report {

namespace {

constexpr std::size_t kMostMarks = 400;

/// One curve of one seed, ascending in x.
struct Track {
  std::vector<double> x;
  std::vector<double> y;

  /// Linear between the points, nothing outside them.
  std::optional<double> at(double where) const {
    if (x.empty() || where < x.front() || where > x.back()) return std::nullopt;
    const auto right =
        static_cast<std::size_t>(std::lower_bound(x.begin(), x.end(), where) - x.begin());
    if (x[right] == where || right == 0) return y[right];
    const double share = (where - x[right - 1]) / (x[right] - x[right - 1]);
    return y[right - 1] + share * (y[right] - y[right - 1]);
  }
};

const std::vector<double>* column(
    const std::vector<std::pair<std::string, std::vector<double>>>& columns,
    const std::string& name) {
  for (const auto& [known, values] : columns) {
    if (known == name) return &values;
  }
  return nullptr;
}

std::optional<Track> track_of(const record::StudyRecord& record, const FigureSpec& spec) {
  const auto curve = record.curves.find(spec.curve);
  if (record.status != record::Status::ok || curve == record.curves.end()) return std::nullopt;
  const auto* x = column(curve->second, spec.x);
  const auto* y = column(curve->second, spec.y);
  if (x == nullptr || y == nullptr) return std::nullopt;
  std::vector<std::pair<double, double>> pairs;
  for (std::size_t i = 0; i < std::min(x->size(), y->size()); ++i) {
    if (std::isfinite((*x)[i]) && std::isfinite((*y)[i])) pairs.emplace_back((*x)[i], (*y)[i]);
  }
  std::sort(pairs.begin(), pairs.end());
  Track track;
  for (const auto& [at, value] : pairs) {
    track.x.push_back(at);
    track.y.push_back(value);
  }
  return track;
}

/// Median and range over the seeds at every x that one of them has and at least half of them reach.
std::vector<Mark> bundle(const std::vector<Track>& tracks) {
  std::vector<double> xs;
  for (const Track& track : tracks) xs.insert(xs.end(), track.x.begin(), track.x.end());
  std::sort(xs.begin(), xs.end());
  xs.erase(std::unique(xs.begin(), xs.end()), xs.end());
  const std::size_t stride = xs.size() / kMostMarks + 1;
  std::vector<Mark> marks;
  for (std::size_t i = 0; i < xs.size();
       i = i + stride < xs.size() || i + 1 == xs.size() ? i + stride : xs.size() - 1) {
    std::vector<double> values;
    for (const Track& track : tracks) {
      if (const auto value = track.at(xs[i])) values.push_back(*value);
    }
    if (2 * values.size() < tracks.size() || values.empty()) continue;
    marks.push_back({xs[i], statistics::median(values),
                     *std::min_element(values.begin(), values.end()),
                     *std::max_element(values.begin(), values.end())});
  }
  return marks;
}

struct Span {
  double low = INFINITY;
  double high = -INFINITY;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// Positive throughout and wide enough for a logarithmic axis to help.
  bool wide(double factor) const { return low > 0 && high / low >= factor; }
};

/// What cannot stand on a logarithmic axis is cut off.
void clip(Page& page, bool log_x, bool log_y) {
  for (Panel& panel : page.panels) {
    for (Series& series : panel.series) {
      std::erase_if(series.marks, [&](const Mark& mark) {
        return (log_x && mark.x <= 0) || (log_y && mark.y <= 0);
      });
      for (Mark& mark : series.marks) {
        if (log_y && mark.low <= 0) mark.low = mark.y;
      }
    }
  }
}

void scale_x(Page& page, bool log, const std::string& title) {
  Span span;
  for (const Panel& panel : page.panels) {
    for (const Series& series : panel.series) {
      for (const Mark& mark : series.marks) span.add(mark.x);
    }
  }
  PlotAxis axis;
  axis.title = title;
  axis.log = log;
  axis.low = span.low;
  axis.high = span.high > span.low ? span.high : span.low + 1;
  axis.ticks = log ? log_ticks(axis.low, axis.high) : linear_ticks(axis.low, axis.high);
  for (Panel& panel : page.panels) panel.x = axis;
}

bool asked(const std::string& log, char axis, const Span& span, double factor) {
  return log.empty() ? span.wide(factor) : log.find(axis) != std::string::npos;
}

std::string metric_title(const Declared& declared, const std::string& name) {
  for (const Declared::Metric& metric : declared.metrics) {
    if (metric.name == name && !metric.unit.empty())
      return fmt::format("{} ({})", name, metric.unit);
  }
  return name;
}

/// Logarithmic where the span calls for it, or where the figure says so.
void scale(Page& page, const FigureSpec& spec, const Declared& declared) {
  Span x;
  Span y;
  for (const Panel& panel : page.panels) {
    for (const Series& series : panel.series) {
      for (const Mark& mark : series.marks) {
        x.add(mark.x);
        y.add(mark.y);
      }
    }
  }
  // A first x of zero (iteration 0) does not keep an axis from being logarithmic when asked for.
  const bool log_x = asked(spec.log, 'x', x, 100);
  const bool log_y = asked(spec.log, 'y', y, 30);
  clip(page, log_x, log_y);
  close_ranks(page);
  if (page.panels.empty()) return;
  scale_x(page, log_x, spec.x);
  scale_y(page, {metric_title(declared, spec.y), log_y, false, false});
}

Page start_page(const RunView& run, const StudyView& view, const FigureSpec& spec,
                const Spread& part) {
  Page page;
  page.file =
      fmt::format("{}-{}-{}{}", file_word(view.declared.suite), file_word(view.declared.experiment),
                  file_word(spec.name), part.file_suffix);
  page.title = spec.title.empty()
                   ? fmt::format("{} {}: {}", view.declared.suite, view.declared.experiment, spec.y)
                   : spec.title;
  if (!part.file_title.empty()) page.title += ", " + part.file_title;
  page.subtitle = subtitle_of(run);
  return page;
}

void add_seeds_note(Page& page, std::size_t fewest, std::size_t most) {
  if (most < 2) return;
  page.notes.push_back(
      fmt::format("Line: median, {}: range, over {} seeds.", page.bands ? "band" : "bars",
                  fewest == most ? std::to_string(most) : fmt::format("{} to {}", fewest, most)));
}

std::vector<Page> curve_pages(const RunView& run, const StudyView& view, const FigureSpec& spec) {
  const auto styles = styles_of(run, view.declared.suite);
  std::vector<Page> pages;
  for (const Spread& part : spread(points_of(view), "", spec.panels, view.declared)) {
    Page page = start_page(run, view, spec, part);
    page.bands = true;
    std::size_t fewest = SIZE_MAX;
    std::size_t most = 0;
    for (const Spread::Cell& place : part.panels) {
      Panel panel;
      panel.title = place.title;
      panel.row = place.row;
      panel.column = place.column;
      for (const std::string& name : view.implementations) {
        std::vector<Track> tracks;
        for (const std::size_t index : place.points) {
          const StudyCell* cell = view.rows[index].find(name);
          if (cell == nullptr) continue;
          for (const auto* record : cell->records) {
            if (auto track = track_of(*record, spec)) tracks.push_back(std::move(*track));
          }
        }
        if (tracks.empty()) continue;
        fewest = std::min(fewest, tracks.size());
        most = std::max(most, tracks.size());
        panel.series.push_back({name, styles.at(name), bundle(tracks)});
      }
      page.panels.push_back(std::move(panel));
    }
    scale(page, spec, view.declared);
    if (page.panels.empty()) continue;
    add_seeds_note(page, fewest, most);
    pages.push_back(std::move(page));
  }
  return pages;
}

std::vector<Page> metric_pages(const RunView& run, const StudyView& view, const FigureSpec& spec) {
  std::vector<model::Value> values;
  for (const StudyRow& row : view.rows) {
    const model::Value* value = row.point.find(spec.x);
    if (value == nullptr) {
      throw std::invalid_argument(fmt::format("figure '{}' of {} {}: no axis '{}'", spec.name,
                                              view.declared.suite, view.declared.experiment,
                                              spec.x));
    }
    if (std::find(values.begin(), values.end(), *value) == values.end()) values.push_back(*value);
  }
  const Abscissa abscissa(values, axis_title(view.declared, spec.x));
  const auto styles = styles_of(run, view.declared.suite);
  std::vector<Page> pages;
  for (const Spread& part : spread(points_of(view), spec.x, spec.panels, view.declared)) {
    Page page = start_page(run, view, spec, part);
    std::size_t fewest = SIZE_MAX;
    std::size_t most = 0;
    Span span;
    for (const Spread::Cell& place : part.panels) {
      Panel panel;
      panel.title = place.title;
      panel.row = place.row;
      panel.column = place.column;
      for (const std::string& name : view.implementations) {
        Series series{name, styles.at(name), {}};
        for (const std::size_t index : place.points) {
          const StudyCell* cell = view.rows[index].find(name);
          const auto found = cell == nullptr ? std::map<std::string, Measured>::const_iterator()
                                             : cell->metrics.find(spec.y);
          if (cell == nullptr || found == cell->metrics.end()) continue;
          const Measured& metric = found->second;
          if (!std::isfinite(metric.value)) continue;
          series.marks.push_back({abscissa.at(view.rows[index].point.at(spec.x)), metric.value,
                                  metric.low.value_or(metric.value),
                                  metric.high.value_or(metric.value)});
          span.add(metric.value);
          fewest = std::min(fewest, cell->seeds);
          most = std::max(most, cell->seeds);
        }
        std::sort(series.marks.begin(), series.marks.end(),
                  [](const Mark& a, const Mark& b) { return a.x < b.x; });
        if (!series.marks.empty()) panel.series.push_back(std::move(series));
      }
      page.panels.push_back(std::move(panel));
    }
    clip(page, false, asked(spec.log, 'y', span, 30));
    close_ranks(page);
    if (page.panels.empty()) continue;
    for (Panel& panel : page.panels) abscissa.apply(panel);
    scale_y(page,
            {metric_title(view.declared, spec.y), asked(spec.log, 'y', span, 30), false, false});
    add_seeds_note(page, fewest, most);
    pages.push_back(std::move(page));
  }
  return pages;
}

}  // namespace

std::vector<Page> study_pages(const RunView& run, const StudyView& view, const FigureSpec& spec) {
  FigureSpec full = spec;
  if (spec.kind == "curve") {
    if (full.curve.empty() && !spec.over.empty()) full.curve = spec.over[0];
    if (full.y.empty() && spec.over.size() > 1) full.y = spec.over[1];
    return curve_pages(run, view, full);
  }
  if (spec.kind == "metric") {
    if (full.y.empty() && !spec.over.empty()) full.y = spec.over[0];
    return metric_pages(run, view, full);
  }
  throw std::invalid_argument(fmt::format("figure '{}' of {} {}: unknown kind '{}'{}", spec.name,
                                          view.declared.suite, view.declared.experiment, spec.kind,
                                          model::suggestion(spec.kind, {"curve", "metric"})));
}

}  // namespace ashlar::report
