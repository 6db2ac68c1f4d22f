// Google Benchmark's JSON and Bencher's.
#include "harness/report/export.hpp"

#include <cmath>

#include <fmt/format.h>

#include "harness/report/estimates.hpp"
#include "harness/report/export_parts.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::report {

using model::Json;
using record::CaseRecord;
using record::Status;

namespace {

bool is_failure(Status status) { return record::severity(status) > record::severity(Status::ok); }

/// A path into an object, or null.
const Json& at(const Json& json, std::initializer_list<const char*> path) {
  static const Json kNull;
  const Json* here = &json;
  for (const char* name : path) {
    if (!here->is_object() || !here->contains(name)) return kNull;
    here = &(*here)[name];
  }
  return *here;
}

Json context_of(const RunView& view) {
  Json context = Json::object();
  static const record::RunRecord kNone;
  const record::RunRecord& run = view.run == nullptr ? kNone : *view.run;
  context["date"] = run.started;
  context["host_name"] = run.machine_id;
  context["executable"] = run.argv.empty() ? "ashlar" : run.argv.front();
  context["num_cpus"] = at(run.machine, {"cpu", "logical"});
  const Json& mhz = at(run.machine, {"cpu", "max_mhz"});
  context["mhz_per_cpu"] = mhz.is_null() ? at(run.machine, {"cpu", "current_mhz"}) : mhz;
  context["cpu_scaling_enabled"] = !at(run.machine, {"cpu", "governor"}).is_null();
  context["caches"] = Json::array();
  const Json& load = at(run.machine, {"load"});
  context["load_avg"] = load.is_array() ? load : Json::array();
  const Json& assertions = at(run.build, {"assertions"});
  context["library_build_type"] = assertions == true ? "debug" : "release";
  context["run_id"] = view.run_id;
  context["machine_id"] = run.machine_id;
  context["mode"] = run.mode;
  context["seed"] = std::to_string(run.seed);
  return context;
}

/// The fields that every row of a case begins with.
Json row_of(const Cell& cell, const std::string& name, const char* run_type, std::size_t family) {
  Json row;
  row["name"] = name;
  row["family_index"] = family;
  row["per_family_instance_index"] = 0;
  row["run_name"] = cell.key;
  row["run_type"] = run_type;
  row["repetitions"] = std::max<std::size_t>(1, cell.samples);
  row["threads"] = cell.records.front()->threads;
  return row;
}

void add_error(Json& rows, const Cell& cell, std::size_t family) {
  Json row = row_of(cell, cell.key, "iteration", family);
  row["repetitions"] = 1;
  row["repetition_index"] = 0;
  row["error_occurred"] = true;
  row["error_message"] = fmt::format("{}: {}", record::name_of(cell.status), cell.reason);
  row["iterations"] = 0;
  rows.push_back(std::move(row));
}

struct Times {
  std::vector<double> wall;
  std::vector<double> cpu;
};

double mean_of(const std::vector<double>& values) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  return mean;
}

double deviation_of(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

void add_aggregates(Json& rows, const Cell& cell, std::size_t family, const Times& times) {
  const auto add = [&](const char* name, const char* unit, double wall, double cpu) {
    Json row = row_of(cell, fmt::format("{}_{}", cell.key, name), "aggregate", family);
    row["aggregate_name"] = name;
    row["aggregate_unit"] = unit;
    row["iterations"] = cell.samples;
    row["real_time"] = wall;
    row["cpu_time"] = cpu;
    row["time_unit"] = "ns";
    rows.push_back(std::move(row));
  };
  const auto relative = [](const std::vector<double>& values) {
    const double mean = mean_of(values);
    return mean > 0 ? deviation_of(values) / mean : 0;
  };
  add("mean", "time", mean_of(times.wall), mean_of(times.cpu));
  add("median", "time", statistics::median(times.wall), statistics::median(times.cpu));
  add("stddev", "time", deviation_of(times.wall), deviation_of(times.cpu));
  add("cv", "percentage", relative(times.wall), relative(times.cpu));
}

void add_samples(Json& rows, const Cell& cell, std::size_t family) {
  Times times;
  for (const CaseRecord* record : cell.records) {
    if (record->status != Status::ok) continue;
    for (std::size_t i = 0; i < record->samples_ns.size(); ++i) {
      Json row = row_of(cell, cell.key, "iteration", family);
      row["repetition_index"] = times.wall.size();
      row["iterations"] = record->batch;
      times.wall.push_back(static_cast<double>(record->samples_ns[i]));
      times.cpu.push_back(i < record->cpu_ns.size() ? static_cast<double>(record->cpu_ns[i]) : 0);
      row["real_time"] = times.wall.back();
      row["cpu_time"] = times.cpu.back();
      row["time_unit"] = "ns";
      rows.push_back(std::move(row));
    }
  }
  if (!times.wall.empty()) add_aggregates(rows, cell, family, times);
}

/// Infinite where the interval of the time reaches zero, which JSON cannot say.
void add_bound(Json& measure, const char* name, const std::optional<double>& bound) {
  if (bound && std::isfinite(*bound)) measure[name] = *bound;
}

Json measures_of(const Cell& cell) {
  const Measured& time = *cell.time_ns;
  Json measures = Json::object();
  measures["latency"]["value"] = time.value;
  add_bound(measures["latency"], "lower_value", time.low);
  add_bound(measures["latency"], "upper_value", time.high);
  if (!cell.flops_per_s) return measures;
  const double nominal = *cell.flops_per_s * time.value;
  Json& throughput = measures["throughput"];
  throughput["value"] = *cell.flops_per_s;
  if (time.high && *time.high > 0) add_bound(throughput, "lower_value", nominal / *time.high);
  if (time.low && *time.low > 0) add_bound(throughput, "upper_value", nominal / *time.low);
  return measures;
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

template <class Function>
void for_each_cell(const RunView& run, Function&& function) {
  for (const TimedView& view : run.timed)
    for (const Row& row : view.rows)
      for (const Cell& cell : row.cells) function(cell);
}

}  // namespace

std::vector<RunView> exported(const record::RecordSet& records, const Filter& filter) {
  std::vector<RunView> runs = view(records, filter);
  std::erase_if(runs, [](const RunView& run) { return run.timed.empty() && run.studies.empty(); });
  if (!runs.empty()) return runs;
  const bool there = !records.cases.empty() || !records.studies.empty();
  throw NothingToShow(there ? kAllFiltered : "the records hold no case and no study");
}

RunView exported_run(const record::RecordSet& records, const Filter& filter, const char* format) {
  std::vector<RunView> runs = exported(records, filter);
  if (runs.size() == 1) return std::move(runs.front());
  std::vector<std::string> ids;
  for (const RunView& run : runs) ids.push_back(run.run_id);
  throw std::invalid_argument(
      fmt::format("--format {} holds one run, and the records have {} ({}); choose with --run ID",
                  format, runs.size(), enumeration(ids)));
}

std::string export_google_benchmark(const record::RecordSet& records, const Filter& filter) {
  const RunView run = exported_run(records, filter, "google-benchmark");
  Json json;
  json["context"] = context_of(run);
  Json& rows = json["benchmarks"] = Json::array();
  std::size_t family = 0;
  for_each_cell(run, [&](const Cell& cell) {
    const std::size_t before = rows.size();
    if (is_failure(cell.status)) {
      add_error(rows, cell, family);
    } else if (cell.ok()) {
      add_samples(rows, cell, family);
    }
    if (rows.size() > before) ++family;
  });
  if (rows.empty()) throw NothingToShow("the records hold no case that was timed or failed");
  return text_of(json);
}

std::string export_bencher(const record::RecordSet& records, const Filter& filter) {
  const RunView run = exported_run(records, filter, "bencher");
  Json json = Json::object();
  for_each_cell(run, [&](const Cell& cell) {
    if (cell.ok()) json[cell.key] = measures_of(cell);
  });
  if (json.empty()) throw NothingToShow("the records hold no case with a time");
  return text_of(json);
}

}  // namespace ashlar::report
