#pragma once
// Numbers with units, as people read them.
#include <optional>
#include <string>
#include <vector>

#include "harness/model/value.hpp"

namespace ashlar::report {

/// Four significant digits without an exponent where that stays short: 12.31, 0.00125, 1.5e-09.
/// "nan", "inf" and "-inf" for what is not finite.
std::string number(double value, int significant = 4);

/// A quantity and the interval around it, all in one unit and with the same decimals.
struct Measured {
  double value = 0;
  std::optional<double> low;
  std::optional<double> high;
  /// False where [low, high] is no more than the range of a few values: shown in round brackets.
  bool covers = true;
};

/// Nanoseconds as "12.31 ms [12.20, 12.55]"; without an interval as "12.31 ms"; with the range of
/// too few samples for an interval as "12.31 ms (12.20, 12.55)".
std::string time_text(const Measured& nanoseconds);
/// The same with the larger half of the interval as a share: "12.31 ms ±2.0 %", and in round
/// brackets where it is a range only.
std::string short_time_text(const Measured& nanoseconds);
/// FLOP/s as GFLOP/s with four digits, without the unit: "225.0".
std::string rate_text(double flops_per_s);
/// "1.87x [1.84, 1.90]".
std::string ratio_text(const Measured& ratio);
/// Any other quantity: "12.31 [12.20, 12.55]".
std::string plain_text(const Measured& quantity);
/// "512 B", "3.25 MiB".
std::string bytes_text(double bytes);
/// A share as per cent: "84.2 %".
std::string percent_text(double share);

/// Labels of axis values: 512, 1k, 16k where every value from 1000 on is a multiple of 1024, 1k for
/// 1000 where every one is a multiple of 1000, else the plain text.
std::vector<std::string> axis_labels(const std::vector<model::Value>& values);

}  // namespace ashlar::report
