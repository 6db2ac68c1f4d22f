#include <cmath>

#include "harness/gate/report.hpp"
#include "harness/record/record.hpp"

namespace ashlar::gate {

namespace {

Json number(double value) { return record::number_to_json(value); }

Json estimate_json(const Measured& measured) {
  const Estimate& estimate = measured.estimate;
  Json pairs = Json::array();
  for (const PairData& pair : measured.pairs) {
    Json groups = Json::array();
    for (const Group& group : pair.groups) {
      groups.push_back({number(group.base_ns), number(group.head_ns), number(group.anchor_base_ns),
                        number(group.anchor_head_ns)});
    }
    Json changes = Json::array();
    for (const double change : log_changes(pair)) changes.push_back(number(change));
    pairs.push_back({{"groups_ns", groups},
                     {"log_changes", changes},
                     {"samples", pair.samples},
                     {"switched", pair.switched}});
  }
  return {{"verdict", name_of(measured.verdict)},
          {"log_change", number(estimate.change.estimate)},
          {"log_low", number(estimate.change.low)},
          {"log_high", number(estimate.change.high)},
          {"bootstrap_half", number(estimate.bootstrap_half)},
          {"process_half", number(estimate.process_half)},
          {"rounding_half", number(estimate.rounding_half)},
          {"log_anchor", number(estimate.anchor)},
          {"p", number(estimate.p)},
          {"p_beyond", number(estimate.p_beyond)},
          {"base_ns", number(estimate.base_ns)},
          {"head_ns", number(estimate.head_ns)},
          {"pairs", pairs}};
}

Json fate_json(const Fate& fate) {
  static constexpr const char* kNames[] = {"fine", "absent", "unsupported", "wrong", "broken"};
  return {{"fate", kNames[static_cast<std::size_t>(fate.kind)]}, {"reason", fate.reason}};
}

Json evidence_json(const Evidence& evidence) {
  const auto bytes = [](std::optional<std::int64_t> value) {
    return value ? Json(*value) : Json(nullptr);
  };
  return {{"norms", evidence.norms},
          {"limit", evidence.limit},
          {"peak_extra_bytes", bytes(evidence.peak_extra_bytes)},
          {"workspace_bytes", bytes(evidence.workspace_bytes)}};
}

Json side_json(const Fate& fate, const Evidence& evidence) {
  Json json = fate_json(fate);
  json.update(evidence_json(evidence));
  return json;
}

Json case_json(const Case& one, const Judgement& judgement) {
  return {{"key", one.key},
          {"case_id", one.id},
          {"metric", name_of(one.metric)},
          {"batch", one.batch},
          {"runs", one.runs},
          {"base", side_json(one.base, one.base_evidence)},
          {"head", side_json(one.head, one.head_evidence)},
          {"verdict", judgement.measured ? Json(name_of(judgement.verdict)) : Json(nullptr)},
          {"reason", judgement.reason},
          {"log_margin", number(judgement.margin)},
          {"p_adjusted", number(judgement.p_adjusted)},
          {"p_holm", judgement.p_holm ? number(*judgement.p_holm) : Json(nullptr)},
          {"first", judgement.measured ? estimate_json(judgement.first) : Json(nullptr)},
          {"confirmation",
           judgement.confirmation ? estimate_json(*judgement.confirmation) : Json(nullptr)}};
}

Json instructions_json(const Instructions& side) {
  return {{"count", side.count ? Json(*side.count) : Json(nullptr)},
          {"target", side.target},
          {"why_not", side.why_not}};
}

}  // namespace

Json json_report(const Report& report, const ReportStyle& style) {
  Json cases = Json::array();
  for (std::size_t i = 0; i < report.cases.size(); ++i)
    cases.push_back(case_json(report.cases[i], report.comparison.cases[i]));
  Json hard = Json::array();
  for (const HardFailure& failure : report.hard) {
    hard.push_back({{"gate", failure.gate},
                    {"what", failure.what},
                    {"why", failure.why},
                    {"wrong", failure.wrong}});
  }
  Json listed = Json::array();
  for (const Listed& one : report.listed) listed.push_back({{"key", one.key}, {"why", one.why}});
  Json instructions = Json::array();
  for (const Counted& one : report.instructions) {
    instructions.push_back({{"key", one.key},
                            {"base", instructions_json(one.base)},
                            {"head", instructions_json(one.head)}});
  }
  Json verdicts = Json::object();
  for (const auto& [verdict, count] : count_verdicts(report.comparison))
    verdicts[std::string(name_of(verdict))] = count;
  return {{"schema", 1},
          {"kind", "gate"},
          {"exit_code", exit_code(report, style.strict, style.shadow)},
          {"headline", headline(report, style)},
          {"base", report.base},
          {"head", report.head},
          {"machine_id", report.machine_id},
          {"mode", report.mode},
          {"seed", report.seed},
          {"threads", report.threads},
          {"groups", report.effort.groups},
          {"pairs", report.effort.pairs},
          {"log_margin", number(report.effort.margin)},
          {"seconds", number(std::round(report.seconds * 10) / 10)},
          {"interrupted", report.interrupted},
          {"log_anchor", number(report.comparison.anchor)},
          {"disturbed", report.comparison.disturbed},
          {"log_moved", number(report.comparison.moved)},
          {"activity", report.activity},
          {"verdicts", verdicts},
          {"hard", hard},
          {"cases", cases},
          {"instructions", instructions},
          {"listed", listed}};
}

}  // namespace ashlar::gate
