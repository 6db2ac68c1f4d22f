#pragma once
// Hand-made records and claim files for the tests of this folder.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/claims/judge.hpp"

namespace ashlar::claims::testing {

using record::CaseRecord;
using record::RecordSet;
using record::Status;
using record::StudyRecord;

inline const char* const kDeclared = R"([
  {"suite": "toy", "experiment": "sum", "kind": "timed", "about": "",
   "axes": [{"name": "n", "unit": "", "values": [1, 2, 4]},
            {"name": "causal", "unit": "", "values": [false, true]},
            {"name": "dtype", "unit": "", "values": ["f32", "bf16"]}],
   "implementations": [{"name": "naive"}, {"name": "fast"}, {"name": "gpu"}],
   "metrics": [{"name": "bytes", "better": "lower", "unit": "bytes"}]},
  {"suite": "toy", "experiment": "fit", "kind": "study", "about": "",
   "axes": [{"name": "rank", "unit": "", "values": [1, 2]}],
   "implementations": [{"name": "greedy"}, {"name": "cyclic"}],
   "metrics": [{"name": "gap", "better": "lower", "unit": ""},
               {"name": "psnr", "better": "higher", "unit": "dB"}]}])";

/// Collects records of suite "toy".
class Records {
 public:
  RecordSet set;

  Records& run(const std::string& id, const std::string& cpu = "Toy CPU") {
    record::RunRecord run;
    run.run_id = id;
    run.machine = {{"cpu", {{"vendor", "nobody"}, {"model_name", cpu}, {"model", 68}}},
                   {"gpu", nullptr}};
    run.calibration = {{"teams",
                        {{{"threads", 2},
                          {"f32_gflops", {{"rate", 50.0}}},
                          {"bf16_gflops", nullptr},
                          {"copy_gb_per_s", {{"rate", 50.0}}},
                          {"read_gb_per_s", {{"rate", 60.0}}}}}}};
    run.experiments = model::Json::parse(kDeclared);
    set.runs.push_back(std::move(run));
    run_id_ = id;
    return *this;
  }

  static Point point(int n, bool causal = false, const char* dtype = "f32") {
    return Point({{"n", n}, {"causal", causal}, {"dtype", dtype}});
  }

  /// Samples in microseconds.
  CaseRecord& timed(const Point& point, const std::string& implementation, int round,
                    const std::vector<double>& microseconds) {
    CaseRecord one;
    identify(one, "sum", point, implementation);
    one.round = round;
    one.threads = 2;
    one.work = record::Work{1e6, 2e6, "f32"};
    std::transform(microseconds.begin(), microseconds.end(), std::back_inserter(one.samples_ns),
                   [](double us) { return static_cast<std::int64_t>(us * 1000); });
    set.cases.push_back(std::move(one));
    return set.cases.back();
  }

  /// Fifteen samples within 1 % of the time.
  CaseRecord& steady(const Point& point, const std::string& implementation, double microseconds,
                     int round = 0) {
    std::vector<double> samples;
    samples.reserve(15);
    for (int i = 0; i < 15; ++i) samples.push_back(microseconds * (1 + 0.001 * ((i * 7) % 11 - 5)));
    return timed(point, implementation, round, samples);
  }

  CaseRecord& failed(const Point& point, const std::string& implementation, Status status,
                     const std::string& reason) {
    CaseRecord& one = timed(point, implementation, 0, {});
    one.status = status;
    one.reason = reason;
    return one;
  }

  CaseRecord& counted(const Point& point, const std::string& implementation,
                      const std::string& counter, double value, int round = 0) {
    CaseRecord& one = timed(point, implementation, round, {1});
    one.counters[counter] = value;
    return one;
  }

  record::CheckRecord& check(const Point& point, const std::string& implementation, bool accepted) {
    record::CheckRecord one;
    identify(one, "sum", point, implementation);
    one.oracle = "double";
    one.accepted = accepted;
    if (!accepted) one.mismatch = "out[3]";
    set.checks.push_back(std::move(one));
    return set.checks.back();
  }

  StudyRecord& study(int rank, const std::string& implementation, std::uint64_t seed,
                     std::map<std::string, double> metrics = {}) {
    StudyRecord one;
    identify(one, "fit", Point({{"rank", rank}}), implementation);
    one.seed = seed;
    one.metrics = std::move(metrics);
    set.studies.push_back(std::move(one));
    return set.studies.back();
  }

 private:
  template <class R>
  void identify(R& one, const char* experiment, const Point& point,
                const std::string& implementation) {
    one.run_id = run_id_;
    one.suite = "toy";
    one.experiment = experiment;
    one.point = point;
    one.implementation = implementation;
    one.key = fmt::format("toy/{}/{}/{}", experiment, point.text(), implementation);
    one.case_id = model::hex(model::stable_hash(one.key));
    if constexpr (requires { one.device; }) one.device = "cpu";
  }
  std::string run_id_;
};

/// A claim file with one claim "c"; `check` is the body of [claim.check].
inline std::string claim_text(const std::string& check, const std::string& more = "",
                              const std::string& reach = "direct") {
  return fmt::format(R"(suite = "toy"
[[claim]]
id = "c"
says = "it is so"
source = "table 1"
reported = {{ value = 2, unit = "x" }}
reach = "{}"
because = "toy"
{}
[claim.check]
{}
)",
                     reach, more, check);
}

inline ClaimFile claims_of(const std::string& check, const std::string& more = "",
                           const std::string& reach = "direct") {
  return parse(claim_text(check, more, reach), "claims.toml");
}

inline Verdict verdict_of(const Records& records, const std::string& check,
                          const std::string& more = "", const std::string& reach = "direct") {
  return judge(claims_of(check, more, reach), records.set).at(0);
}

/// The check of a ratio of times, naive over fast.
/// A check of a form with two implementations to choose from.
inline std::string check(const std::string& form, const std::string& metric,
                         const std::string& more, const std::string& experiment = "sum") {
  return fmt::format("form = \"{}\"\nexperiment = \"{}\"\n{}{}", form, experiment,
                     metric.empty() ? "" : fmt::format("metric = \"{}\"\n", metric), more);
}

inline const std::string kFast = "of = { implementation = \"fast\" }\n";
inline const std::string kBoth =
    "of = { implementation = \"naive\" }\nto = { implementation = \"fast\" }\n";

inline std::string ratio(const std::string& more) {
  return "form = \"ratio\"\nexperiment = \"sum\"\nmetric = \"time\"\n"
         "of = { implementation = \"naive\" }\nto = { implementation = \"fast\" }\n" +
         more;
}

/// naive takes twice as long as fast everywhere.
inline Records twice() {
  Records records;
  records.run("r1");
  for (const int n : {1, 2, 4}) {
    records.steady(Records::point(n), "naive", 20.0 * n);
    records.steady(Records::point(n), "fast", 10.0 * n);
  }
  return records;
}

}  // namespace ashlar::claims::testing
