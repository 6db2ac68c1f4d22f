#pragma once
// The same cases of two runs side by side. Never a verdict: a ratio across runs mixes the change of
// the code with everything else that changed in between.
#include <optional>
#include <string>

#include "harness/record/file.hpp"
#include "harness/report/text.hpp"
#include "harness/report/view.hpp"

namespace ashlar::report {

/// A table per experiment that both runs have: times of both, their ratio with the bootstrap
/// interval of two independent sets of rounds, the ratio normalised by what the calibrations say of
/// the two machines, and changes of status; then the cases that only one has. CSV and JSON: a row
/// per case with every field. Throws std::invalid_argument where either holds no run or several
/// (those that the filter leaves); NothingToShow without cases.
std::string diff_table(const record::RecordSet& before, const record::RecordSet& after,
                       Format format, const Filter& filter = {});

/// How much faster the machine was in the second run by the calibrations of both: the geometric
/// mean of the ratios of FMA peak and copy bandwidth on that device. Nothing where a run has
/// neither.
std::optional<double> calibration_ratio(const Roof& before, const Roof& after,
                                        const std::string& device, const std::string& precision,
                                        int threads);

}  // namespace ashlar::report
