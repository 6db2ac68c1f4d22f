#pragma once
// A gate's report for a terminal, for a pull request and for programs.
#include <optional>
#include <string>

#include "harness/gate/gate.hpp"
#include "harness/gate/selftest.hpp"

namespace ashlar::gate {

struct ReportStyle {
  bool colour = false;
  bool strict = false;
  bool shadow = false;
  std::optional<Runner> runner;  // its own false alarms and power, when they were measured
};

/// The verdict of the job in one line: "failed: 2 cases are slower".
std::string headline(const Report& report, const ReportStyle& style);
/// "+8.1 % [+7.2, +9.0]".
std::string change_text(const statistics::Interval& log_change);

std::string text_report(const Report& report, const ReportStyle& style);
/// For a comment on a pull request: the cases that changed or are in doubt, the rest folded away.
std::string markdown_report(const Report& report, const ReportStyle& style);
/// Everything that was measured: enough to decide again. docs/gate.md lists the fields.
Json json_report(const Report& report, const ReportStyle& style);

}  // namespace ashlar::gate
