// Where ticks stand and what they say.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/report/page.hpp"
#include "harness/report/units.hpp"

namespace ashlar::report {

namespace {

/// As a number where all decades are short ones, else as a power of ten with raised digits.
std::string decade_label(int exponent, bool powers) {
  if (!powers || exponent == 0) return number(std::pow(10.0, exponent));
  static constexpr const char* kRaised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string label = exponent < 0 ? "10⁻" : "10";
  for (const char digit : std::to_string(std::abs(exponent))) label += kRaised[digit - '0'];
  return label;
}

}  // namespace

std::vector<Tick> log_ticks(double low, double high) {
  std::vector<Tick> ticks;
  if (!(low > 0) || !(high > low)) return ticks;
  const double decades = std::log10(high / low);
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  const int step = std::max(1, static_cast<int>(std::ceil(decades / 7)));
  std::vector<double> within{1};
  if (decades < 3.2) within = {1, 3};
  if (decades < 1.6) within = {1, 2, 5};
  if (decades < 0.7) within = {1, 1.5, 2, 3, 4, 5, 6, 8};
  if (decades < 0.3) return linear_ticks(low, high);
  const bool powers = low < 0.9e-3 || high > 1.1e5;
  for (int exponent = first; exponent <= last; ++exponent) {
    if (exponent % step != 0) continue;
    for (const double factor : within) {
      const double at = factor * std::pow(10.0, exponent);
      if (at < low * (1 - 1e-9) || at > high * (1 + 1e-9)) continue;
      ticks.push_back({at, factor == 1 ? decade_label(exponent, powers) : number(at)});
    }
  }
  return ticks;
}

std::vector<Tick> linear_ticks(double low, double high) {
  std::vector<Tick> ticks;
  if (!(high > low) || !std::isfinite(high - low)) return ticks;
  const double raw = (high - low) / 5;
  const double size = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * size;
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * size >= raw * (1 - 1e-9)) {
      step = factor * size;
      break;
    }
  }
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) {
    const double at = k * step;
    ticks.push_back({at, number(std::abs(at) < step * 1e-6 ? 0 : at, 6)});
  }
  return ticks;
}

std::vector<Tick> byte_ticks(double low, double high) {
  std::vector<Tick> ticks;
  if (!(low > 0) || !(high > low)) return ticks;
  const double doublings = std::log2(high / low);
  const int step = doublings <= 6 ? 1 : doublings <= 12 ? 2 : doublings <= 28 ? 4 : 10;
  for (int power = 0; power < 60; power += step) {
    const double at = std::pow(2.0, power);
    if (at >= low && at <= high) ticks.push_back({at, bytes_text(at)});
  }
  return ticks;
}

Abscissa::Abscissa(const std::vector<model::Value>& values, const std::string& title)
    : values_(values) {
  axis_.title = title;
  numeric_ = std::all_of(values_.begin(), values_.end(),
                         [](const model::Value& value) { return value.is_number(); });
  if (numeric_) std::sort(values_.begin(), values_.end());
  const std::vector<std::string> labels = axis_labels(values_);
  for (std::size_t i = 0; i < values_.size(); ++i)
    axis_.ticks.push_back({at(values_[i]), labels[i]});
  if (values_.empty()) return;
  const double least = axis_.ticks.front().at;
  const double largest = axis_.ticks.back().at;
  axis_.log = numeric_ && least > 0 && largest / least >= 4;
  if (axis_.log) {
    const double margin = std::pow(largest / least, 0.05);
    axis_.low = least / margin;
    axis_.high = largest * margin;
  } else {
    const double margin = largest > least ? 0.06 * (largest - least) : std::max(1.0, largest * 0.5);
    axis_.low = least - (numeric_ ? margin : 0.5);
    axis_.high = largest + (numeric_ ? margin : 0.5);
  }
}

void Abscissa::apply(Panel& panel) const {
  panel.x = axis_;
  panel.connected = numeric_;
  if (numeric_) return;
  const double step = std::min(0.12, 0.6 / static_cast<double>(panel.series.size() + 1));
  const double middle = (static_cast<double>(panel.series.size()) - 1) / 2;
  for (std::size_t s = 0; s < panel.series.size(); ++s) {
    for (Mark& mark : panel.series[s].marks) mark.x += (static_cast<double>(s) - middle) * step;
  }
}

double Abscissa::at(const model::Value& value) const {
  if (numeric_) return value.number();
  const auto place = std::find(values_.begin(), values_.end(), value);
  return static_cast<double>(place - values_.begin()) + 1;
}

namespace {

struct Extent {
  double low = INFINITY;
  double high = -INFINITY;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void add(const Extent& other) {
    add(other.low);
    add(other.high);
  }
};

/// Of the data, and of the guides that want room.
Extent extent_of(const Panel& panel) {
  Extent extent;
  for (const Series& series : panel.series) {
    for (const Mark& mark : series.marks) {
      extent.add(mark.y);
      extent.add(mark.low);
      extent.add(mark.high);
    }
  }
  for (const Guide& guide : panel.guides) {
    if (!guide.room) continue;
    for (const auto& [x, y] : guide.points) extent.add(y);
  }
  return extent;
}

PlotAxis y_axis(Extent extent, const YScale& scale) {
  PlotAxis axis;
  axis.title = scale.title;
  axis.log = scale.log;
  if (scale.log) {
    const double margin = std::max(1.15, std::pow(extent.high / extent.low, 0.06));
    axis.low = extent.low / margin;
    axis.high = extent.high * margin;
    axis.ticks = scale.bytes ? byte_ticks(axis.low, axis.high) : log_ticks(axis.low, axis.high);
    return axis;
  }
  const double size =
      extent.high > extent.low ? extent.high - extent.low : std::max(std::abs(extent.high), 1e-12);
  axis.low = scale.from_zero && extent.low >= 0 ? 0 : extent.low - 0.06 * size;
  axis.high = extent.high + 0.06 * (scale.from_zero ? extent.high : size);
  if (axis.high <= axis.low) axis.high = axis.low + 1;
  axis.ticks = linear_ticks(axis.low, axis.high);
  return axis;
}

}  // namespace

void scale_y(Page& page, const YScale& scale) {
  Extent all;
  double least_top = INFINITY;
  for (const Panel& panel : page.panels) {
    const Extent extent = extent_of(panel);
    all.add(extent);
    least_top = std::min(least_top, extent.high);
  }
  // Linear panels of very different heights would be flat lines on one axis.
  page.shared_y = scale.log || all.high < 2.5 * least_top;
  for (Panel& panel : page.panels) panel.y = y_axis(page.shared_y ? all : extent_of(panel), scale);
}

}  // namespace ashlar::report
