#pragma once
// Numbers out of records: one series per side of a check. Private to this folder.
#include <string>
#include <vector>

#include "harness/claims/index.hpp"

namespace ashlar::claims::detail {

/// sampled: times and what follows from them; exact: one number per round, no estimate; seeded: one
/// number per seed of a study.
enum class Kind { sampled, exact, seeded };

/// What one process (a round) or one seed gave.
struct Cluster {
  std::int64_t id = 0;
  std::vector<double> values;
};

struct Series {
  Kind kind = Kind::sampled;
  std::vector<Cluster> clusters;
  std::string problem;  // why there are no values; else empty

  bool usable() const { return problem.empty(); }
  std::size_t samples() const;  // of all clusters
};

Series series_of(const Entry& entry, const std::string& metric,
                 const std::optional<CurveSelector>& curve, const Run& run);

/// The whole curve of each seed: abscissa-like column and metric.
struct CurveData {
  std::int64_t seed = 0;
  std::vector<double> x;
  std::vector<double> y;
};
struct Curves {
  std::vector<CurveData> seeds;
  std::string problem;
};
/// `x_column` empty: the first column.
Curves curves_of(const Entry& entry, const std::string& metric, const std::string& curve,
                 const std::string& x_column);
/// Between two points: linear, in logarithms where x and y are positive. Nothing outside.
std::optional<double> curve_at(const CurveData& curve, double x);

/// What the form compares when it looks at a pair: a / b or a - b. Paired cluster by cluster where
/// both have the cluster, else nothing is left and the problem says so. Sampled values are paired
/// one by one at the same point (sample i of both is of one sweep), else by their medians.
Series ratio_series(const Series& above, const Series& below, bool same_point);
Series difference_series(const Series& from, const Series& minus, bool same_point);

/// 0 / 0 is NaN, x / 0 is infinite: IEEE, without a warning of a sanitizer.
double quotient(double above, double below);

}  // namespace ashlar::claims::detail
