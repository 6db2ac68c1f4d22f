#include "harness/report/units.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace ashlar::report {

namespace {

struct Unit {
  double size;
  const char* name;
};

/// The largest unit that leaves at least one before the decimal point; the first when none does.
template <std::size_t Count>
Unit pick(double value, const std::array<Unit, Count>& units) {
  Unit chosen = units.front();
  for (const Unit& unit : units) {
    if (std::abs(value) >= unit.size) chosen = unit;
  }
  return chosen;
}

/// Decimals that give `value` so many significant digits.
int decimals_for(double value, int significant) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const int leading = static_cast<int>(std::floor(std::log10(std::abs(value)))) + 1;
  return std::max(0, significant - leading);
}

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return number(value);
  return fmt::format("{:.{}f}", value, decimals);
}

std::string bracketed(const std::string& low, const std::string& high, bool covers) {
  return fmt::format(" {}{}, {}{}", covers ? '[' : '(', low, high, covers ? ']' : ')');
}

std::string measured_text(const Measured& quantity, double scale, const std::string& unit,
                          int significant) {
  const double value = quantity.value / scale;
  const int decimals = decimals_for(value, significant);
  std::string text = fixed(value, decimals) + unit;
  if (quantity.low && quantity.high) {
    text += bracketed(fixed(*quantity.low / scale, decimals),
                      fixed(*quantity.high / scale, decimals), quantity.covers);
  }
  return text;
}

bool multiples(const std::vector<model::Value>& values, std::int64_t thousand) {
  return std::all_of(values.begin(), values.end(), [&](const model::Value& value) {
    return value.is_integer() && (value.as_integer() < 1000 || value.as_integer() % thousand == 0);
  });
}

}  // namespace

std::string number(double value, int significant) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size < 1e-4 || size >= 1e7) return fmt::format("{:.{}g}", value, significant);
  std::string text = fixed(value, decimals_for(value, significant));
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

std::string time_text(const Measured& nanoseconds) {
  static constexpr std::array<Unit, 4> kUnits = {
      {{1, " ns"}, {1e3, " µs"}, {1e6, " ms"}, {1e9, " s"}}};
  if (!std::isfinite(nanoseconds.value)) return number(nanoseconds.value);
  const Unit unit = pick(nanoseconds.value, kUnits);
  return measured_text(nanoseconds, unit.size, unit.name, 4);
}

std::string short_time_text(const Measured& nanoseconds) {
  std::string text = time_text({nanoseconds.value, {}, {}, true});
  if (!nanoseconds.low || !nanoseconds.high || nanoseconds.value == 0) return text;
  const double half =
      std::max(*nanoseconds.high - nanoseconds.value, nanoseconds.value - *nanoseconds.low);
  const std::string spread = "±" + percent_text(half / nanoseconds.value);
  return text + (nanoseconds.covers ? " " + spread : " (" + spread + ")");
}

std::string rate_text(double flops_per_s) {
  const double rate = flops_per_s / 1e9;
  return rate < 1e6 ? fixed(rate, decimals_for(rate, 4)) : number(rate);
}

std::string ratio_text(const Measured& ratio) { return measured_text(ratio, 1, "x", 3); }

std::string plain_text(const Measured& quantity) {
  const double size = std::abs(quantity.value);
  if (std::isfinite(size) && (size == 0 || (size >= 1e-3 && size < 1e7)))
    return measured_text(quantity, 1, "", 4);
  std::string text = number(quantity.value);
  if (quantity.low && quantity.high)
    text += bracketed(number(*quantity.low), number(*quantity.high), quantity.covers);
  return text;
}

std::string bytes_text(double bytes) {
  static constexpr std::array<Unit, 4> kUnits = {
      {{1, " B"}, {1024.0, " KiB"}, {1048576.0, " MiB"}, {1073741824.0, " GiB"}}};
  const Unit unit = pick(bytes, kUnits);
  return number(bytes / unit.size, 3) + unit.name;
}

std::string percent_text(double share) {
  if (!std::isfinite(share)) return number(share);
  const double size = std::abs(share);
  if (size > 0 && size < 0.0005) return fmt::format("{} %", number(share * 100, 1));
  return fmt::format("{:.1f} %", share * 100);
}

std::vector<std::string> axis_labels(const std::vector<model::Value>& values) {
  std::int64_t thousand = 0;
  if (multiples(values, 1024)) {
    thousand = 1024;
  } else if (multiples(values, 1000)) {
    thousand = 1000;
  }
  std::vector<std::string> labels;
  for (const model::Value& value : values) {
    if (thousand == 0 || value.as_integer() < thousand) {
      labels.push_back(value.text());
      continue;
    }
    const std::int64_t millions = thousand * thousand;
    const std::int64_t size = value.as_integer();
    labels.push_back(size % millions == 0 ? fmt::format("{}M", size / millions)
                                          : fmt::format("{}k", size / thousand));
  }
  return labels;
}

}  // namespace ashlar::report
