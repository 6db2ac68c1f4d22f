#include "harness/claims/index.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace ashlar::claims::detail {

namespace {

using model::Json;

/// The member of an object, or null.
const Json& member(const Json& json, const char* name) {
  static const Json kNull;
  if (!json.is_object()) return kNull;
  const auto found = json.find(name);
  return found == json.end() ? kNull : *found;
}

/// A rate of the calibration: {"rate": number, ...}, or null.
std::optional<double> rate_of(const Json& rates, const char* name) {
  const Json& rate = member(member(rates, name), "rate");
  if (!rate.is_number()) return std::nullopt;
  return rate.get<double>();
}

/// The named rate of a device, on a CPU with that many threads.
std::optional<double> calibrated(const Json& calibration, const std::string& device,
                                 const char* name, int threads) {
  if (device == "cuda") return rate_of(member(calibration, "cuda"), name);
  for (const Json& team : member(calibration, "teams"))
    if (member(team, "threads") == threads) return rate_of(team, name);
  return std::nullopt;
}

/// What bounds the precision; a CPU without bfloat16 arithmetic does it in float.
std::optional<double> calibrated_peak(const Json& calibration, const std::string& device,
                                      const std::string& precision, int threads) {
  const auto peak = [&](const char* name) {
    return calibrated(calibration, device, name, threads);
  };
  if (precision != "bf16") return peak("f32_gflops");
  const auto bf16 = peak("bf16_gflops");
  return bf16 || device == "cuda" ? bf16 : peak("f32_gflops");
}

template <class R>
void decide(const std::vector<const R*>& records, std::optional<Fate>& fate) {
  for (const R* one : records)
    if (!fate || record::severity(one->status) > record::severity(fate->status))
      fate = Fate{one->status, one->reason.value_or("")};
}

}  // namespace

std::vector<std::string> Run::processors() const {
  std::vector<std::string> names;
  if (record == nullptr) return names;
  const auto add = [&](const Json& name) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  };
  add(member(member(record->machine, "cpu"), "model_name"));
  const Json& gpu = member(record->machine, "gpu");
  add(member(gpu, "name"));
  if (gpu.is_array())
    for (const Json& one : gpu) add(member(one, "name"));
  return names;
}

/// Of what `read` finds in the calibrations at the start and at the end.
template <class Read>
std::optional<double> Run::highest(const Read& read) const {
  std::optional<double> best;
  const auto take = [&](const Json& calibration) {
    const auto rate = read(calibration);
    if (rate) best = std::max(best.value_or(*rate), *rate);
  };
  if (record != nullptr) take(record->calibration);
  for (const record::EventRecord* event : events)
    if (event->event == "calibration") take(event->details);
  return best;
}

std::optional<double> Run::peak_gflops(const std::string& device, const std::string& precision,
                                       int threads) const {
  return highest([&](const Json& calibration) {
    return calibrated_peak(calibration, device, precision, threads);
  });
}

std::optional<double> Run::copy_gb_per_s(const std::string& device, int threads) const {
  return highest([&](const Json& calibration) {
    return calibrated(calibration, device, "copy_gb_per_s", threads);
  });
}

std::optional<double> Run::read_gb_per_s(const std::string& device, int threads) const {
  return highest([&](const Json& calibration) {
    return calibrated(calibration, device, "read_gb_per_s", threads);
  });
}

std::vector<Run> index_runs(const record::RecordSet& records, const std::string& suite) {
  std::vector<Run> runs;
  const auto run_of = [&](const std::string& id) -> Run& {
    const auto it =
        std::find_if(runs.begin(), runs.end(), [&](const Run& run) { return run.id == id; });
    if (it != runs.end()) return *it;
    Run& fresh = runs.emplace_back();
    fresh.id = id;
    return fresh;
  };
  const auto entry_of = [&](const auto& record) -> Entry& {
    Entry& entry =
        run_of(record.run_id).experiments[record.experiment][record.point][record.implementation];
    entry.implementation = record.implementation;
    return entry;
  };
  for (const auto& run : records.runs) run_of(run.run_id).record = &run;
  for (const auto& event : records.events) run_of(event.run_id).events.push_back(&event);
  for (const auto& one : records.cases)
    if (one.suite == suite) entry_of(one).cases.push_back(&one);
  for (const auto& one : records.studies)
    if (one.suite == suite) entry_of(one).studies.push_back(&one);
  // A check without its case (the worker died in between) says nothing: it makes no entry.
  for (const auto& one : records.checks) {
    if (one.suite != suite || one.control) continue;
    auto& points = run_of(one.run_id).experiments[one.experiment];
    const auto point = points.find(one.point);
    if (point == points.end()) continue;
    const auto entry = point->second.find(one.implementation);
    if (entry != point->second.end()) entry->second.checks.push_back(&one);
  }
  for (Run& run : runs)
    for (auto& [experiment, points] : run.experiments)
      for (auto& [point, implementations] : points)
        for (auto& [name, entry] : implementations) {
          std::sort(entry.cases.begin(), entry.cases.end(),
                    [](const auto* a, const auto* b) { return a->round < b->round; });
          std::sort(entry.studies.begin(), entry.studies.end(),
                    [](const auto* a, const auto* b) { return a->seed < b->seed; });
        }
  return runs;
}

Fate fate_of(const Entry& entry) {
  std::optional<Fate> fate;
  decide(entry.cases, fate);
  decide(entry.studies, fate);
  return fate.value_or(Fate{});
}

std::string describe(const Entry& entry, const Fate& fate) {
  const auto status = record::name_of(fate.status);
  if (fate.reason.empty()) return fmt::format("{} {}", entry.implementation, status);
  return fmt::format("{} {}: {}", entry.implementation, status, fate.reason);
}

}  // namespace ashlar::claims::detail
