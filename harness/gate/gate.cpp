#include "harness/gate/gate.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace ashlar::gate {

namespace {

/// What of the plan a gate does not measure.
std::vector<Listed> left_out(const run::Plan& plan) {
  std::vector<Listed> listed;
  for (const run::PlannedPoint& planned : plan.points) {
    const bool study = planned.experiment->kind == model::Kind::study;
    for (const model::Implementation* implementation : planned.implementations) {
      if (!study && !implementation->external()) continue;
      listed.push_back({run::case_key(*planned.experiment, planned.point, implementation->name),
                        study ? "left out: a study asks for quality, not for time"
                              : "left out: another program, the same on both sides"});
    }
  }
  return listed;
}

std::string in_brackets(const Fate& fate) {
  switch (fate.kind) {
    case Fate::Kind::fine:
      return "fine";
    case Fate::Kind::absent:
      return "not there";
    case Fate::Kind::unsupported:
      return "unsupported (" + fate.reason + ")";
    case Fate::Kind::wrong:
      return "wrong (" + fate.reason + ")";
    case Fate::Kind::broken:
      return "broken (" + fate.reason + ")";
  }
  return "";
}

/// Why a case that was not compared was not.
std::string why_lost(const Case& one) {
  using Kind = Fate::Kind;
  if (one.base.kind == Kind::absent && one.head.kind == Kind::absent) return "in neither build";
  if (one.base.kind == Kind::absent) return "only in head";
  if (one.head.kind == Kind::absent) return "only in base";
  if (one.base.kind == one.head.kind && one.base.reason == one.head.reason)
    return fmt::format("{} in both", in_brackets(one.head));
  return fmt::format("base: {}; head: {}", in_brackets(one.base), in_brackets(one.head));
}

void judge_hard(Report& report) {
  for (std::size_t i = 0; i < report.cases.size(); ++i) {
    const Case& one = report.cases[i];
    if (auto failure = fate_gate(one.key, one.base, one.head)) {
      report.hard.push_back(*failure);
    } else if (!report.comparison.cases[i].measured) {
      report.listed.push_back({one.key, why_lost(one)});
    }
    for (HardFailure& failure : evidence_gates(one.key, one.base_evidence, one.head_evidence))
      report.hard.push_back(std::move(failure));
  }
}

/// Only the smallest point of each experiment: counting takes some fifty times as long as running.
void count(Report& report, const run::Plan& plan, const GateOptions& options) {
  std::vector<const model::Experiment*> seen;
  for (const run::PlannedPoint& all : plan.points) {
    if (options.pairs.interrupted != nullptr && *options.pairs.interrupted != 0) return;
    const bool first = std::find(seen.begin(), seen.end(), all.experiment) == seen.end();
    if (!first || all.experiment->kind != model::Kind::timed) continue;
    seen.push_back(all.experiment);
    run::PlannedPoint planned = all;
    std::erase_if(planned.implementations, [&](const model::Implementation* one) {
      const std::string key = run::case_key(*all.experiment, all.point, one->name);
      const auto found = std::find_if(report.cases.begin(), report.cases.end(),
                                      [&](const Case& other) { return other.key == key; });
      return found == report.cases.end() || found->base.kind != Fate::Kind::fine ||
             found->head.kind != Fate::Kind::fine || one->options.device != model::Device::cpu;
    });
    if (planned.implementations.empty()) continue;
    auto base = count_instructions(options.count_base, planned, plan, options.scratch);
    auto head = count_instructions(options.count_head, planned, plan, options.scratch);
    for (const model::Implementation* one : planned.implementations) {
      Counted counted{run::case_key(*all.experiment, all.point, one->name), base[one->name],
                      head[one->name]};
      if (auto failure = instruction_gate(counted.key, counted.base, counted.head))
        report.hard.push_back(*failure);
      report.instructions.push_back(std::move(counted));
    }
  }
}

}  // namespace

Report run_gate(const run::Plan& plan, const GateOptions& options) {
  Report report;
  report.base = std::filesystem::proximate(options.pairs.base.command.front()).string();
  report.head = std::filesystem::proximate(options.pairs.head.command.front()).string();
  report.mode = model::name_of(plan.mode);
  report.seed = plan.seed;
  report.threads = options.pairs.threads;
  report.effort = options.effort;
  report.listed = left_out(plan);
  WorkerPairs pairs(plan, options.pairs);
  std::vector<std::string> ids;
  for (const Case& one : pairs.cases()) ids.push_back(one.id);
  report.comparison = compare(pairs, ids, options.effort);
  report.cases = pairs.cases();
  report.activity = pairs.activity();
  judge_hard(report);
  if (!options.count_base.empty()) count(report, plan, options);
  report.interrupted = pairs.stopping();
  report.seconds = pairs.elapsed_s();
  return report;
}

std::map<Verdict, std::size_t> count_verdicts(const Comparison& comparison) {
  std::map<Verdict, std::size_t> counts;
  for (const Judgement& judgement : comparison.cases)
    if (judgement.measured) ++counts[judgement.verdict];
  return counts;
}

int exit_code(const Report& report, bool strict, bool shadow) {
  const auto any = [&](bool wrong) {
    return std::any_of(report.hard.begin(), report.hard.end(),
                       [wrong](const HardFailure& failure) { return failure.wrong == wrong; });
  };
  auto counts = count_verdicts(report.comparison);
  if (report.interrupted) return 130;
  if (any(true)) return 2;
  if (shadow) return 0;
  if (any(false) || counts[Verdict::slower] > 0) return 1;
  const bool unsettled = counts[Verdict::disturbed] > 0 || report.comparison.disturbed;
  return unsettled || (strict && counts[Verdict::unclear] > 0) ? 4 : 0;
}

}  // namespace ashlar::gate
