#pragma once
// Instruction counts by valgrind's callgrind: a metric without noise, for small points on one
// thread. It says nothing about memory, and it counts the code that the program chooses under
// valgrind, which knows no AVX-512: the count names that choice.
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "harness/run/plan.hpp"

namespace ashlar::gate {

struct Instructions {
  std::optional<std::int64_t> count;  // of one execution, after one that warmed up
  std::string target;                 // what the program chose: "highway AVX2, isa avx2"
  std::string why_not;                // when count is absent
};

/// Counts one execution of each implementation of the (small) point in a worker of `program` under
/// callgrind, each verified there first. Devices, other programs and points of more than 200 MFLOP
/// are left out with the reason; so is everything where valgrind is not installed. `scratch` is a
/// folder for its output.
std::map<std::string, Instructions> count_instructions(const std::string& program,
                                                       const run::PlannedPoint& planned,
                                                       const run::Plan& plan,
                                                       const std::filesystem::path& scratch);

/// The count in the text of one of callgrind's output files, from its line "totals: N" (or
/// "summary: N"). Nothing without such a line.
std::optional<std::int64_t> parse_callgrind(const std::string& text);

}  // namespace ashlar::gate
