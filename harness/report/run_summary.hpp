#pragma once
// The last lines of `ashlar run`: what became of the cases, in words and numbers.
#include <string>

#include "harness/record/file.hpp"

namespace ashlar::report {

struct SummaryOptions {
  bool colour = false;
  std::size_t width = 100;       // lines of reasons are wrapped to it
  std::size_t most_listed = 10;  // per kind of failure; the rest is counted
};

/// Counts of ok, unsupported, wrong, crashed, ... over cases (all rounds of a case together) and
/// study cases; every failure with its reason; dropped points; negative controls that the oracle
/// accepted; wall time of each run. Records without a case give a sentence that says so.
///
/// Dropped points come from case records with status "dropped" and from events "dropped", whose
/// details are {"what": text, "why": text, "round": number}: the first round of a point is listed,
/// later rounds are counted.
std::string run_summary(const record::RecordSet& records, const SummaryOptions& options = {});

/// Seconds from one ISO 8601 UTC time (2026-07-04T10:20:30Z, fraction allowed) to another; nothing
/// where one of them cannot be read.
std::optional<double> seconds_between(const std::string& from, const std::string& to);

}  // namespace ashlar::report
