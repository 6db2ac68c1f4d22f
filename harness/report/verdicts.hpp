#pragma once
// The verdict table of `ashlar check`.
#include <string>
#include <vector>

#include "harness/claims/judge.hpp"
#include "harness/report/text.hpp"

namespace ashlar::report {

/// A claim file and what the records said of it: one verdict per claim, in the file's order.
struct Judged {
  claims::ClaimFile file;
  std::vector<claims::Verdict> verdicts;
};

struct VerdictOptions {
  bool colour = false;
  std::size_t width = 100;
  /// False: claims that were not run or are out of reach are gathered by their reason.
  bool every = false;
};

/// For a terminal: per file the headline, then the claims grouped by outcome, what asks for a look
/// first. Each has a line with id, reported, expected and measured, and below it the reason over
/// the whole width. Nothing is cut; where the columns have no room they become a sentence. No
/// claims give a sentence that says so.
std::string verdict_text(const std::vector<Judged>& suites, const VerdictOptions& options = {});

/// Markdown and LaTeX: one table per suite, without `every` of what was measured only (the line
/// below counts the rest). CSV and JSON: one row per claim, always, with every field and the case
/// ids that it rests on.
std::string verdict_table(const std::vector<Judged>& suites, Format format, bool every = false);

}  // namespace ashlar::report
