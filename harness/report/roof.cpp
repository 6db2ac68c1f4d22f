// The measured limits of a machine, and its name.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/text.hpp"
#include "harness/report/view.hpp"

namespace ashlar::report {

using model::Json;

namespace {

constexpr double kDrift = 0.05;
constexpr double kGiga = 1e9;

/// The member of an object, or null: records of other versions may lack it.
const Json& member(const Json& json, const char* name) {
  static const Json kNull;
  if (!json.is_object()) return kNull;
  const auto found = json.find(name);
  return found == json.end() ? kNull : *found;
}

/// A rate is {"rate": number, ...}, or a number.
std::optional<double> rate_of(const Json& json) {
  const Json& value = json.is_object() ? member(json, "rate") : json;
  if (!value.is_number()) return std::nullopt;
  return value.get<double>();
}

std::string where(const std::string& device, int threads) {
  return threads == 0 ? device
                      : fmt::format("{} with {}", device,
                                    count_of(static_cast<std::size_t>(threads), "thread"));
}

}  // namespace

Roof::Roof(const record::RunRecord* run, const std::vector<const record::EventRecord*>& events) {
  if (run != nullptr) read(run->calibration);
  for (const record::EventRecord* event : events) {
    if (event->event != "calibration") continue;
    const Json& inner = member(event->details, "calibration");
    read(inner.is_object() ? inner : event->details);
  }
}

void Roof::read(const Json& calibration) {
  for (const Json& team : member(calibration, "teams")) {
    const Json& threads = member(team, "threads");
    if (threads.is_number_integer()) read_rates("cpu", threads.get<int>(), team);
  }
  read_rates("cuda", 0, member(calibration, "cuda"));
}

void Roof::read_rates(const std::string& device, int threads, const Json& rates) {
  for (const auto& [field, what] :
       {std::pair{"f32_gflops", "f32"}, std::pair{"bf16_gflops", "bf16"},
        std::pair{"copy_gb_per_s", "memory"}, std::pair{"read_gb_per_s", "reads"}}) {
    if (const auto rate = rate_of(member(rates, field)))
      merge(device, threads, what, *rate * kGiga);
  }
}

void Roof::merge(const std::string& device, int threads, const std::string& what, double value) {
  if (!std::isfinite(value) || value <= 0) return;
  for (Rate& rate : rates_) {
    if (rate.device != device || rate.threads != threads || rate.what != what) continue;
    rate.drift = value / rate.value - 1;
    rate.value = std::max(rate.value, value);
    return;
  }
  rates_.push_back({device, threads, what, value, 0});
}

std::optional<double> Roof::find(const std::string& device, const std::string& what,
                                 int threads) const {
  for (const Rate& rate : rates_) {
    if (rate.device == device && rate.what == what &&
        (rate.threads == threads || rate.threads == 0))
      return rate.value;
  }
  return std::nullopt;
}

std::optional<double> Roof::peak(const std::string& device, const std::string& precision,
                                 int threads) const {
  const auto own = find(device, precision, threads);
  if (own || device != "cpu" || precision != "bf16") return own;
  return find(device, "f32", threads);
}

std::optional<double> Roof::bandwidth(const std::string& device, int threads) const {
  return find(device, "memory", threads);
}

std::optional<double> Roof::read_bandwidth(const std::string& device, int threads) const {
  return find(device, "reads", threads);
}

std::string Roof::text() const {
  std::vector<std::string> groups;
  std::vector<std::string> drifts;
  for (auto first = rates_.begin(); first != rates_.end();) {
    std::vector<std::string> parts;
    auto rate = first;
    for (; rate != rates_.end() && rate->device == first->device && rate->threads == first->threads;
         ++rate) {
      const bool bytes = rate->what == "memory" || rate->what == "reads";
      parts.push_back(fmt::format("{} {} {}", rate->what, number(rate->value / kGiga),
                                  bytes ? "GB/s" : "GFLOP/s"));
      if (std::abs(rate->drift) > kDrift)
        drifts.push_back(fmt::format("{} of {} by {}", rate->what,
                                     where(rate->device, rate->threads),
                                     percent_text(rate->drift)));
    }
    groups.push_back(
        fmt::format("{}: {}", where(first->device, first->threads), fmt::join(parts, ", ")));
    first = rate;
  }
  if (groups.empty()) return "";
  std::string text = fmt::format("Peaks measured in this run: {}.", fmt::join(groups, "; "));
  if (!drifts.empty())
    text += fmt::format(" Changed between start and end: {}.", fmt::join(drifts, ", "));
  return text;
}

std::string machine_text(const RunView& run) {
  if (run.run == nullptr) return "unknown machine";
  const record::RunRecord& record = *run.run;
  std::vector<std::string> parts;
  const Json& cpu = member(record.machine, "cpu");
  const Json& name = member(cpu, "model_name");
  if (name.is_string()) parts.push_back(name.get<std::string>());
  const Json& gpu = member(record.machine, "gpu");
  for (const Json& one : gpu.is_array() ? gpu : Json::array({gpu})) {
    if (member(one, "name").is_string()) parts.push_back(member(one, "name").get<std::string>());
  }
  if (record.threads > 0)
    parts.push_back(count_of(static_cast<std::size_t>(record.threads), "thread"));
  if (!record.machine_id.empty()) parts.push_back("machine " + record.machine_id);
  std::string text = fmt::format("{}", fmt::join(parts, ", "));
  return text.empty() ? "unknown machine" : text;
}

}  // namespace ashlar::report
