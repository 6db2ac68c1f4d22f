#include "harness/report/sheet.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/report/text_width.hpp"

namespace ashlar::report {

namespace {

constexpr double kMargin = 14;  // left and right of titles and notes
constexpr double kTop = 62;
constexpr double kPanelHeight = 210;
constexpr double kYTitle = 36;      // the title of the y axis, and air
constexpr double kTicks = 14;       // between the labels of the y axis and the axis
constexpr double kAxis = 56;        // below the last panel: tick labels and the title of the x axis
constexpr double kRowGap = 34;      // the title of a panel
constexpr double kTicksGap = 20;    // tick labels between rows
constexpr double kGap = 30;         // between panels with common labels
constexpr double kLegendGap = 18;   // right of the panels
constexpr double kLegendLine = 38;  // a line of the legend, before its name
constexpr double kBold = 1.15;      // how much wider bold letters are

}  // namespace

Sheet::Sheet(const Page& page) : page_(page) {
  measure_panels();
  measure_legend();
  legend_left_ = left_ + static_cast<double>(columns_) * (panel_width_ + gap_) - gap_ + kLegendGap;
  const double title = kBold * text_width(page.title, kTitlePoints * kPixelsPerPoint);
  width_ = std::ceil(std::max({legend_left_ + legend_width_ + kMargin, 2 * kMargin + title,
                               2 * kMargin + text_width(page.subtitle, kSmallText)}));
  for (const std::string& note : page.notes) {
    for (std::string& line : wrap_pixels(note, kSmallText, width_ - 2 * kMargin))
      notes_.push_back(std::move(line));
  }
  height_ = top_of(rows_) - row_gap_ + kAxis + kLine * static_cast<double>(notes_.size()) +
            (notes_.empty() ? 0 : 6);
  // A long legend beside few panels makes the page higher, not the legend shorter.
  height_ = std::ceil(std::max(height_, kTop + kLine * static_cast<double>(legend_lines_ + 2)));
}

void Sheet::measure_panels() {
  for (const Panel& panel : page_.panels) {
    rows_ = std::max(rows_, panel.row + 1);
    columns_ = std::max(columns_, panel.column + 1);
    if (!panel.title.empty()) first_title_ = 18;
  }
  panel_width_ = columns_ == 1 ? 420 : columns_ == 2 ? 300 : 240;
  panel_height_ = rows_ == 1 && columns_ == 1 ? 280 : kPanelHeight;
  const double labels = widest_y_label();
  left_ = kYTitle + labels + kTicks;
  gap_ = page_.shared_y ? kGap : kGap + labels;
  // Rows above the last need tick labels only where nothing stands below them.
  const bool holes = rows_ * columns_ != page_.panels.size();
  row_gap_ = kRowGap + (holes ? kTicksGap : 0);
}

void Sheet::measure_legend() {
  std::set<std::string> names;
  for (const Panel& panel : page_.panels) {
    for (const Series& series : panel.series) names.insert(series.name);
    for (const Guide& guide : panel.guides) names.insert(guide.name);
  }
  legend_lines_ = names.size();
  for (const std::string& name : names)
    legend_width_ = std::max(legend_width_, kLegendLine + text_width(name, kText));
}

double Sheet::widest_y_label() const {
  double widest = 0;
  for (const Panel& panel : page_.panels) {
    for (const Tick& tick : panel.y.ticks) widest = std::max(widest, text_width(tick.label, kText));
  }
  return widest;
}

double Sheet::left(const Panel& panel) const {
  return left_ + static_cast<double>(panel.column) * (panel_width_ + gap_);
}

double Sheet::top_of(std::size_t row) const {
  return kTop + first_title_ + static_cast<double>(row) * (panel_height_ + row_gap_);
}

std::vector<YTitle> Sheet::y_titles() const {
  std::vector<YTitle> titles;
  if (page_.panels.empty()) return titles;
  const std::string& text = page_.panels.front().y.title;
  if (text_width(text, kText) > panel_height_ + kRowGap / 2)
    return {{text, (top_of(0) + top_of(rows_) - row_gap_) / 2}};
  for (std::size_t row = 0; row < rows_; ++row)
    titles.push_back({text, top_of(row) + panel_height_ / 2});
  return titles;
}

double Sheet::notes_top() const { return height_ - kLine * static_cast<double>(notes_.size()) - 2; }

bool Sheet::lowest(const Panel& panel) const {
  return std::none_of(page_.panels.begin(), page_.panels.end(), [&](const Panel& other) {
    return other.column == panel.column && other.row > panel.row;
  });
}

}  // namespace ashlar::report
