#pragma once
// The records of a run: one JSON object per line, append-only. Everything that is said of a run
// later (tables, figures, verdicts) is a pure function of these lines. docs/records.md lists the
// fields.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "harness/model/value.hpp"
#include "harness/model/work.hpp"
#include "harness/record/text.hpp"

namespace ashlar::record {

using model::Json;
using model::Point;
using model::Work;

inline constexpr int kSchema = 1;

/// What became of one implementation at one point. Everything but `ok` has a reason.
enum class Status { ok, unsupported, wrong, crashed, timeout, out_of_memory, failed, dropped };
/// As records and claim files write it: "ok", "out-of-memory", ...
std::string_view name_of(Status status);
/// The inverse of name_of; nothing for an unknown name.
std::optional<Status> status_named(std::string_view name);
/// The names of all statuses, for messages.
std::vector<std::string> status_names();
/// One rule for exit codes, tables and verdicts: over several rounds the gravest status counts,
/// wrong above crashed, timeout, out-of-memory, failed, ok, unsupported, dropped.
int severity(Status status);

/// How a worker process ended, when it did not end well.
struct Exit {
  std::optional<int> status;
  std::optional<int> signal;
  bool timed_out = false;
};

/// First line of a file. `experiments` carries what tables and figures need to know of the
/// declarations:
/// [{suite, experiment, kind: "timed"|"study", about, axes: [{name, unit, values}],
/// implementations: [{name, tier, about}],
///   metrics: [{name, better: "lower"|"higher", unit}], baselines: [name], figures: [{...}]}].
struct RunRecord {
  std::string run_id;  // UTC time and random hexadecimal digits
  std::string plan_hash;
  std::vector<std::string> argv;
  std::string started;  // ISO 8601, UTC
  std::string mode;     // quick, full, gpu
  std::uint64_t seed = 0;
  int threads = 0;
  Json build;  // compiler, flags, git, binary hash
  std::string machine_id;
  Json machine;      // environment
  Json calibration;  // at the start; the one at the end is an event "calibration"
  Json experiments;
};

/// One implementation at one point in one round. Samples are paired by index with those of the
/// other implementations of the same point and round: sample i of each was taken in sweep i.
struct CaseRecord {
  Text run_id;
  Text plan_hash;
  Text case_id;  // sixteen hexadecimal digits, from the key
  Text key;      // suite/experiment/axis=value,.../implementation
  Text suite;
  Text experiment;
  Point point;
  Text implementation;
  Text tier;    // naive, reference, optimized, cuda, peer
  Text device;  // cpu, cuda, model
  int round = 0;
  Status status = Status::ok;
  std::optional<std::string> reason;
  std::vector<std::int64_t> samples_ns;  // wall time of one execution (batch mean, rounded)
  std::vector<std::int64_t> cpu_ns;      // CPU time of all threads of the process, per execution
  std::int64_t batch = 1;                // executions per sample
  int warmups = 0;
  std::optional<std::string> stop_reason;  // converged, max-samples, max-time, budget, interrupted
  std::vector<std::string> flags;          // involuntary-switches, page-faults, few-samples, ...
  std::optional<Work> work;
  std::map<std::string, double> counters;  // exact counts from the implementation
  std::map<std::string, double> metrics;   // qualities from the implementation
  std::optional<std::int64_t> prepare_ns;
  std::optional<std::int64_t>
      peak_extra_bytes;  // peak resident memory beyond inputs and outputs, measured
  std::optional<std::int64_t> workspace_bytes;  // what the implementation says it allocates
  int threads = 0;
  std::optional<Exit> exit;
};

/// What an oracle said of one answer. `control` is true for a negative control, which must be
/// rejected.
struct CheckRecord {
  Text run_id;
  Text case_id;
  Text key;
  Text suite;
  Text experiment;
  Point point;
  Text implementation;
  int round = 0;
  bool control = false;
  Text oracle;
  bool accepted = false;
  Json norms;  // per answer tensor: {max_abs, max_rel, rms, relative_l2, ulp_p99, compared}
  Json limit;  // the tolerance that was applied
  std::optional<std::string> mismatch;  // first elements that differ, or the invariant that fails
};

/// One execution of a study: one seed.
struct StudyRecord {
  Text run_id;
  Text plan_hash;
  Text case_id;
  Text key;
  Text suite;
  Text experiment;
  Point point;
  Text implementation;
  Text tier;
  Text device;
  std::uint64_t seed = 0;  // ordinal of the repetition: 0, 1, 2, ...
  Status status = Status::ok;
  std::optional<std::string> reason;
  std::map<std::string, double> metrics;
  std::map<std::string, double> counters;
  /// Curve name -> column name -> values; all columns of a curve have one length. The first column
  /// is the abscissa.
  std::map<std::string, std::vector<std::pair<std::string, std::vector<double>>>> curves;
  std::optional<std::int64_t> wall_ns;
  std::optional<Exit> exit;
};

/// Anything else worth keeping: "calibration", "dropped", "interrupted", "worker-lost", "finished".
struct EventRecord {
  std::string run_id;
  std::string event;
  std::string time;  // ISO 8601, UTC
  Json details;
};

using Record = std::variant<RunRecord, CaseRecord, CheckRecord, StudyRecord, EventRecord>;

Json to_json(const Record& record);
/// Throws std::invalid_argument naming the field that is missing or of the wrong type.
Record from_json(const Json& json);

/// Non-finite numbers travel as the strings "nan", "inf", "-inf".
Json number_to_json(double value);
double number_from_json(const Json& json);

}  // namespace ashlar::record
