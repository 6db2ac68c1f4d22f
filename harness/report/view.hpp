#pragma once
// Records sorted into what tables and figures show: runs, their experiments, points and cells.
// Runs are never mixed: every number here comes from one run.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/record/file.hpp"
#include "harness/report/units.hpp"

namespace ashlar::report {

/// Which records to show; what is empty lets everything through.
struct Filter {
  std::vector<std::string> suites;
  std::vector<std::string> experiments;
  /// Axis and admitted values. A point without the axis does not pass.
  std::vector<std::pair<std::string, std::vector<model::Value>>> where;
  std::optional<std::string> only;  // regular expressions (ECMAScript) searched in the key
  std::optional<std::string> skip;
  std::vector<std::string> runs;  // run ids
};

/// What the run record says of an experiment, or what can be told from its cases.
struct Declared {
  struct Axis {
    std::string name;
    std::string unit;
    std::vector<model::Value> values;
  };
  struct Implementation {
    std::string name;
    std::string tier;
    std::string device;
    std::string about;
  };
  struct Metric {
    std::string name;
    std::string better;  // lower or higher
    std::string unit;
  };
  std::string suite;
  std::string experiment;
  std::string about;
  std::vector<Axis> axes;
  std::vector<Implementation> implementations;
  std::vector<Metric> metrics;
  std::vector<std::string> baselines;
  model::Json figures = model::Json::array();
};

/// The limits of the machine as calibrated in a run, by the number of threads. Of start and end the
/// larger is taken: both are what the machine could do.
class Roof {
 public:
  Roof() = default;
  Roof(const record::RunRecord* run, const std::vector<const record::EventRecord*>& events);
  /// FLOP/s on "cpu" with so many threads, or on "cuda", in f32 or bf16; nothing where it was not
  /// measured. A CPU without bfloat16 instructions computes in f32: its bf16 peak is the f32 one.
  std::optional<double> peak(const std::string& device, const std::string& precision,
                             int threads) const;
  /// Bytes per second, read and written together.
  std::optional<double> bandwidth(const std::string& device, int threads) const;
  /// Of reads alone; nothing in older records.
  std::optional<double> read_bandwidth(const std::string& device, int threads) const;
  /// One sentence with all rates; empty without calibration.
  std::string text() const;

 private:
  struct Rate {
    std::string device;
    int threads = 0;  // 0 on devices that have none
    std::string what;
    double value = 0;  // FLOP/s or B/s
    double drift = 0;  // end / start - 1
  };
  void merge(const std::string& device, int threads, const std::string& what, double value);
  void read(const model::Json& calibration);
  void read_rates(const std::string& device, int threads, const model::Json& rates);
  std::optional<double> find(const std::string& device, const std::string& what, int threads) const;
  std::vector<Rate> rates_;
};

/// A speed-up: time of the baseline over time of the implementation, from samples that were
/// neighbours in time.
struct Ratio {
  std::string baseline;
  Measured value;
};

/// One implementation at one point of one run, all rounds together.
struct Cell {
  std::string implementation;
  std::string tier;
  std::string device;
  std::string case_id;
  std::string key;
  std::vector<const record::CaseRecord*> records;  // in the order of the rounds
  record::Status status = record::Status::dropped;
  std::string reason;      // of anything but ok
  std::size_t rounds = 0;  // with samples
  std::size_t samples = 0;
  std::optional<Measured> time_ns;  // median; without samples nothing
  double min_ns = 0;
  double mdape = 0;  // median of |sample - median| / median
  std::optional<double> flops_per_s;
  std::optional<double> share_of_peak;
  std::optional<double> bytes_per_s;
  std::optional<double> share_of_copy;  // of the bandwidth of copies, read and written together
  std::optional<double> share_of_reads;
  std::vector<Ratio> speedups;
  std::optional<double> peak_extra_bytes;
  std::optional<double> workspace_bytes;
  std::optional<double> prepare_ns;
  std::map<std::string, std::size_t> flags;  // and in how many rounds

  bool ok() const { return status == record::Status::ok && time_ns.has_value(); }
  const Ratio* over(const std::string& baseline) const;
};

struct Row {
  model::Point point;
  std::vector<Cell> cells;  // one per shown implementation that has records here, in table order
  const Cell* find(const std::string& implementation) const;
};

struct TimedView {
  Declared declared;
  std::vector<std::string> implementations;  // that have records, in the order of the declaration
  std::vector<Row> rows;                     // in the order of the declared axis values
};

/// One implementation of a study at one point, all seeds together.
struct StudyCell {
  std::string implementation;
  std::string case_id;
  std::string key;
  std::vector<const record::StudyRecord*> records;  // in the order of the seeds
  record::Status status = record::Status::dropped;
  std::string reason;
  std::size_t seeds = 0;                    // that ended well
  std::map<std::string, Measured> metrics;  // median, least and largest over seeds
};

struct StudyRow {
  model::Point point;
  std::vector<StudyCell> cells;
  const StudyCell* find(const std::string& implementation) const;
};

struct StudyView {
  Declared declared;
  std::vector<std::string> implementations;
  std::vector<StudyRow> rows;
};

/// The points of the rows, in their order.
template <class View>
std::vector<model::Point> points_of(const View& view) {
  std::vector<model::Point> points;
  for (const auto& row : view.rows) points.push_back(row.point);
  return points;
}

struct RunView {
  std::string run_id;
  const record::RunRecord* run = nullptr;  // null when the file has lost its first line
  std::vector<const record::EventRecord*> events;
  Roof roof;
  std::vector<TimedView> timed;
  std::vector<StudyView> studies;
};

/// One view per run, in the order of the records. The views point into `records`, which must
/// outlive them. Throws std::invalid_argument for a filter that is no regular expression, or that
/// names a run, suite, experiment, axis or value that no record has.
std::vector<RunView> view(const record::RecordSet& records, const Filter& filter = {});

/// "AMD EPYC 9755, 2 threads": as much as the run record knows; never empty.
std::string machine_text(const RunView& run);
/// "run 20260704-... on 2026-07-04, quick, seed 1".
std::string run_text(const RunView& run);

/// The words of a status in tables: unsupported, wrong, out of memory, ...
std::string word_of(record::Status status);

}  // namespace ashlar::report
