#pragma once
// Everything that the records say of one case.
#include <string>
#include <string_view>

#include "harness/record/file.hpp"

namespace ashlar::report {

struct ShowOptions {
  bool colour = false;
  std::size_t width = 100;
};

/// Point, status, every round with all its samples, speed-ups, share of the peak, counters, memory,
/// the checks with norms and limits, and the command line that repeats the case. Studies: every
/// seed with its metrics.
///
/// `selector` is a case id, the beginning of one (four digits or more), a key, or its last words
/// ("dtype=f32/flash").
/// Every run that holds the case is shown. Throws std::invalid_argument when no case, or more than
/// one, is meant; the message is one line that names a few candidates.
std::string show_case(const record::RecordSet& records, std::string_view selector,
                      const ShowOptions& options = {});

/// `ashlar run SUITE --mode M --where axis=value ... --only REGEX --seed S --threads T`, quoted for
/// a shell. `run` may be null: then mode and seed are missing.
std::string repeat_command(const record::RunRecord* run, const std::string& suite,
                           const std::string& experiment, const model::Point& point,
                           const std::string& implementation, int threads);

}  // namespace ashlar::report
