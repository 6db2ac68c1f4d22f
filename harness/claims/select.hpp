#pragma once
// Which cells a check looks at. Private to this folder.
#include <string>
#include <vector>

#include "harness/claims/index.hpp"
#include "harness/claims/judge.hpp"

namespace ashlar::claims::detail {

/// One run, one value of each axis that the sides leave open, and the entry of each side there.
struct Step {
  const Run* run = nullptr;
  Point rest;                  // without the axes that the sides fix
  std::vector<Entry> entries;  // one per side; empty when missing
  std::string missing;         // why there is no value; else empty
  bool unreached = false;      // missing, since the run did not get there
};

/// A combination of listed values that no step has.
struct Absent {
  Point at;
  std::string why;
};

struct Selection {
  std::vector<Step> steps;            // measured and missing ones, sorted by run and point
  std::vector<std::string> left_out;  // reasons, each once: unsupported, not there
  std::vector<Absent> absent;
  std::string nothing;  // why there are no steps at all; else empty
  std::vector<Evidence> evidence;
};

/// `accept_any_status`: form holds looks at failed cases too.
Selection select(const Check& check, const std::vector<Side>& sides,
                 const std::vector<const Run*>& runs, bool accept_any_status);

}  // namespace ashlar::claims::detail
