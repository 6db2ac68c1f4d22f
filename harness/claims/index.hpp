#pragma once
// The records of one suite, sorted by run, experiment, point and implementation. Private to this
// folder. Everything points into the record set, which must outlive the index.
#include <map>
#include <string>
#include <vector>

#include "harness/claims/claim.hpp"

namespace ashlar::claims::detail {

/// One implementation at one point in one run: all its rounds, or all its seeds.
struct Entry {
  std::string implementation;
  std::vector<const record::CaseRecord*> cases;     // by round
  std::vector<const record::StudyRecord*> studies;  // by seed
  std::vector<const record::CheckRecord*> checks;   // without controls
};

using Implementations = std::map<std::string, Entry>;
using Points = std::map<Point, Implementations>;

struct Run {
  std::string id;
  const record::RunRecord* record = nullptr;  // nullptr when its line is missing
  std::vector<const record::EventRecord*> events;
  std::map<std::string, Points> experiments;

  /// Names of the CPU and the GPUs, as the environment has them.
  std::vector<std::string> processors() const;
  /// The FMA peak in GFLOP/s for that precision and thread count, the larger of the start and the
  /// end of the run; nothing where it was not measured.
  std::optional<double> peak_gflops(const std::string& device, const std::string& precision,
                                    int threads) const;
  /// The bandwidth of copies in GB/s, read and written together, likewise.
  std::optional<double> copy_gb_per_s(const std::string& device, int threads) const;
  /// The bandwidth of reads alone in GB/s, likewise.
  std::optional<double> read_gb_per_s(const std::string& device, int threads) const;

 private:
  template <class Read>
  std::optional<double> highest(const Read& read) const;
};

std::vector<Run> index_runs(const record::RecordSet& records, const std::string& suite);

/// What became of the entry over all its rounds or seeds: the gravest status (record::severity),
/// and the reason of the first record that has it.
struct Fate {
  record::Status status = record::Status::ok;
  std::string reason;
};
Fate fate_of(const Entry& entry);
/// "naive unsupported: more than 1e9 operations"
std::string describe(const Entry& entry, const Fate& fate);

}  // namespace ashlar::claims::detail
