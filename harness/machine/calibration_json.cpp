// Calibrations as data: JSON, flags, and the comparison of two.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "harness/machine/calibration.hpp"
#include "harness/model/value.hpp"

namespace ashlar::machine {
namespace {

using model::or_null;

Json rate_to_json(const Rate& rate) {
  return {{"rate", rate.rate},
          {"rate_by_cpu_time", rate.rate_by_cpu_time},
          {"spread", rate.spread},
          {"bursts", rate.bursts}};
}

Json rate_to_json(const std::optional<Rate>& rate) {
  return rate ? rate_to_json(*rate) : Json(nullptr);
}

/// Typed access with the path of what is wrong in the message.
class Reader {
 public:
  Reader(const Json& json, std::string path) : json_(json), path_(std::move(path)) {
    if (!json_.is_object()) throw std::invalid_argument(path_ + " must be an object");
  }

  template <class T>
  T get(const char* name) const {
    try {
      return field(name).get<T>();
    } catch (const Json::exception&) {
      throw std::invalid_argument(path_ + '.' + name + " has the wrong type");
    }
  }
  template <class T>
  std::optional<T> optional(const char* name) const {
    if (field(name).is_null()) return std::nullopt;
    return get<T>(name);
  }
  Reader object(const char* name) const { return {field(name), path_ + '.' + name}; }
  Rate rate(const char* name) const {
    const Reader fields = object(name);
    return {fields.get<double>("rate"), fields.get<double>("rate_by_cpu_time"),
            fields.get<double>("spread"), fields.get<int>("bursts")};
  }
  std::optional<Rate> optional_rate(const char* name) const {
    if (field(name).is_null()) return std::nullopt;
    return rate(name);
  }
  const Json& field(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end()) throw std::invalid_argument(path_ + '.' + name + " is missing");
    return *found;
  }

 private:
  const Json& json_;
  std::string path_;
};

TeamRates team_from_json(const Json& json, std::size_t index) {
  const Reader fields(json, "calibration.teams[" + std::to_string(index) + ']');
  TeamRates team;
  team.threads = fields.get<int>("threads");
  team.f32_gflops = fields.rate("f32_gflops");
  team.bf16_gflops = fields.optional_rate("bf16_gflops");
  team.copy_gb_per_s = fields.rate("copy_gb_per_s");
  team.sgemm_gflops = fields.optional_rate("sgemm_gflops");
  if (json.contains("read_gb_per_s")) team.read_gb_per_s = fields.optional_rate("read_gb_per_s");
  return team;
}

DeviceRates device_from_json(const Json& json) {
  const Reader fields(json, "calibration.cuda");
  const auto rate = [&](const char* name) -> std::optional<double> {
    if (fields.field(name).is_null()) return std::nullopt;
    return fields.object(name).get<double>("rate");
  };
  return {rate("copy_gb_per_s"), rate("bf16_gflops")};
}

Json device_to_json(const std::optional<DeviceRates>& device) {
  if (!device) return nullptr;
  const auto rate = [](const std::optional<double>& value) {
    return value ? Json{{"rate", *value}} : Json(nullptr);
  };
  return {{"copy_gb_per_s", rate(device->copy_gb_per_s)},
          {"bf16_gflops", rate(device->bf16_gflops)}};
}

struct NamedRate {
  const char* name;
  std::optional<Rate> rate;
};

std::vector<NamedRate> named_rates(const TeamRates& team) {
  return {{"f32", team.f32_gflops},
          {"bf16", team.bf16_gflops},
          {"copy", team.copy_gb_per_s},
          {"sgemm", team.sgemm_gflops},
          {"read", team.read_gb_per_s}};
}

}  // namespace

const TeamRates* Calibration::team(int threads) const {
  const auto found = std::ranges::find(teams, threads, &TeamRates::threads);
  return found == teams.end() ? nullptr : &*found;
}

Json to_json(const Calibration& calibration) {
  Json teams = Json::array();
  for (const TeamRates& team : calibration.teams) {
    teams.push_back({{"threads", team.threads},
                     {"f32_gflops", rate_to_json(team.f32_gflops)},
                     {"bf16_gflops", rate_to_json(team.bf16_gflops)},
                     {"copy_gb_per_s", rate_to_json(team.copy_gb_per_s)},
                     {"sgemm_gflops", rate_to_json(team.sgemm_gflops)},
                     {"read_gb_per_s", rate_to_json(team.read_gb_per_s)}});
  }
  return {{"timer",
           {{"resolution_ns", calibration.timer_resolution_ns},
            {"cost_ns", calibration.timer_cost_ns},
            {"cpu_clock_cost_ns", calibration.cpu_timer_cost_ns}}},
          {"f32_isa", calibration.f32_isa},
          {"bf16_isa", or_null(calibration.bf16_isa)},
          {"copy_method", calibration.copy_method},
          {"copy_buffer_bytes", calibration.copy_buffer_bytes},
          {"seconds", calibration.seconds},
          {"flags", calibration.flags},
          {"teams", teams},
          {"cuda", device_to_json(calibration.cuda)}};
}

Calibration from_json(const Json& json) {
  const Reader fields(json, "calibration");
  const Reader timer = fields.object("timer");
  Calibration calibration;
  calibration.timer_resolution_ns = timer.get<double>("resolution_ns");
  calibration.timer_cost_ns = timer.get<double>("cost_ns");
  calibration.cpu_timer_cost_ns = timer.get<double>("cpu_clock_cost_ns");
  calibration.f32_isa = fields.get<std::string>("f32_isa");
  calibration.bf16_isa = fields.optional<std::string>("bf16_isa");
  calibration.copy_method = fields.get<std::string>("copy_method");
  calibration.copy_buffer_bytes = fields.get<std::int64_t>("copy_buffer_bytes");
  calibration.seconds = fields.get<double>("seconds");
  calibration.flags = fields.get<std::vector<std::string>>("flags");
  const Json& teams = fields.field("teams");
  if (!teams.is_array()) throw std::invalid_argument("calibration.teams must be an array");
  for (std::size_t i = 0; i < teams.size(); ++i) {
    calibration.teams.push_back(team_from_json(teams[i], i));
  }
  const auto cuda = json.find("cuda");
  if (cuda != json.end() && !cuda->is_null()) calibration.cuda = device_from_json(*cuda);
  return calibration;
}

std::vector<std::string> rate_flags(const Calibration& calibration) {
  std::vector<std::string> flags;
  for (const TeamRates& team : calibration.teams) {
    const std::string at = '@' + std::to_string(team.threads);
    for (const auto& [name, rate] : named_rates(team)) {
      if (rate && rate->disturbed()) flags.push_back(std::string(name) + "-disturbed" + at);
    }
    if (!team.sgemm_gflops) continue;
    const double share = team.sgemm_gflops->rate / team.f32_gflops.rate;
    if (share > 1.0) flags.push_back("sgemm-above-peak" + at);
    if (share < 0.8) flags.push_back("sgemm-below-peak" + at);
  }
  return flags;
}

bool Drift::any() const { return std::ranges::any_of(changes, &Change::drifted); }

Drift drift(const Calibration& start, const Calibration& end, double limit) {
  Drift result;
  const auto compare = [&](const char* rate, int threads, std::optional<double> before,
                           std::optional<double> after) {
    if (!before || !after) return;
    const double relative = *after / *before - 1;
    result.changes.push_back(
        {rate, threads, *before, *after, relative, !(std::abs(relative) <= limit)});
  };
  const auto value = [](const std::optional<Rate>& rate) {
    return rate ? std::optional(rate->rate) : std::nullopt;
  };
  for (const TeamRates& before : start.teams) {
    const TeamRates* after = end.team(before.threads);
    if (after == nullptr) continue;
    const auto rates_before = named_rates(before);
    const auto rates_after = named_rates(*after);
    for (std::size_t i = 0; i < rates_before.size(); ++i) {
      compare(rates_before[i].name, before.threads, value(rates_before[i].rate),
              value(rates_after[i].rate));
    }
  }
  if (start.cuda && end.cuda) {
    compare("cuda-copy", 0, start.cuda->copy_gb_per_s, end.cuda->copy_gb_per_s);
    compare("cuda-bf16", 0, start.cuda->bf16_gflops, end.cuda->bf16_gflops);
  }
  return result;
}

Json to_json(const Drift& drift) {
  Json changes = Json::array();
  for (const Change& change : drift.changes) {
    changes.push_back({{"rate", change.rate},
                       {"threads", change.threads},
                       {"start", change.start},
                       {"end", change.end},
                       {"relative", change.relative},
                       {"drifted", change.drifted}});
  }
  return {{"drifted", drift.any()}, {"changes", changes}};
}

}  // namespace ashlar::machine
