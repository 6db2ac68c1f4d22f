#pragma once
// Results of other programs as records, so that a claim file can judge them. What such a file does
// not say (the machine, the build, how an answer was verified) stays null.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/record/record.hpp"

namespace ashlar::record {

struct ImportOptions {
  std::string suite;
  std::string machine_id = "unknown";
  std::string implementation = "imported";  // of names that do not say
  std::string tier = "peer";
  /// ECMAScript regular expression over a whole name. Its named groups (?<experiment>...),
  /// (?<implementation>...) and (?<axes>...) are what they say; any other one is an axis.
  std::optional<std::string> pattern;
  std::vector<std::string> arguments;  // names of the axes that are values only, in order
  std::vector<std::string> baselines;  // implementations that tables compare with
  std::vector<std::string> argv;       // of the command that imports
};

struct Imported {
  RunRecord run;
  std::vector<CaseRecord> cases;      // one round each
  std::vector<std::string> warnings;  // what was left out
};

/// The JSON of Google Benchmark: each repetition is a sample; aggregates are none. Throws FileError
/// naming what is wrong in the file, std::invalid_argument for a pattern that is wrong.
Imported import_google_benchmark(const std::filesystem::path& path, const ImportOptions& options);

/// The JSON of nvbench (--json, --jsonbin): each state is a case. Samples come from the binary
/// files beside it (32-bit floats in seconds, little endian); without them the mean is one sample
/// with the flag few-samples. Throws as above.
Imported import_nvbench(const std::filesystem::path& path, const ImportOptions& options);

}  // namespace ashlar::record
