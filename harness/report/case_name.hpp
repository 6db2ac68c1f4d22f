#pragma once
// Which case a word on the command line means.
#include <string>
#include <string_view>

#include "harness/record/file.hpp"

namespace ashlar::report {

struct CaseName {
  std::string case_id;
  std::string key;
  bool operator<(const CaseName& other) const { return key < other.key; }
};

/// The case of a timed experiment or a study by its id, the beginning of one (four digits or more),
/// its key, or the last words of its key ("dtype=f32/flash"). Throws std::invalid_argument when
/// none, or more than one, is meant: one line with the nearest name, or with a few candidates.
CaseName find_case(const record::RecordSet& records, std::string_view selector);

}  // namespace ashlar::report
