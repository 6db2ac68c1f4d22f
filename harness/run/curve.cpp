#include "harness/run/curve.hpp"

#include <cmath>
#include <limits>
#include <set>

namespace ashlar::run {

namespace {

/// Rows where the column first falls below a power of ten that everything before it stayed above.
void add_crossings(const std::vector<double>& column, std::set<std::size_t>& rows) {
  double lowest_exponent = std::numeric_limits<double>::infinity();
  for (std::size_t row = 0; row < column.size(); ++row) {
    if (!(column[row] > 0)) continue;
    const double exponent = std::floor(std::log10(column[row]));
    if (exponent < lowest_exponent) rows.insert(row);
    lowest_exponent = std::min(lowest_exponent, exponent);
  }
}

}  // namespace

model::Curve thinned(const model::Curve& curve) {
  if (curve.columns.empty()) return curve;
  const std::size_t count = curve.columns.front().second.size();
  if (count <= kMostCurvePoints) return curve;
  std::set<std::size_t> rows;
  const double ratio =
      std::log(static_cast<double>(count)) / static_cast<double>(kMostCurvePoints - 1);
  for (std::size_t i = 0; i < kMostCurvePoints; ++i) {
    const auto number = std::llround(std::exp(ratio * static_cast<double>(i)));
    rows.insert(std::min(static_cast<std::size_t>(number), count) - 1);
  }
  for (std::size_t c = 1; c < curve.columns.size(); ++c)
    add_crossings(curve.columns[c].second, rows);
  model::Curve kept{curve.name, {}};
  for (const auto& [name, values] : curve.columns) {
    std::vector<double> some;
    for (const std::size_t row : rows) some.push_back(values[row]);
    kept.columns.emplace_back(name, std::move(some));
  }
  return kept;
}

}  // namespace ashlar::run
