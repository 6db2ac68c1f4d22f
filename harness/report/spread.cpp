// How points spread over files, panels and lines, and how lines look.
#include <algorithm>
#include <cctype>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/page.hpp"
#include "harness/report/text.hpp"

namespace ashlar::report {

namespace {

constexpr std::size_t kMostColumns = 4;

/// Values of an axis over the points, in declared order, then by size.
std::vector<model::Value> values_of(const std::vector<model::Point>& points,
                                    const std::string& axis, const Declared& declared) {
  std::vector<model::Value> values;
  for (const Declared::Axis& known : declared.axes) {
    if (known.name == axis) values = known.values;
  }
  std::set<model::Value> present;
  for (const model::Point& point : points) {
    if (const model::Value* value = point.find(axis)) present.insert(*value);
  }
  std::erase_if(values, [&](const model::Value& value) { return !present.contains(value); });
  for (const model::Value& value : present) {
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }
  return values;
}

std::size_t place_of(const std::vector<model::Value>& values, const model::Value* value) {
  if (value == nullptr) return 0;
  return static_cast<std::size_t>(std::find(values.begin(), values.end(), *value) - values.begin());
}

std::string title_of(const model::Point& point, const std::vector<std::string>& axes) {
  std::vector<std::string> parts;
  for (const std::string& axis : axes) {
    if (const model::Value* value = point.find(axis))
      parts.push_back(fmt::format("{} = {}", axis, value->text()));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// Panel axes that vary, in the order of the figure.
struct PanelAxes {
  std::vector<std::string> names;
  std::vector<std::vector<model::Value>> values;
};

Spread::Cell& panel_at(Spread& page, const model::Point& point, const PanelAxes& axes) {
  std::size_t column = axes.names.empty() ? 0 : place_of(axes.values[0], point.find(axes.names[0]));
  std::size_t row = axes.names.size() < 2 ? 0 : place_of(axes.values[1], point.find(axes.names[1]));
  if (axes.names.size() == 1) {
    // One axis alone fills lines of panels: four panels are two by two.
    const std::size_t count = axes.values[0].size();
    const std::size_t columns = count == 4 ? 2 : std::min<std::size_t>(count, 3);
    row = column / columns;
    column %= columns;
  }
  for (Spread::Cell& panel : page.panels) {
    if (panel.row == row && panel.column == column) return panel;
  }
  page.panels.push_back({title_of(point, axes.names), row, column, {}});
  return page.panels.back();
}

}  // namespace

std::vector<Spread> spread(const std::vector<model::Point>& points, const std::string& x,
                           const std::vector<std::string>& panels, const Declared& declared) {
  PanelAxes panel_axes;
  std::vector<std::string> file_axes;
  std::vector<std::string> others = panels;
  for (const model::Point& point : points) {
    for (const auto& [axis, value] : point.axes()) {
      if (axis != x && std::find(others.begin(), others.end(), axis) == others.end())
        others.push_back(axis);
    }
  }
  for (std::size_t i = 0; i < others.size(); ++i) {
    std::vector<model::Value> values = values_of(points, others[i], declared);
    if (values.size() < 2) continue;
    if (i < panels.size() && panel_axes.names.size() < 2 && values.size() <= 9) {
      panel_axes.names.push_back(others[i]);
      panel_axes.values.push_back(std::move(values));
    } else {
      file_axes.push_back(others[i]);
    }
  }
  std::vector<Spread> pages;
  for (std::size_t p = 0; p < points.size(); ++p) {
    std::string suffix;
    for (const std::string& axis : file_axes) {
      if (const model::Value* value = points[p].find(axis))
        suffix += fmt::format("-{}-{}", file_word(axis), file_word(value->text()));
    }
    auto page = std::find_if(pages.begin(), pages.end(),
                             [&](const Spread& known) { return known.file_suffix == suffix; });
    if (page == pages.end()) {
      pages.push_back({suffix, title_of(points[p], file_axes), {}});
      page = std::prev(pages.end());
    }
    panel_at(*page, points[p], panel_axes).points.push_back(p);
  }
  return pages;
}

void close_ranks(Page& page) {
  std::erase_if(page.panels, [](const Panel& panel) {
    return std::all_of(panel.series.begin(), panel.series.end(),
                       [](const Series& series) { return series.marks.empty(); });
  });
  std::stable_sort(page.panels.begin(), page.panels.end(), [](const Panel& a, const Panel& b) {
    return std::pair(a.row, a.column) < std::pair(b.row, b.column);
  });
  std::set<std::size_t> rows;
  std::set<std::size_t> columns;
  for (const Panel& panel : page.panels) {
    rows.insert(panel.row);
    columns.insert(panel.column);
  }
  const bool full = rows.size() * columns.size() == page.panels.size();
  const std::size_t width = std::min(std::max<std::size_t>(columns.size(), 1), kMostColumns);
  for (std::size_t i = 0; i < page.panels.size(); ++i) {
    Panel& panel = page.panels[i];
    if (full && columns.size() <= kMostColumns) {
      panel.row = static_cast<std::size_t>(std::distance(rows.begin(), rows.find(panel.row)));
      panel.column =
          static_cast<std::size_t>(std::distance(columns.begin(), columns.find(panel.column)));
    } else {
      panel.row = i / width;
      panel.column = i % width;
    }
  }
}

std::map<std::string, Style> styles_of(const RunView& run, const std::string& suite) {
  // Okabe and Ito (2008), without yellow, which is lost on white, then two of Tol's.
  static constexpr const char* kPalette[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                             "#E69F00", "#56B4E9", "#332288", "#882255"};
  static constexpr const char* kGreys[] = {"#7F7F7F", "#404040", "#A9A9A9"};
  static constexpr int kPoints[] = {7, 5, 9, 11, 13, 15, 6, 4, 8, 10, 12, 14};
  std::map<std::string, Style> styles;
  std::size_t coloured = 0;
  std::size_t grey = 0;
  const auto add = [&](const std::string& name, const std::string& tier) {
    if (styles.contains(name)) return;
    Style style;
    style.point = kPoints[styles.size() % std::size(kPoints)];
    std::size_t& used = tier == "naive" ? grey : coloured;
    const std::size_t size = tier == "naive" ? std::size(kGreys) : std::size(kPalette);
    style.colour = tier == "naive" ? kGreys[used % size] : kPalette[used % size];
    // A palette used up starts again with other dashes.
    style.dash = static_cast<int>(1 + used / size % 4);
    ++used;
    styles[name] = style;
  };
  if (run.run != nullptr && run.run->experiments.is_array()) {
    for (const model::Json& json : run.run->experiments) {
      if (json.value("suite", "") != suite || !json.contains("implementations")) continue;
      for (const model::Json& one : json["implementations"])
        add(one.value("name", ""), one.value("tier", ""));
    }
  }
  for (const TimedView& timed : run.timed) {
    if (timed.declared.suite != suite) continue;
    for (const std::string& name : timed.implementations) add(name, "");
  }
  for (const StudyView& study : run.studies) {
    if (study.declared.suite != suite) continue;
    for (const std::string& name : study.implementations) add(name, "");
  }
  return styles;
}

std::string axis_title(const Declared& declared, const std::string& axis) {
  for (const Declared::Axis& known : declared.axes) {
    if (known.name == axis && !known.unit.empty()) return fmt::format("{} ({})", axis, known.unit);
  }
  return axis;
}

std::string subtitle_of(const RunView& run) {
  std::string text = machine_text(run) + " · run " + run.run_id;
  if (run.run != nullptr && run.run->started.size() >= 10)
    text += " · " + run.run->started.substr(0, 10);
  return text;
}

std::string file_word(const std::string& text) {
  std::string word;
  for (const char letter : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '.' ||
                       letter == '_' || letter == '-';
    word += plain ? letter : '-';
  }
  return word;
}

}  // namespace ashlar::report
