#include "harness/model/suite.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

namespace ashlar::model {

namespace {

template <class Enum, std::size_t Count>
Enum parse_name(std::string_view text, std::string_view what,
                const std::pair<Enum, std::string_view> (&names)[Count]) {
  std::vector<std::string> known;
  for (const auto& [value, name] : names) {
    if (name == text) return value;
    known.emplace_back(name);
  }
  throw std::invalid_argument(
      fmt::format("unknown {} '{}'{}", what, text, suggestion(text, known)));
}

template <class Enum, std::size_t Count>
std::string_view find_name(Enum wanted, const std::pair<Enum, std::string_view> (&names)[Count]) {
  for (const auto& [value, name] : names) {
    if (value == wanted) return name;
  }
  return "?";
}

constexpr std::pair<Mode, std::string_view> kModes[] = {
    {Mode::quick, "quick"}, {Mode::full, "full"}, {Mode::gpu, "gpu"}};
constexpr std::pair<Tier, std::string_view> kTiers[] = {{Tier::naive, "naive"},
                                                        {Tier::reference, "reference"},
                                                        {Tier::optimized, "optimized"},
                                                        {Tier::cuda, "cuda"},
                                                        {Tier::peer, "peer"}};
constexpr std::pair<Device, std::string_view> kDevices[] = {
    {Device::cpu, "cpu"}, {Device::cuda, "cuda"}, {Device::model, "model"}};

[[noreturn]] void fault(const Experiment& experiment, const std::string& what) {
  throw std::logic_error(
      fmt::format("suite {}, experiment {}: {}", experiment.suite, experiment.name, what));
}

void require_unique(const Experiment& experiment, const std::vector<std::string>& names,
                    const char* what) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (name.empty()) fault(experiment, fmt::format("an {} has no name", what));
    if (!seen.insert(name).second)
      fault(experiment, fmt::format("{} '{}' is declared twice", what, name));
  }
}

void validate_timed(const Experiment& experiment) {
  if (!experiment.oracle || !experiment.tolerance)
    fault(experiment, "a timed experiment needs an oracle");
  if (!experiment.work) fault(experiment, "a timed experiment needs its work (FLOPs and bytes)");
  if (experiment.controls.empty())
    fault(experiment, "an oracle needs at least one negative control");
  for (const Implementation& implementation : experiment.implementations) {
    if (implementation.external() && !experiment.inputs) {
      fault(experiment,
            fmt::format("external implementation '{}' needs the problem's tensors (.inputs)",
                        implementation.name));
    }
  }
}

/// Mode gpu is for devices: nothing runs there by itself.
void validate_beside_device(const Experiment& experiment) {
  const auto& all = experiment.implementations;
  const bool on_device = std::any_of(all.begin(), all.end(), [](const Implementation& one) {
    return one.options.device == Device::cuda;
  });
  for (const Implementation& one : all) {
    if (!one.options.beside_device) continue;
    if (one.options.device == Device::cuda)
      fault(experiment, fmt::format("'{}' is beside a device and on it", one.name));
    if (!on_device) {
      fault(experiment,
            fmt::format("'{}' is beside a device, where no implementation runs on one", one.name));
    }
  }
}

void validate_experiment(const Experiment& experiment) {
  if (!experiment.problem) fault(experiment, "has no problem");
  if (experiment.implementations.empty()) fault(experiment, "has no implementation");
  std::vector<std::string> names;
  for (const Implementation& implementation : experiment.implementations)
    names.push_back(implementation.name);
  for (const std::string& baseline : experiment.baselines) {
    if (std::find(names.begin(), names.end(), baseline) == names.end()) {
      fault(experiment, fmt::format("baseline '{}' is no implementation{}", baseline,
                                    suggestion(baseline, names)));
    }
  }
  for (const Implementation& control : experiment.controls) names.push_back(control.name);
  require_unique(experiment, names, "implementation");
  std::vector<std::string> axes;
  for (const Axis& axis : experiment.axes) {
    axes.push_back(axis.name);
    if (axis.values.empty()) fault(experiment, fmt::format("axis '{}' has no values", axis.name));
  }
  require_unique(experiment, axes, "axis");
  validate_beside_device(experiment);
  if (experiment.kind == Kind::timed) validate_timed(experiment);
}

}  // namespace

std::string_view name_of(Mode mode) { return find_name(mode, kModes); }
std::string_view name_of(Tier tier) { return find_name(tier, kTiers); }
std::string_view name_of(Device device) { return find_name(device, kDevices); }
Mode parse_mode(std::string_view text) { return parse_name(text, "mode", kModes); }
Tier parse_tier(std::string_view text) { return parse_name(text, "tier", kTiers); }

const std::vector<Value>& Axis::values_in(Mode mode) const {
  const auto own = by_mode.find(mode);
  return own == by_mode.end() ? values : own->second;
}

const Implementation* Experiment::find(std::string_view implementation) const {
  for (const auto* list : {&implementations, &controls}) {
    for (const Implementation& candidate : *list) {
      if (candidate.name == implementation) return &candidate;
    }
  }
  return nullptr;
}

std::vector<Point> Experiment::points(Mode mode) const {
  std::vector<Point> points{Point()};
  for (const Axis& axis : axes) {
    std::vector<Point> longer;
    for (const Point& point : points) {
      for (const Value& value : axis.values_in(mode)) {
        longer.push_back(point);
        longer.back().set(axis.name, value);
      }
    }
    points = std::move(longer);
  }
  if (keep) std::erase_if(points, [&](const Point& point) { return !keep(point, mode); });
  return points;
}

Json Experiment::describe(Mode mode) const {
  Json json;
  json["suite"] = suite;
  json["experiment"] = name;
  json["kind"] = kind == Kind::timed ? "timed" : "study";
  json["about"] = about;
  json["axes"] = Json::array();
  for (const Axis& axis : axes) {
    Json values = Json::array();
    for (const Value& value : axis.values_in(mode)) values.push_back(value.to_json());
    json["axes"].push_back({{"name", axis.name}, {"unit", axis.unit}, {"values", values}});
  }
  json["implementations"] = Json::array();
  for (const Implementation& implementation : implementations) {
    json["implementations"].push_back({{"name", implementation.name},
                                       {"tier", name_of(implementation.tier)},
                                       {"device", name_of(implementation.options.device)},
                                       {"about", implementation.options.about}});
  }
  json["metrics"] = Json::array();
  for (const Metric& metric : metrics) {
    json["metrics"].push_back({{"name", metric.name},
                               {"better", metric.better == Better::lower ? "lower" : "higher"},
                               {"unit", metric.unit}});
  }
  json["baselines"] = baselines;
  json["figures"] = Json::array();
  for (const Figure& figure : figures) {
    json["figures"].push_back({{"name", figure.name},
                               {"kind", figure.kind},
                               {"x", figure.x},
                               {"panels", figure.panels},
                               {"over", figure.over},
                               {"title", figure.title}});
    if (!figure.log.empty()) json["figures"].back()["log"] = figure.log;
  }
  return json;
}

const Experiment* Suite::find(std::string_view experiment) const {
  for (const auto& candidate : experiments_) {
    if (candidate->name == experiment) return candidate.get();
  }
  return nullptr;
}

Experiment& Suite::new_experiment(std::string name, Kind kind) {
  experiments_.push_back(std::make_unique<Experiment>());
  Experiment& added = *experiments_.back();
  added.suite = id_;
  added.name = std::move(name);
  added.kind = kind;
  return added;
}

void Suite::validate() const {
  std::set<std::string> names;
  for (const auto& experiment : experiments_) {
    if (!names.insert(experiment->name).second) fault(*experiment, "is declared twice");
    validate_experiment(*experiment);
  }
}

}  // namespace ashlar::model
