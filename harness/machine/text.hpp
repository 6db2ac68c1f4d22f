#pragma once
#include <string>

#include "harness/machine/calibration.hpp"

namespace ashlar::machine {

/// The machine for people: a block of "name  value" lines, the rates as a table, and every flag in
/// words. `calibration` may be null (not measured). Reads records of other machines too: fields
/// that are null or missing show as "unknown". Ends with a line break.
std::string describe(const Json& environment, const Json& build, const Calibration* calibration);

/// "5 % drift" in words, one line per drifted rate; empty where nothing drifted.
std::string describe(const Drift& drift);

/// One flag of a calibration as a sentence.
std::string describe_flag(const std::string& flag);

}  // namespace ashlar::machine
