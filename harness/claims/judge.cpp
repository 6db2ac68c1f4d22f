#include "harness/claims/judge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/decide.hpp"
#include "harness/claims/names.hpp"

namespace ashlar::claims {

namespace {

using detail::Cell;

/// The default of `expect` for forms that have one: better than a tie.
std::optional<Range> default_range(const Check& check) {
  if (check.form != Form::ordering && check.form != Form::monotone) return std::nullopt;
  const double tie = check.difference ? 0 : 1;
  return Range{std::nextafter(tie, std::numeric_limits<double>::infinity())};
}

void apply_defaults(const Claim& claim, const Check& check, Verdict& verdict) {
  verdict.expect = check.expect;
  verdict.direction = check.direction;
  const auto range = default_range(check);
  if (!range) return;
  const bool only_a_sign = check.direction && !check.expect;
  if (!verdict.expect && !only_a_sign && claim.reach != Reach::scaled) verdict.expect = range;
  if (!verdict.direction) verdict.direction = range;
}

std::string unit_of(const Check& check, const Declaration* declaration) {
  if (!check.unit.empty()) return check.unit;
  if (check.form == Form::count) return "cells";
  if (check.form == Form::duration) return "s";
  const bool number = (check.form == Form::within && check.per == 1) || check.difference;
  if (!number) {
    const bool factor =
        check.form == Form::ratio || check.form == Form::ordering || check.form == Form::monotone;
    return factor && check.per == 1 ? "x" : "";
  }
  const std::string& metric = check.metric.text;
  if (metric == "time") return "s";
  if (metric == "rate") return "GFLOP/s";
  if (metric == "bandwidth") return "GB/s";
  if (metric == "memory" || metric == "workspace") return "bytes";
  if (declaration == nullptr) return "";
  const auto it = declaration->metrics.find(metric);
  return it == declaration->metrics.end() ? "" : it->second.unit;
}

bool is_on(const Claim& claim, const std::string& processor) {
  return std::any_of(claim.on.begin(), claim.on.end(), [&](const std::string& part) {
    return detail::lower_case(processor).find(detail::lower_case(part)) != std::string::npos;
  });
}

/// Runs on a machine that the claim asks for; `why_not` when there is none.
std::vector<const detail::Run*> runs_for(const Claim& claim, const std::vector<detail::Run>& runs,
                                         std::string& why_not) {
  std::vector<const detail::Run*> chosen;
  std::vector<std::string> others;
  for (const detail::Run& run : runs) {
    const auto names = run.processors();
    const bool fits = std::any_of(names.begin(), names.end(),
                                  [&](const std::string& name) { return is_on(claim, name); });
    if (claim.on.empty() || fits) {
      chosen.push_back(&run);
    } else {
      for (const std::string& name : names) detail::add_once(others, name);
    }
  }
  if (chosen.empty() && !runs.empty())
    why_not = fmt::format(
        "needs a machine with '{}'; these runs have {}", fmt::join(claim.on, "' or '"),
        others.empty() ? "no known processor" : fmt::format("{}", fmt::join(others, ", ")));
  return chosen;
}

class Judge {
 public:
  Judge(const ClaimFile& file, const record::RecordSet& records, Catalog catalog)
      : file_(file), runs_(detail::index_runs(records, file.suite)), catalog_(std::move(catalog)) {}

  Verdict verdict_of(const Claim& claim) const {
    Verdict verdict;
    verdict.id = claim.id;
    verdict.reach = claim.reach;
    verdict.required = claim.required;
    if (claim.reach == Reach::out_of_reach) {
      verdict.outcome = Outcome::out_of_reach;
      verdict.reason = claim.because;
      return verdict;
    }
    verdict.reason = obstacle(claim);
    if (!verdict.reason.empty()) return verdict;
    std::string why_not;
    const auto runs = runs_for(claim, runs_, why_not);
    if (!why_not.empty()) {
      verdict.reason = why_not;
      return verdict;
    }
    examine(claim, *claim.check, runs, verdict);
    return verdict;
  }

 private:
  /// Why the claim cannot be looked at; empty when it can.
  std::string obstacle(const Claim& claim) const {
    if (!claim.check) return "needs " + claim.needs;
    if (runs_.empty()) return claim.needs.empty() ? "no runs" : "needs " + claim.needs;
    if (!claim.needs.empty())
      return everything_known(*claim.check, catalog_) ? "" : "needs " + claim.needs;
    if (catalog_.empty()) return "";
    const auto unknown = unknown_names(*claim.check, catalog_, file_.path);
    if (unknown.empty()) return "";
    const std::string& first = unknown.front();  // file:line:column: text
    const auto text = first.find(": ");
    return "not in these runs: " + (text == std::string::npos ? first : first.substr(text + 2));
  }

  void examine(const Claim& claim, const Check& check, const std::vector<const detail::Run*>& runs,
               Verdict& verdict) const {
    apply_defaults(claim, check, verdict);
    const auto declared = catalog_.find(check.experiment.text);
    const Declaration* declaration = declared == catalog_.end() ? nullptr : &declared->second;
    verdict.unit = unit_of(check, declaration);
    if (check.form == Form::duration) {
      const std::vector<Cell> cells =
          detail::duration_cells(check, runs, file_.suite, verdict.reason);
      if (!cells.empty()) detail::decide(cells, check, verdict);
      return;
    }
    const std::vector<Side> sides = detail::sides_of(check);
    detail::Selection selection = detail::select(check, sides, runs, check.form == Form::holds);
    verdict.evidence = std::move(selection.evidence);
    if (!selection.nothing.empty()) {
      verdict.reason = selection.nothing;
      return;
    }
    const auto& steps = selection.steps;
    const bool several = std::any_of(steps.begin(), steps.end(), [&](const detail::Step& step) {
      return step.run != steps.front().run;
    });
    const detail::Question question{claim, check, declaration, several,
                                    detail::varying_axes(runs, check.experiment.text)};
    const bool chains = check.form == Form::monotone || check.form == Form::slope ||
                        check.form == Form::crossover || check.form == Form::fits;
    std::vector<Cell> cells = chains ? detail::chain_cells(question, sides, steps)
                                     : detail::point_cells(question, sides, steps);
    for (const detail::Absent& absent : selection.absent) {
      cells.push_back(detail::missing_cell(question.text(absent.at), absent.why));
      cells.back().at = absent.at;
    }
    detail::decide(cells, check, verdict);
    std::erase_if(selection.left_out, [&](const std::string& reason) {  // said already
      return std::any_of(selection.absent.begin(), selection.absent.end(),
                         [&](const detail::Absent& absent) { return absent.why == reason; });
    });
    if (!selection.left_out.empty())
      verdict.reason += fmt::format("{}left out: {}", verdict.reason.empty() ? "" : "; ",
                                    fmt::join(selection.left_out, "; "));
  }

  const ClaimFile& file_;
  std::vector<detail::Run> runs_;
  Catalog catalog_;
};

std::size_t sum_of(const std::map<Outcome, std::size_t>& counts) {
  std::size_t sum = 0;
  for (const auto& [outcome, count] : counts) sum += count;
  return sum;
}

std::size_t count_of(const std::map<Outcome, std::size_t>& counts, Outcome outcome) {
  const auto it = counts.find(outcome);
  return it == counts.end() ? 0 : it->second;
}

}  // namespace

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::reproduced:
      return "reproduced";
    case Outcome::direction_only:
      return "direction-only";
    case Outcome::contradicted:
      return "contradicted";
    case Outcome::inconclusive:
      return "inconclusive";
    case Outcome::not_run:
      return "not-run";
    case Outcome::out_of_reach:
      return "out-of-reach";
  }
  return "";
}

Outcome outcome_of(const Measured& measured, const std::optional<Range>& expect,
                   const std::optional<Range>& direction) {
  if (std::isnan(measured.low) || std::isnan(measured.high)) return Outcome::inconclusive;
  const auto inside = [&](const std::optional<Range>& range) {
    return range && range->low <= measured.low && measured.high <= range->high;
  };
  const auto disjoint = [&](const std::optional<Range>& range) {
    return !range || measured.high < range->low || range->high < measured.low;
  };
  if (inside(expect)) return Outcome::reproduced;
  if (inside(direction)) return Outcome::direction_only;
  if (disjoint(expect) && disjoint(direction)) return Outcome::contradicted;
  return Outcome::inconclusive;
}

std::vector<Verdict> judge(const ClaimFile& file, const record::RecordSet& records) {
  return judge(file, records, catalog_of(records, file.suite));
}

std::vector<Verdict> judge(const ClaimFile& file, const record::RecordSet& records,
                           Catalog catalog) {
  const Judge court(file, records, std::move(catalog));
  std::vector<Verdict> verdicts;
  for (const Claim& claim : file.claims) verdicts.push_back(court.verdict_of(claim));
  return verdicts;
}

std::size_t Summary::total() const { return sum_of(measured); }
std::size_t Summary::total_model() const { return sum_of(model); }

std::string Summary::headline() const {
  std::string text =
      fmt::format("{} of {} claims reproduced", count_of(measured, Outcome::reproduced), total());
  const std::pair<Outcome, const char*> others[] = {{Outcome::direction_only, "in direction only"},
                                                    {Outcome::contradicted, "contradicted"},
                                                    {Outcome::inconclusive, "inconclusive"},
                                                    {Outcome::not_run, "not run here"},
                                                    {Outcome::out_of_reach, "out of reach"}};
  for (const auto& [outcome, words] : others)
    if (const auto count = count_of(measured, outcome); count > 0)
      text += fmt::format(", {} {}", count, words);
  if (total_model() == 0) return text;
  const std::size_t judged =
      total_model() - count_of(model, Outcome::not_run) - count_of(model, Outcome::out_of_reach);
  if (judged == 0)
    return text + fmt::format("; model claims apart: none of {} judged", total_model());
  text += fmt::format("; model claims apart: {} of {} judged agree",
                      count_of(model, Outcome::reproduced), judged);
  if (judged < total_model()) text += fmt::format(", {} not judged", total_model() - judged);
  return text;
}

Summary summarize(const std::vector<Verdict>& verdicts) {
  Summary summary;
  for (const Verdict& verdict : verdicts) {
    ++(verdict.reach == Reach::model ? summary.model : summary.measured)[verdict.outcome];
    if (verdict.required && verdict.outcome == Outcome::contradicted)
      summary.required_contradicted.push_back(verdict.id);
  }
  return summary;
}

}  // namespace ashlar::claims
