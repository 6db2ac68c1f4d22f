#pragma once
// What a run that was cut short has already recorded: what a resumed run need not do again, and
// what it goes on from. The unit is point x round; one is finished when its event `point-finished`
// is there, which comes after all of its records.
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "harness/record/file.hpp"
#include "harness/run/plan.hpp"
#include "harness/run/rounds.hpp"

namespace ashlar::run {

using model::Json;

struct History {
  /// Nothing: the run was killed before it wrote one, and starts anew.
  std::optional<record::RunRecord> run;
  std::optional<Json> settings;  // of the event `plan`; nothing: killed before it was written

  /// By point_key.
  std::map<std::string, std::set<int>> finished;
  std::map<std::string, PointTimes> times;        // of finished rounds
  std::map<std::string, double> seconds;          // that the first round took
  std::set<std::pair<std::string, int>> dropped;  // by the budget: point, round
  std::map<std::string, Json> stops;              // the last event `rounds`
  std::map<std::string, record::Status> gravest;  // by case id, with the ordinal of a study
  /// Experiment ("suite/experiment") and implementation -> where it ran into its deadline.
  std::map<std::pair<std::string, std::string>, std::string> timed_out_at;
  std::size_t controls_accepted = 0;
  double elapsed_s = 0;  // charged to the budget
  double lost_s = 0;     // to deadlines
  bool calibrated_at_end = false;
  bool ended = false;  // by itself: the event `finished` of a run that was not interrupted
};

/// suite/experiment/axis=value,...
std::string point_key(const std::string& suite, const std::string& experiment,
                      const model::Point& point);
std::string point_key(const PlannedPoint& planned);
/// The name under which `gravest` keeps a seed of a study.
std::string study_id(const std::string& case_id, std::uint64_t ordinal);

/// Throws record::FileError for a file that cannot be read, that holds several runs, or whose run
/// was recorded by a version that did not say which rounds were finished.
History read_history(const std::filesystem::path& path);

/// What tells two runs apart; a resumed run must have the same.
struct Identity {
  std::string plan_hash;
  std::string binary;  // hash
  std::string mode;
  std::uint64_t seed = 0;
  int threads = 0;
  std::string machine_id;
  Json settings;  // of the event `plan`: what else is compared (shard, profile)
};
/// Throws UsageError with one line that names both sides of the first difference.
void refuse_another(const History& history, const Identity& now);

}  // namespace ashlar::run
