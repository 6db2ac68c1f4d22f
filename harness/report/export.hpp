#pragma once
// Records in the formats of other tools. Pure functions of records; docs/exports.md says what goes
// where.
#include <string>
#include <vector>

#include "harness/record/file.hpp"
#include "harness/report/verdicts.hpp"
#include "harness/report/view.hpp"

namespace ashlar::report {

/// The JSON of Google Benchmark, as its compare.py reads it: each sample is a repetition, followed
/// by mean, median, stddev and cv; cases that failed are errors without a time. Names are case
/// keys, times nanoseconds; a CPU time that is not known is 0. Throws std::invalid_argument where
/// the records hold several runs, for which the format has no place; NothingToShow.
std::string export_google_benchmark(const record::RecordSet& records, const Filter& filter = {});

/// Bencher Metric Format: per case key the measure `latency` (median time in ns) and, where the
/// work is known, `throughput` (FLOP/s), each with the ends of its interval. Throws as above.
std::string export_bencher(const record::RecordSet& records, const Filter& filter = {});

/// JUnit XML: a test suite per run and experiment with a test case per case (wrong answer: failure;
/// crash, timeout and the like: error; unsupported, dropped: skipped) and per negative control, and
/// one per claim file (contradicted and required: failure; what could not be decided: skipped; the
/// verdict in system-out). Throws NothingToShow where there is neither.
std::string export_junit(const record::RecordSet& records, const std::vector<Judged>& claims,
                         const Filter& filter = {});

/// CSV (RFC 4180), one row per case and round of timed experiments and per seed of studies; columns
/// name their units. Throws NothingToShow.
std::string export_csv(const record::RecordSet& records, const Filter& filter = {});
/// One row per sample. Throws NothingToShow.
std::string export_csv_samples(const record::RecordSet& records, const Filter& filter = {});

}  // namespace ashlar::report
