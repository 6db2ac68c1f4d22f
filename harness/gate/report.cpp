#include "harness/gate/report.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/report/text.hpp"
#include "harness/report/units.hpp"

namespace ashlar::gate {

namespace {

using report::count_of;
using report::escape_markdown;

std::string time_of(double nanoseconds) { return report::time_text({.value = nanoseconds}); }

std::string bold(const std::string& text) { return fmt::format("**{}**", text); }

/// "2 cases are slower", "1 case is unclear".
std::string are(std::size_t count, std::string_view what) {
  return fmt::format("{} {} {}", count_of(count, "case"), count == 1 ? "is" : "are", what);
}

std::string counts_text(const Report& report) {
  auto counts = count_verdicts(report.comparison);
  std::string text;
  for (const Verdict verdict :
       {Verdict::slower, Verdict::faster, Verdict::same, Verdict::unclear, Verdict::disturbed}) {
    if (counts[verdict] > 0 || verdict == Verdict::slower)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts[verdict], name_of(verdict));
  }
  return text;
}

report::Colour colour_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::slower:
      return report::Colour::red;
    case Verdict::faster:
      return report::Colour::green;
    case Verdict::same:
      return report::Colour::grey;
    default:
      return report::Colour::yellow;
  }
}

/// The measurement that the verdict rests on.
const Estimate& deciding(const Judgement& judgement) {
  return judgement.confirmation ? judgement.confirmation->estimate : judgement.first.estimate;
}

/// Loud verdicts first, the plan's order within each.
std::vector<std::size_t> by_verdict(const Comparison& comparison) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < comparison.cases.size(); ++i)
    if (comparison.cases[i].measured) order.push_back(i);
  const auto rank = [&](std::size_t i) {
    constexpr Verdict kOrder[] = {Verdict::slower, Verdict::disturbed, Verdict::unclear,
                                  Verdict::faster, Verdict::same};
    return std::find(std::begin(kOrder), std::end(kOrder), comparison.cases[i].verdict) - kOrder;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  return order;
}

std::string settings(const Report& report) {
  return fmt::format("mode {}, seed {}, {}, margin {:.1f} %, {:.0f} s on {}", report.mode,
                     report.seed, count_of(static_cast<std::size_t>(report.threads), "thread"),
                     per_cent(report.effort.margin), report.seconds,
                     report.machine_id.empty() ? "an unknown machine" : report.machine_id);
}

std::string machine_text(const Report& report) {
  std::string text = fmt::format("anchor {}", percent_text(report.comparison.anchor));
  for (const auto& [field, words] :
       {std::pair{"steal", "taken by the host"}, {"foreign", "by other processes"}}) {
    if (report.activity.is_object() && report.activity.at(field).is_number())
      text += fmt::format(", {:.1f} % of CPU time {}",
                          100 * report.activity.at(field).get<double>(), words);
  }
  return text;
}

/// What this machine's gate is known to do, from its self-test.
std::vector<std::string> runner_lines(const Report& report, const ReportStyle& style) {
  if (!style.runner)
    return {
        "The false alarms and the power of this gate were not measured on this machine: run "
        "'ashlar selftest'."};
  std::vector<std::string> lines;
  if (style.runner->machine_id != report.machine_id)
    lines.push_back(fmt::format("Measured on another machine, {}:", style.runner->machine_id));
  for (const TrialResult& result : style.runner->trials) {
    auto verdicts = result.verdicts;
    const double margin = per_cent(result.trial.margin);
    const std::string slower = proportion_text(verdicts[Verdict::slower], result.comparisons);
    if (result.trial.slow_down > 0) {
      lines.push_back(fmt::format("{:+.0f} % injected, margin {:.0f} %: called slower in {}",
                                  100 * result.trial.slow_down, margin, slower));
    } else {
      lines.push_back(fmt::format(
          "same program on both sides{}, margin {:.0f} %: falsely slower in {}; same in {}",
          result.trial.load > 0 ? fmt::format(" beside {} busy loops", result.trial.load)
                                : std::string(),
          margin, slower, proportion_text(verdicts[Verdict::same], result.comparisons)));
    }
  }
  return lines;
}

/// One line per reason, with the case or how many they are.
std::vector<std::string> listed_by_reason(const Report& report) {
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
  for (const Listed& listed : report.listed) {
    auto found = std::find_if(reasons.begin(), reasons.end(),
                              [&](const auto& reason) { return reason.first == listed.why; });
    if (found == reasons.end()) found = reasons.insert(reasons.end(), {listed.why, {}});
    found->second.push_back(listed.key);
  }
  std::vector<std::string> lines;
  for (const auto& [why, keys] : reasons) {
    const std::string more =
        keys.size() > 1 ? fmt::format(" and {} more", keys.size() - 1) : std::string();
    lines.push_back(fmt::format("{}{}: {}", keys.front(), more, why));
  }
  return lines;
}

/// A comment on a pull request holds 65536 characters; what is left out is counted.
constexpr std::size_t kMostRows_bytes = 20'000;

std::string markdown_rows(const Report& report, const std::vector<std::size_t>& order) {
  std::string text =
      "| case | base | head | change | verdict | anchor |\n|---|--:|--:|--:|---|--:|\n";
  std::size_t shown = 0;
  for (const std::size_t i : order) {
    if (text.size() > kMostRows_bytes) {
      return fmt::format("{}\n... and {} more\n", text, count_of(order.size() - shown, "case"));
    }
    ++shown;
    const Judgement& judgement = report.comparison.cases[i];
    const Estimate& estimate = deciding(judgement);
    const std::string verdict(name_of(judgement.verdict));
    const bool loud = judgement.verdict != Verdict::same;
    text += fmt::format(
        "| `{}` | {} | {} | {} | {}{} | {} |\n", escape_markdown(report.cases[i].key),
        time_of(estimate.base_ns), time_of(estimate.head_ns), change_text(estimate.change),
        loud ? bold(verdict) : verdict,
        judgement.reason.empty() ? "" : fmt::format(": {}", escape_markdown(judgement.reason)),
        percent_text(estimate.anchor));
  }
  return text;
}

std::string markdown_counts(const Report& report) {
  std::string text;
  if (report.instructions.empty()) return text;
  text +=
      "\n<details><summary>Instructions of one execution</summary>\n\n"
      "| case | base | head | change |\n|---|--:|--:|--:|\n";
  for (const Counted& counted : report.instructions) {
    const auto count = [](const Instructions& side) {
      return side.count ? fmt::format("{} {}", *side.count, side.target) : side.why_not;
    };
    const bool both = counted.base.count && counted.head.count && *counted.base.count > 0;
    text += fmt::format(
        "| `{}` | {} | {} | {} |\n", escape_markdown(counted.key),
        escape_markdown(count(counted.base)), escape_markdown(count(counted.head)),
        both ? fmt::format("{:+.3f} %", 100 * (static_cast<double>(*counted.head.count) /
                                                   static_cast<double>(*counted.base.count) -
                                               1))
             : std::string());
  }
  return text + "\n</details>\n";
}

}  // namespace

std::string change_text(const statistics::Interval& log_change) {
  if (std::isnan(log_change.estimate)) return "unknown";
  if (!std::isfinite(log_change.low) || !std::isfinite(log_change.high))
    return percent_text(log_change.estimate) + " [unknown]";
  return fmt::format("{} [{:+.1f}, {:+.1f}]", percent_text(log_change.estimate),
                     per_cent(log_change.low), per_cent(log_change.high));
}

std::string headline(const Report& report, const ReportStyle& style) {
  auto counts = count_verdicts(report.comparison);
  const auto wrong = static_cast<std::size_t>(
      std::count_if(report.hard.begin(), report.hard.end(),
                    [](const HardFailure& failure) { return failure.wrong; }));
  const std::size_t hard = report.hard.size() - wrong;
  const std::string slower = are(counts[Verdict::slower], "slower");
  const std::string shadow = style.shadow ? " (shadow: reported, not enforced)" : "";
  switch (exit_code(report, style.strict, false)) {
    case 130:
      return "interrupted: what was measured until then";
    case 2:
      return "failed: " + are(wrong, "wrong or broken in head");
    case 1:
      if (hard == 0) return "failed: " + slower + shadow;
      return fmt::format("failed: {}{} without statistics{}",
                         counts[Verdict::slower] > 0 ? slower + ", " : "",
                         count_of(hard, "gate") + (hard == 1 ? " fails" : " fail"), shadow);
    case 4:
      if (counts[Verdict::disturbed] > 0 || report.comparison.disturbed)
        return "inconclusive: the machine was disturbed" + shadow;
      return "inconclusive: " + are(counts[Verdict::unclear], "unclear") + shadow;
    default:
      return counts[Verdict::unclear] > 0
                 ? "passed: nothing is slower; " + are(counts[Verdict::unclear], "unclear")
                 : "passed: nothing is slower";
  }
}

std::string text_report(const Report& report, const ReportStyle& style) {
  std::string text = fmt::format("gate: {}\n{}\n\n", headline(report, style), settings(report));
  const std::vector<std::size_t> order = by_verdict(report.comparison);
  if (!order.empty()) {
    text += fmt::format("{:<9}  {:<26}  {:>10}  {:>10}  {:>7}  {}\n", "verdict", "change", "base",
                        "head", "anchor", "case");
  }
  for (const std::size_t i : order) {
    const Judgement& judgement = report.comparison.cases[i];
    const Estimate& estimate = deciding(judgement);
    const std::string verdict = report::pad(name_of(judgement.verdict), 9);
    text +=
        fmt::format("{}  {:<26}  {:>10}  {:>10}  {:>7}  {}\n",
                    report::paint(verdict, colour_of(judgement.verdict), style.colour),
                    change_text(estimate.change), time_of(estimate.base_ns),
                    time_of(estimate.head_ns), percent_text(estimate.anchor), report.cases[i].key);
    if (!judgement.reason.empty()) text += fmt::format("{:<9}  {}\n", "", judgement.reason);
  }
  text += fmt::format("\n{}; {}\n", counts_text(report), machine_text(report));
  if (report.comparison.moved_together) text += *report.comparison.moved_together + "\n";
  for (const HardFailure& failure : report.hard)
    text +=
        fmt::format("{}: {}: {}\n", report::paint(failure.gate, report::Colour::red, style.colour),
                    failure.what, failure.why);
  for (const Counted& counted : report.instructions) {
    for (const auto& [name, side] : {std::pair{"base", &counted.base}, {"head", &counted.head}})
      if (!side->count)
        text += fmt::format("instructions not counted in {}: {}: {}\n", name, counted.key,
                            side->why_not);
  }
  for (const std::string& line : listed_by_reason(report))
    text += fmt::format("not compared: {}\n", line);
  for (const std::string& line : runner_lines(report, style)) text += fmt::format("{}\n", line);
  return text;
}

std::string markdown_report(const Report& report, const ReportStyle& style) {
  std::string text = fmt::format("### Performance gate: {}\n\n{}; {}.\n", headline(report, style),
                                 counts_text(report), machine_text(report));
  const std::vector<std::size_t> order = by_verdict(report.comparison);
  const auto first_same = std::find_if(order.begin(), order.end(), [&](std::size_t i) {
    return report.comparison.cases[i].verdict == Verdict::same;
  });
  const std::vector<std::size_t> loud(order.begin(), first_same);
  const std::vector<std::size_t> same(first_same, order.end());
  if (!loud.empty()) text += fmt::format("\n{}", markdown_rows(report, loud));
  if (report.comparison.moved_together)
    text += fmt::format("\nNote: {}.\n", *report.comparison.moved_together);
  if (!report.hard.empty()) {
    text += "\n**Gates without statistics**\n\n| gate | what | finding |\n|---|---|---|\n";
    for (const HardFailure& failure : report.hard) {
      text += fmt::format("| {} | `{}` | {} |\n", failure.gate, escape_markdown(failure.what),
                          escape_markdown(failure.why));
    }
  }
  if (!same.empty()) {
    text += fmt::format("\n<details><summary>The same: {}</summary>\n\n{}\n</details>\n",
                        count_of(same.size(), "case"), markdown_rows(report, same));
  }
  text += markdown_counts(report);
  if (!report.listed.empty()) {
    text += fmt::format("\n<details><summary>Not compared: {}</summary>\n\n",
                        count_of(report.listed.size(), "case"));
    for (const std::string& line : listed_by_reason(report))
      text += fmt::format("- {}\n", escape_markdown(line));
    text += "\n</details>\n";
  }
  text += "\nHow often this gate is wrong here:\n";
  for (const std::string& line : runner_lines(report, style)) text += fmt::format("- {}\n", line);
  text += fmt::format("\n<sub>base `{}`, head `{}`; {}</sub>\n", report.base, report.head,
                      settings(report));
  return text;
}

}  // namespace ashlar::gate
