#pragma once
// The estimates that tables and figures show, by harness/statistics.
#include <vector>

#include "harness/record/record.hpp"
#include "harness/report/units.hpp"
#include "harness/statistics/statistics.hpp"

namespace ashlar::report {

/// For display: the low and high of an interval only where there is one.
Measured shown(const statistics::Interval& interval);

/// Median time over the rounds that ended well. From one round with the order-statistic interval of
/// the median; from several with the bootstrap over rounds, since the samples of one process are
/// not independent. Needs a sample.
Measured median_time(const std::vector<const record::CaseRecord*>& records);
/// Time of `over` divided by time of `of`: sample i of one with sample i of the other within each
/// round that both have. Without such a round: the ratio of the medians, no interval.
Measured paired_speedup(const std::vector<const record::CaseRecord*>& over,
                        const std::vector<const record::CaseRecord*>& of);
/// The samples of the rounds that ended well.
std::vector<double> pooled_samples(const std::vector<const record::CaseRecord*>& records);

}  // namespace ashlar::report
