#pragma once
// Intervals of series, ratios and differences. Private to this folder.
#include <cstdint>

#include "harness/claims/judge.hpp"
#include "harness/claims/values.hpp"

namespace ashlar::claims::detail {

/// How sure, and from which random stream.
struct Confidence {
  double level = 0.95;
  std::uint64_t seed = 0;
  int resamples = 2000;
};

/// 95 % for all of `cells` intervals together (Bonferroni), with enough resamples for its tails.
Confidence confidence_for(const std::string& claim, std::size_t cells);

/// Whether an end is NaN.
bool unknown(const Measured& value);

/// The ends are NaN where the data are too few for the level that was asked (or for 99 %, where
/// that is less): six samples for one interval at 95 %, eight for five and more. Rounds of timed
/// cases are the unit of replication; docs/claims.md says what the intervals cover.
Measured interval_of(const Series& series, const Confidence& confidence);
Measured ratio_of(const Series& above, const Series& below, bool same_point,
                  const Confidence& confidence);
Measured difference_of(const Series& from, const Series& minus, bool same_point,
                       const Confidence& confidence);
/// Slope of log y over log x; one series per x.
Measured slope_of(const std::vector<double>& x, const std::vector<Series>& y,
                  const Confidence& confidence);

/// Interval arithmetic: no assumption of independence.
Measured scaled(const Measured& value, double factor);
Measured quotient(const Measured& above, const Measured& below);

}  // namespace ashlar::claims::detail
