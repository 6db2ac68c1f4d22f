// Rounds, seeds and samples as CSV.
#include <algorithm>

#include <fmt/format.h>

#include "harness/report/estimates.hpp"
#include "harness/report/export.hpp"
#include "harness/report/export_parts.hpp"
#include "harness/report/grid.hpp"
#include "harness/report/table_parts.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::report {

using model::Json;
using model::or_null;
using record::CaseRecord;
using record::number_to_json;
using record::StudyRecord;

namespace {

Json numbers(const std::map<std::string, double>& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values) json[name] = number_to_json(value);
  return json;
}

template <class Record>
Json start_row(const RunView& run, const Declared& declared, const Record& record,
               const char* kind) {
  Json row;
  row["kind"] = kind;
  row["run_id"] = record.run_id.str();
  row["machine_id"] = run.run == nullptr ? Json() : Json(run.run->machine_id);
  row["suite"] = record.suite.str();
  row["experiment"] = record.experiment.str();
  row["point"] = point_json(declared, record.point);
  row["implementation"] = record.implementation.str();
  row["tier"] = record.tier.str();
  row["device"] = record.device.str();
  row["case_id"] = record.case_id.str();
  row["key"] = record.key.str();
  return row;
}

Json median_of(const std::vector<std::int64_t>& values) {
  if (values.empty()) return nullptr;
  const std::vector<double> copy(values.begin(), values.end());
  return statistics::median(copy);
}

Json round_row(const RunView& run, const Declared& declared, const CaseRecord& one) {
  Json row = start_row(run, declared, one, "timed");
  const auto& samples = one.samples_ns;
  row["round"] = one.round;
  row["seed"] = nullptr;
  row["status"] = std::string(record::name_of(one.status));
  row["reason"] = or_null(one.reason);
  row["threads"] = one.threads;
  row["samples"] = samples.size();
  row["median_ns"] = median_of(samples);
  row["min_ns"] =
      samples.empty() ? Json() : Json(*std::min_element(samples.begin(), samples.end()));
  row["max_ns"] =
      samples.empty() ? Json() : Json(*std::max_element(samples.begin(), samples.end()));
  row["cpu_median_ns"] = median_of(one.cpu_ns);
  row["batch"] = one.batch;
  row["warmups"] = one.warmups;
  row["stop_reason"] = or_null(one.stop_reason);
  row["flags"] = one.flags;
  row["flop"] = one.work ? number_to_json(one.work->flops) : Json();
  row["traffic_bytes"] = one.work ? number_to_json(one.work->bytes) : Json();
  row["precision"] = one.work ? Json(one.work->precision) : Json();
  row["prepare_ns"] = or_null(one.prepare_ns);
  row["peak_extra_bytes"] = or_null(one.peak_extra_bytes);
  row["workspace_bytes"] = or_null(one.workspace_bytes);
  row["counters"] = numbers(one.counters);
  row["metrics"] = numbers(one.metrics);
  return row;
}

Json seed_row(const RunView& run, const Declared& declared, const StudyRecord& one) {
  Json row = start_row(run, declared, one, "study");
  row["round"] = nullptr;
  row["seed"] = one.seed;
  row["status"] = std::string(record::name_of(one.status));
  row["reason"] = or_null(one.reason);
  row["wall_ns"] = or_null(one.wall_ns);
  row["counters"] = numbers(one.counters);
  row["metrics"] = numbers(one.metrics);
  return row;
}

}  // namespace

std::string export_csv(const record::RecordSet& records, const Filter& filter) {
  Rows rows;
  for (const RunView& run : exported(records, filter)) {
    for (const TimedView& view : run.timed)
      for (const Row& row : view.rows)
        for (const Cell& cell : row.cells)
          for (const CaseRecord* one : cell.records)
            rows.push_back(round_row(run, view.declared, *one));
    for (const StudyView& view : run.studies)
      for (const StudyRow& row : view.rows)
        for (const StudyCell& cell : row.cells)
          for (const StudyRecord* one : cell.records)
            rows.push_back(seed_row(run, view.declared, *one));
  }
  return to_csv(rows);
}

std::string export_csv_samples(const record::RecordSet& records, const Filter& filter) {
  std::string out = "run_id,case_id,key,round,sample,batch,wall_ns,cpu_ns\n";
  const std::size_t header = out.size();
  const auto add_round = [&](const CaseRecord& one) {
    const std::string start = fmt::format("{},{},{},{}", escape_csv(one.run_id),
                                          escape_csv(one.case_id), escape_csv(one.key), one.round);
    for (std::size_t i = 0; i < one.samples_ns.size(); ++i)
      out += fmt::format("{},{},{},{},{}\n", start, i, one.batch, one.samples_ns[i],
                         i < one.cpu_ns.size() ? std::to_string(one.cpu_ns[i]) : "");
  };
  for (const RunView& run : exported(records, filter))
    for (const TimedView& view : run.timed)
      for (const Row& row : view.rows)
        for (const Cell& cell : row.cells)
          for (const CaseRecord* one : cell.records) add_round(*one);
  if (out.size() == header) throw NothingToShow("the records hold no samples");
  return out;
}

}  // namespace ashlar::report
