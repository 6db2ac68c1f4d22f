#pragma once
// Percentile bootstrap. Every function is deterministic in (data, options).
//
// Rounds: the samples that one process took form a round, and samples of one round share that
// process's memory layout and its share of the machine's mood, so they are not independent. The
// clustered functions resample rounds first and samples within them second; the others treat the
// samples as independent and are too narrow for samples pooled from few processes. With fewer than
// about five rounds the clustered interval is still narrower than it says (see
// round_median_interval for the cautious alternative).
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "harness/statistics/interval.hpp"
#include "harness/statistics/random.hpp"

namespace ashlar::statistics {

struct BootstrapOptions {
  int resamples = 2000;
  double level = 0.95;
  std::uint64_t seed = 0;  // seed_of(case id)
};

using Statistic = std::function<double(std::span<const double>)>;
/// Samples grouped by process.
using Rounds = std::span<const std::span<const double>>;

/// The general form: `one_resample` draws with the generator and gives the statistic of what it
/// drew. Ascending; resamples on which it is NaN are left out. Throws std::invalid_argument for
/// fewer than 100 resamples.
std::vector<double> resample(const std::function<double(SplitMix64&)>& one_resample,
                             const BootstrapOptions& options = {});
/// The statistic of as many values drawn with replacement as there are. Empty for empty values.
std::vector<double> bootstrap_distribution(std::span<const double> values,
                                           const Statistic& statistic,
                                           const BootstrapOptions& options = {});
/// As above over rounds: each resample draws as many rounds as there are, then from each drawn
/// round as many samples as it has, and pools them. Empty rounds are ignored.
std::vector<double> clustered_bootstrap_distribution(Rounds rounds, const Statistic& statistic,
                                                     const BootstrapOptions& options = {});

/// Percentile interval of a distribution around an estimate. Coverage 0 where the distribution is
/// empty.
Interval percentile_interval(std::span<const double> sorted_distribution, double estimate,
                             double level);
/// Two-sided p-value of "the true value is `null_value`": twice the smaller tail, counting the
/// observed data as one more resample, so never 0. NaN for an empty distribution.
double bootstrap_p_value(std::span<const double> sorted_distribution, double null_value);

/// Percentile interval of a statistic. Fewer than two values: low = high = estimate, coverage 0;
/// likewise where more than half of the resamples give NaN.
Interval bootstrap(std::span<const double> values, const Statistic& statistic,
                   const BootstrapOptions& options = {});
Interval clustered_bootstrap(Rounds rounds, const Statistic& statistic,
                             const BootstrapOptions& options = {});

/// From so many rounds on the interval of clustered_median is computed and not drawn.
inline constexpr std::size_t kManyRounds = 20;
/// The median of all samples with the interval of clustered_bootstrap(rounds, median). The median
/// of a resample is at most x when at least half of what it drew is: a count that is a sum over
/// independent rounds. With kManyRounds or more the normal distribution of that count gives the
/// percentiles that infinitely many resamples would, thousands of times faster; fewer rounds are
/// resampled.
Interval clustered_median(Rounds rounds, const BootstrapOptions& options = {});

/// median(numerator) / median(denominator) of two independent sets of positive values. NaN where a
/// value is zero or negative.
Interval ratio_of_medians(std::span<const double> numerator, std::span<const double> denominator,
                          const BootstrapOptions& options = {});
/// As above; numerator and denominator come from different processes, resampled independently.
Interval clustered_ratio_of_medians(Rounds numerator, Rounds denominator,
                                    const BootstrapOptions& options = {});

/// ln(numerator[i] / denominator[i]). NaN where either is zero, negative or NaN. Throws
/// std::invalid_argument for unequal lengths.
std::vector<double> log_ratios(std::span<const double> numerator,
                               std::span<const double> denominator);

/// Ratio of two sets paired by index (neighbours in time, so that slow drift cancels): exp of the
/// median of the log ratios, with its order-statistic interval. Throws std::invalid_argument for
/// unequal lengths.
Interval paired_ratio(std::span<const double> numerator, std::span<const double> denominator,
                      double level = 0.95);
/// As above for rounds that hold both sides: round r of one is paired with round r of the other,
/// sample i with sample i. Bootstrap over rounds, then pairs. With one round it equals
/// paired_ratio. Throws std::invalid_argument for unequal shapes.
Interval clustered_paired_ratio(Rounds numerator, Rounds denominator,
                                const BootstrapOptions& options = {});

/// Student's t interval over one value per round (its median): the mean of them +- t_{R-1} * sd /
/// sqrt(R). Wide for few rounds, as it should be: the unit of replication is the process. Meant for
/// values that are about normal between rounds, such as median log ratios. Fewer than two rounds:
/// coverage 0.
Interval round_median_interval(Rounds rounds, double level = 0.95);

/// The p-quantile of Student's t with `degrees` >= 1 degrees of freedom, p in (0, 1).
double student_t_quantile(double p, int degrees);

}  // namespace ashlar::statistics
