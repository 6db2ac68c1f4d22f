#pragma once
// Verdicts: what the records say of each claim. Pure functions of records and claims; the same
// input gives the same output, digit for digit.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/claims/claim.hpp"
#include "harness/record/file.hpp"

namespace ashlar::claims {

enum class Outcome {
  reproduced,
  direction_only,
  contradicted,
  inconclusive,
  not_run,
  out_of_reach
};
std::string_view name_of(Outcome outcome);

/// A measured value and its interval.
struct Measured {
  double low = 0;
  double estimate = 0;
  double high = 0;
};

/// Which records a verdict rests on. `rounds` are the seeds in a study.
struct Evidence {
  std::string run_id;
  std::string case_id;
  std::string key;
  std::vector<std::int64_t> rounds;
};

struct Verdict {
  std::string id;
  Outcome outcome = Outcome::not_run;
  Reach reach = Reach::direct;
  bool required = false;
  std::optional<Measured> measured;  // of all cells together; with `all` and `any` the deciding one
  std::optional<Range> expect;       // as applied, defaults of the form included
  std::optional<Range> direction;
  std::string unit;
  std::string reason;
  std::size_t cells = 0;             // looked at, missing ones included
  std::size_t cells_judged = 0;      // not missing
  std::size_t cells_reproduced = 0;  // inside `expect`
  std::vector<Evidence> evidence;
};

/// One verdict per claim, in the file's order. Throws nothing for what is missing in the records:
/// that is the verdict not-run.
std::vector<Verdict> judge(const ClaimFile& file, const record::RecordSet& records);
/// The same with a catalog that knows more than the records, such as what the suite declares.
std::vector<Verdict> judge(const ClaimFile& file, const record::RecordSet& records,
                           Catalog catalog);

/// I inside expect, inside direction, disjoint from both, or none of these (DESIGN.md section 5).
/// An interval with a NaN is inconclusive.
Outcome outcome_of(const Measured& measured, const std::optional<Range>& expect,
                   const std::optional<Range>& direction);

/// The headline. Model claims are counted apart.
struct Summary {
  std::map<Outcome, std::size_t> measured;  // direct, scaled and out-of-reach claims
  std::map<Outcome, std::size_t> model;
  std::vector<std::string> required_contradicted;  // ids

  std::size_t total() const;  // without model claims
  std::size_t total_model() const;
  /// "12 of 96 claims reproduced, 3 in direction only, ...; model claims apart: 6 of 8 judged
  /// agree, 9 not judged"
  std::string headline() const;
};
Summary summarize(const std::vector<Verdict>& verdicts);

}  // namespace ashlar::claims
