// Cases as flat objects with every field, for CSV and JSON.
#include <algorithm>

#include "harness/report/table_parts.hpp"

namespace ashlar::report {

using model::Json;
using record::number_to_json;

namespace {

Json optional_number(const std::optional<double>& value) {
  return value ? number_to_json(*value) : Json();
}

Json start_row(const RunView& run, const Declared& declared, const char* kind,
               const model::Point& point) {
  Json row;
  row["kind"] = kind;
  row["run_id"] = run.run_id;
  row["machine_id"] = run.run == nullptr ? Json() : Json(run.run->machine_id);
  row["started"] = run.run == nullptr ? Json() : Json(run.run->started);
  row["suite"] = declared.suite;
  row["experiment"] = declared.experiment;
  row["point"] = point_json(declared, point);
  return row;
}

void add_measured(Json& row, const std::string& prefix, const std::string& unit,
                  const std::optional<Measured>& measured) {
  row[prefix + unit] = measured ? number_to_json(measured->value) : Json();
  row[prefix + "_low" + unit] = measured ? optional_number(measured->low) : Json();
  row[prefix + "_high" + unit] = measured ? optional_number(measured->high) : Json();
}

void add_speedups(Json& row, const Cell& cell, const std::vector<std::string>& baselines) {
  for (const std::string& baseline : baselines) {
    std::optional<Measured> value;
    if (const Ratio* ratio = cell.over(baseline)) value = ratio->value;
    add_measured(row, "speedup_over_" + baseline, "", value);
  }
}

Json case_row(const RunView& run, const Declared& declared, const model::Point& point,
              const Cell& cell) {
  const record::CaseRecord& first = *cell.records.front();
  Json row = start_row(run, declared, "timed", point);
  row["implementation"] = cell.implementation;
  row["tier"] = cell.tier;
  row["device"] = cell.device;
  row["threads"] = first.threads;
  row["case_id"] = cell.case_id;
  row["key"] = cell.key;
  row["status"] = std::string(record::name_of(cell.status));
  row["reason"] = cell.reason.empty() ? Json() : Json(cell.reason);
  row["rounds"] = cell.rounds;
  row["samples"] = cell.samples;
  row["batch"] = first.batch;
  add_measured(row, "median", "_ns", cell.time_ns);
  row["interval_covers_95_percent"] =
      cell.time_ns && cell.time_ns->low ? Json(cell.time_ns->covers) : Json();
  row["min_ns"] = cell.time_ns ? number_to_json(cell.min_ns) : Json();
  row["mdape"] = cell.time_ns ? number_to_json(cell.mdape) : Json();
  row["flop"] = first.work ? number_to_json(first.work->flops) : Json();
  row["traffic_bytes"] = first.work ? number_to_json(first.work->bytes) : Json();
  row["precision"] = first.work ? Json(first.work->precision) : Json();
  row["rate_flop_per_s"] = optional_number(cell.flops_per_s);
  row["share_of_peak"] = optional_number(cell.share_of_peak);
  add_speedups(row, cell, declared.baselines);
  row["peak_extra_bytes"] = optional_number(cell.peak_extra_bytes);
  row["workspace_bytes"] = optional_number(cell.workspace_bytes);
  row["prepare_ns"] = optional_number(cell.prepare_ns);
  Json flags = Json::array();
  for (const auto& [flag, rounds] : cell.flags) flags.push_back(flag);
  row["flags"] = flags;
  row["counters"] = Json::object();
  row["metrics"] = Json::object();
  for (const auto& [name, value] : first.counters) row["counters"][name] = number_to_json(value);
  for (const auto& [name, value] : first.metrics) row["metrics"][name] = number_to_json(value);
  return row;
}

Json metric_row(const RunView& run, const Declared& declared, const model::Point& point,
                const StudyCell& cell, const std::string& metric, const Measured& value) {
  const record::StudyRecord& first = *cell.records.front();
  Json row = start_row(run, declared, "study", point);
  row["implementation"] = cell.implementation;
  row["tier"] = first.tier;
  row["device"] = first.device;
  row["case_id"] = cell.case_id;
  row["key"] = cell.key;
  row["status"] = std::string(record::name_of(cell.status));
  row["reason"] = cell.reason.empty() ? Json() : Json(cell.reason);
  row["seeds"] = cell.seeds;
  row["metric"] = metric;
  const auto known = std::find_if(declared.metrics.begin(), declared.metrics.end(),
                                  [&](const auto& candidate) { return candidate.name == metric; });
  row["unit"] = known == declared.metrics.end() ? "" : known->unit;
  row["better"] = known == declared.metrics.end() ? "" : known->better;
  row["median"] = metric.empty() ? Json() : number_to_json(value.value);
  row["least"] = optional_number(value.low);
  row["largest"] = optional_number(value.high);
  return row;
}

}  // namespace

Json point_json(const Declared& declared, const model::Point& point) {
  Json json = Json::object();
  for (const auto& [axis, value] : point.axes()) {
    std::string name = axis;
    for (const Declared::Axis& known : declared.axes) {
      if (known.name == axis && !known.unit.empty()) name += '_' + known.unit;
    }
    json[name] = value.to_json();
  }
  return json;
}

Rows long_rows(const RunView& run, const TimedView& view) {
  Rows rows;
  for (const Row& row : view.rows) {
    for (const Cell& cell : row.cells)
      rows.push_back(case_row(run, view.declared, row.point, cell));
  }
  return rows;
}

Rows long_rows(const RunView& run, const StudyView& view) {
  Rows rows;
  for (const StudyRow& row : view.rows) {
    for (const StudyCell& cell : row.cells) {
      // A study that failed at every seed has no metric, but it has a row.
      if (cell.metrics.empty())
        rows.push_back(metric_row(run, view.declared, row.point, cell, "", {}));
      for (const auto& [name, value] : cell.metrics)
        rows.push_back(metric_row(run, view.declared, row.point, cell, name, value));
    }
  }
  return rows;
}

}  // namespace ashlar::report
