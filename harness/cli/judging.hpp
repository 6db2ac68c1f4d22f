#pragma once
// Claim files and what records say of them, for the verbs that judge.
#include <string>
#include <vector>

#include "harness/cli/command.hpp"
#include "harness/record/file.hpp"
#include "harness/report/verdicts.hpp"

namespace ashlar::cli {

/// Judges the records by the named claim files or, without any, by those of the suites that the
/// records hold. Every file is read, so that the problems of all are listed at once. Throws
/// UsageError where there is no claim file, claims::ClaimError. Warnings go to standard error.
std::vector<report::Judged> judge_records(const Context& context,
                                          const std::vector<std::string>& claim_files,
                                          const record::RecordSet& records);

}  // namespace ashlar::cli
