#pragma once
// The time of day, as records, locks and names of runs write it.
#include <string>

namespace ashlar::model {

/// ISO 8601 in UTC, to the second; or another format of strftime.
std::string utc_now(const char* format = "%Y-%m-%dT%H:%M:%SZ");

}  // namespace ashlar::model
