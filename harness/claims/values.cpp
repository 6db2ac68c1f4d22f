#include "harness/claims/values.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "harness/claims/names.hpp"
#include "harness/statistics/order.hpp"

namespace ashlar::claims::detail {

namespace {

using record::CaseRecord;
using record::Status;

Series failed(std::string problem) {
  Series series;
  series.problem = std::move(problem);
  return series;
}

/// What one second of execution means in the metric: time = factor * t or factor / t.
struct TimeUse {
  double factor = 0;
  bool inverse = false;
  std::string problem;
};

/// Recording ranges takes time of its own.
bool traced(const CaseRecord& one) {
  return std::find(one.flags.begin(), one.flags.end(), "traced") != one.flags.end();
}

TimeUse time_use(const CaseRecord& one, const std::string& metric, const Run& run) {
  if (metric == "time") return {1, false, ""};
  if (!one.work) return {0, false, fmt::format("{} declares no work", one.experiment)};
  if (metric == "bandwidth") return {one.work->bytes * 1e-9, true, ""};
  if (metric == "rate") return {one.work->flops * 1e-9, true, ""};
  if (metric == "bandwidth-share" || metric == "read-share") {
    const bool read = metric == "read-share";
    const auto most = read ? run.read_gb_per_s(one.device, one.threads)
                           : run.copy_gb_per_s(one.device, one.threads);
    if (!most || !(*most > 0))
      return {0, false,
              fmt::format("no {} bandwidth was measured on {} with {} threads",
                          read ? "read" : "copy", one.device, one.threads)};
    return {one.work->bytes * 1e-9 / *most, true, ""};
  }
  const auto peak = run.peak_gflops(one.device, one.work->precision, one.threads);
  if (!peak || !(*peak > 0))
    return {0, false,
            fmt::format("no peak was measured for {} on {} with {} threads", one.work->precision,
                        one.device, one.threads)};
  return {one.work->flops * 1e-9 / *peak, true, ""};
}

/// Why an implementation that answered has no times to judge.
std::string no_times(const Entry& entry) {
  for (const CaseRecord* one : entry.cases) {
    if (one->samples_ns.empty() && one->reason)
      return fmt::format("{}: {}", entry.implementation, *one->reason);
    if (!one->samples_ns.empty() && traced(*one))
      return fmt::format("{} was timed only while it was traced", entry.implementation);
  }
  return fmt::format("{} has no samples", entry.implementation);
}

Series sampled_series(const Entry& entry, const std::string& metric, const Run& run) {
  Series series;
  series.kind = Kind::sampled;
  for (const CaseRecord* one : entry.cases) {
    if (one->status != Status::ok || one->samples_ns.empty() || traced(*one)) continue;
    const TimeUse use = time_use(*one, metric, run);
    if (!use.problem.empty()) return failed(use.problem);
    Cluster cluster{one->round, {}};
    for (const std::int64_t ns : one->samples_ns) {
      const double seconds = static_cast<double>(ns) * 1e-9;
      cluster.values.push_back(use.inverse ? quotient(use.factor, seconds) : use.factor * seconds);
    }
    series.clusters.push_back(std::move(cluster));
  }
  if (series.clusters.empty()) series.problem = no_times(entry);
  return series;
}

/// norm.TENSOR.NORM: the greatest of the round's checks; NaN wins, for it hides what was there.
std::optional<double> norm_of(const Entry& entry, int round, const std::string& metric) {
  const auto first = metric.find('.');
  const auto last = metric.rfind('.');
  if (last <= first) return std::nullopt;
  const std::string tensor = metric.substr(first + 1, last - first - 1);
  const std::string norm = metric.substr(last + 1);
  std::optional<double> greatest;
  for (const record::CheckRecord* check : entry.checks) {
    if (check->round != round || !check->norms.is_object()) continue;
    const auto of_tensor = check->norms.find(tensor);
    if (of_tensor == check->norms.end() || !of_tensor->is_object()) continue;
    const auto of_norm = of_tensor->find(norm);
    if (of_norm == of_tensor->end() || of_norm->is_null()) continue;
    const double value = record::number_from_json(*of_norm);
    if (!greatest || std::isnan(value) || value > *greatest) greatest = value;
  }
  return greatest;
}

template <class R>
std::optional<double> named_value(const R& one, const std::string& metric) {
  if (const auto it = one.counters.find(metric); it != one.counters.end()) return it->second;
  if (const auto it = one.metrics.find(metric); it != one.metrics.end()) return it->second;
  return std::nullopt;
}

std::optional<double> exact_value(const Entry& entry, const CaseRecord& one,
                                  const std::string& metric) {
  const auto as_number = [](const std::optional<std::int64_t>& bytes) {
    return bytes ? std::optional<double>(static_cast<double>(*bytes)) : std::nullopt;
  };
  if (metric == "memory") return as_number(one.peak_extra_bytes);
  if (metric == "workspace") return as_number(one.workspace_bytes);
  if (is_norm(metric)) return norm_of(entry, one.round, metric);
  return named_value(one, metric);
}

template <class R>
std::string no_such_metric(const std::string& implementation, const std::string& metric,
                           const R& one) {
  std::vector<std::string> known;
  for (const auto& [name, value] : one.counters) known.push_back(name);
  for (const auto& [name, value] : one.metrics) known.push_back(name);
  return fmt::format("{} records no '{}'{}", implementation, metric,
                     model::suggestion(metric, known));
}

Series exact_series(const Entry& entry, const std::string& metric) {
  Series series;
  series.kind = Kind::exact;
  for (const CaseRecord* one : entry.cases) {
    const bool wrong = one->status == Status::wrong && is_norm(metric);
    if (one->status != Status::ok && !wrong) continue;
    const auto value = exact_value(entry, *one, metric);
    if (!value) return failed(no_such_metric(entry.implementation, metric, *one));
    series.clusters.push_back({one->round, {*value}});
  }
  return series;
}

Series study_series(const Entry& entry, const std::string& metric) {
  Series series;
  series.kind = Kind::seeded;
  for (const record::StudyRecord* one : entry.studies) {
    if (one->status != Status::ok) continue;
    const auto value = named_value(*one, metric);
    if (!value) return failed(no_such_metric(entry.implementation, metric, *one));
    series.clusters.push_back({static_cast<std::int64_t>(one->seed), {*value}});
  }
  return series;
}

using Columns = std::vector<std::pair<std::string, std::vector<double>>>;

const std::vector<double>* column(const Columns& columns, const std::string& name) {
  for (const auto& [known, values] : columns)
    if (known == name) return &values;
  return nullptr;
}

/// The selector's number of one seed's curve; never reached is infinite.
std::optional<double> selected(const CurveSelector& selector, const CurveData& curve) {
  if (selector.at) return curve_at(curve, selector.at->second);
  for (std::size_t i = 0; i < curve.y.size(); ++i)
    if ((selector.first_below && curve.y[i] < *selector.first_below) ||
        (selector.first_above && curve.y[i] > *selector.first_above))
      return curve.x[i];
  return kInf;
}

Series curve_series(const Entry& entry, const std::string& metric, const CurveSelector& selector) {
  const std::string x = selector.at ? selector.at->first : selector.read;
  const Curves curves = curves_of(entry, metric, selector.curve, x);
  if (!curves.problem.empty()) return failed(curves.problem);
  Series series;
  series.kind = Kind::seeded;
  for (const CurveData& curve : curves.seeds) {
    const auto value = selected(selector, curve);
    if (!value)
      return failed(fmt::format("the curve '{}' of {} does not reach {} = {}", selector.curve,
                                entry.implementation, selector.at->first, selector.at->second));
    series.clusters.push_back({curve.seed, {*value}});
  }
  return series;
}

/// A study that ran once (its seed changes nothing) stands beside every seed of another.
Series repeated_for(const Series& one, const Series& other) {
  if (one.kind != Kind::seeded || one.clusters.size() != 1 || other.clusters.size() < 2) return one;
  Series repeated = one;
  repeated.clusters.clear();
  for (const Cluster& cluster : other.clusters)
    repeated.clusters.push_back({cluster.id, one.clusters.front().values});
  return repeated;
}

template <class Combine>
Series paired_series(const Series& first, const Series& second, bool same_point, Combine combine) {
  if (!first.usable()) return first;
  if (!second.usable()) return second;
  const Series a = repeated_for(first, second);
  const Series b = repeated_for(second, first);
  Series series;
  series.kind = a.kind;
  for (const Cluster& left : a.clusters) {
    const auto right = std::find_if(b.clusters.begin(), b.clusters.end(),
                                    [&](const Cluster& other) { return other.id == left.id; });
    if (right == b.clusters.end()) continue;
    Cluster cluster{left.id, {}};
    if (same_point) {
      const std::size_t pairs = std::min(left.values.size(), right->values.size());
      for (std::size_t i = 0; i < pairs; ++i)
        cluster.values.push_back(combine(left.values[i], right->values[i]));
    } else {
      cluster.values.push_back(
          combine(statistics::median(left.values), statistics::median(right->values)));
    }
    series.clusters.push_back(std::move(cluster));
  }
  if (series.clusters.empty()) series.problem = "the two sides have no round or seed in common";
  return series;
}

}  // namespace

std::size_t Series::samples() const {
  std::size_t count = 0;
  for (const Cluster& cluster : clusters) count += cluster.values.size();
  return count;
}

double quotient(double above, double below) {
  if (below != 0) return above / below;
  if (above == 0 || std::isnan(above)) return std::numeric_limits<double>::quiet_NaN();
  return std::copysign(kInf, above);
}

Series series_of(const Entry& entry, const std::string& metric,
                 const std::optional<CurveSelector>& curve, const Run& run) {
  Series series;
  if (!entry.studies.empty()) {
    series = curve ? curve_series(entry, metric, *curve) : study_series(entry, metric);
  } else if (is_sampled_metric(metric)) {
    series = sampled_series(entry, metric, run);
  } else {
    series = exact_series(entry, metric);
  }
  if (series.usable() && series.clusters.empty())
    series.problem = fmt::format("{} has no values", entry.implementation);
  return series;
}

Curves curves_of(const Entry& entry, const std::string& metric, const std::string& curve,
                 const std::string& x_column) {
  Curves curves;
  for (const record::StudyRecord* one : entry.studies) {
    if (one->status != Status::ok) continue;
    const auto it = one->curves.find(curve);
    std::vector<std::string> known;
    for (const auto& [name, columns] : one->curves) known.push_back(name);
    if (it == one->curves.end() || it->second.empty()) {
      curves.problem = fmt::format("{} records no curve '{}'{}", entry.implementation, curve,
                                   model::suggestion(curve, known));
      return curves;
    }
    const std::string& x_name = x_column.empty() ? it->second.front().first : x_column;
    const auto* x = column(it->second, x_name);
    const auto* y = column(it->second, metric);
    if (x == nullptr || y == nullptr) {
      known.clear();
      for (const auto& [name, values] : it->second) known.push_back(name);
      const std::string& wanted = x == nullptr ? x_name : metric;
      curves.problem = fmt::format("the curve '{}' of {} has no column '{}'{}", curve,
                                   entry.implementation, wanted, model::suggestion(wanted, known));
      return curves;
    }
    curves.seeds.push_back({static_cast<std::int64_t>(one->seed), *x, *y});
  }
  if (curves.seeds.empty()) curves.problem = fmt::format("{} has no curves", entry.implementation);
  return curves;
}

std::optional<double> curve_at(const CurveData& curve, double x) {
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    if (curve.x[i] == x) return curve.y[i];
    if (i == 0 || !(curve.x[i - 1] < x && x < curve.x[i])) continue;
    const double x0 = curve.x[i - 1], x1 = curve.x[i];
    const double y0 = curve.y[i - 1], y1 = curve.y[i];
    if (x0 > 0 && y0 > 0 && y1 > 0) {
      const double part = std::log(x / x0) / std::log(x1 / x0);
      return y0 * std::pow(y1 / y0, part);
    }
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
  }
  return std::nullopt;
}

Series ratio_series(const Series& above, const Series& below, bool same_point) {
  return paired_series(above, below, same_point, quotient);
}

Series difference_series(const Series& from, const Series& minus, bool same_point) {
  return paired_series(from, minus, same_point, [](double a, double b) { return a - b; });
}

}  // namespace ashlar::claims::detail
