#include "harness/run/plan.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/trace/range.hpp"

namespace ashlar::run {

namespace {

using model::Experiment;
using model::Implementation;
using model::Mode;
using model::Point;
using model::Suite;
using model::Value;

std::vector<const Suite*> chosen_suites(const model::Registry& registry, const Filter& filter) {
  std::vector<std::string> known;
  for (const Suite& suite : registry) known.push_back(suite.id());
  std::vector<const Suite*> chosen;
  for (const std::string& name : filter.suites) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      throw UsageError(fmt::format("unknown suite '{}'{}", name, model::suggestion(name, known)));
    }
    const Suite* suite = &registry[static_cast<std::size_t>(found - known.begin())];
    if (std::find(chosen.begin(), chosen.end(), suite) == chosen.end()) chosen.push_back(suite);
  }
  if (chosen.empty()) {
    for (const Suite& suite : registry) chosen.push_back(&suite);
  }
  return chosen;
}

std::vector<std::regex> compile(const std::vector<std::string>& expressions, const char* option) {
  std::vector<std::regex> compiled;
  for (const std::string& text : expressions) {
    try {
      compiled.emplace_back(text);
    } catch (const std::regex_error& error) {
      throw UsageError(
          fmt::format("{} '{}' is not a regular expression: {}", option, text, error.what()));
    }
  }
  return compiled;
}

/// Checks every --where against the axes of the chosen experiments in this mode.
void check_where(const std::vector<const Suite*>& suites, const Filter& filter, Mode mode) {
  for (const auto& [axis_name, text] : filter.where) {
    std::set<std::string> axes;
    std::set<std::string> here;
    std::set<std::string> elsewhere;
    for (const Suite* suite : suites) {
      for (const auto& experiment : suite->experiments()) {
        for (const model::Axis& axis : experiment->axes) {
          axes.insert(axis.name);
          if (axis.name != axis_name) continue;
          for (const Value& value : axis.values_in(mode)) here.insert(value.text());
          for (const Value& value : axis.values) elsewhere.insert(value.text());
          for (const auto& [other, values] : axis.by_mode) {
            for (const Value& value : values) elsewhere.insert(value.text());
          }
        }
      }
    }
    const std::vector<std::string> known_axes(axes.begin(), axes.end());
    if (!axes.contains(axis_name)) {
      throw UsageError(fmt::format("--where {}={}: unknown axis '{}'{}", axis_name, text, axis_name,
                                   model::suggestion(axis_name, known_axes)));
    }
    if (!here.contains(Value::parse(text).text())) {
      throw UsageError(
          fmt::format("--where {}={}: axis '{}' has no value '{}' in mode {}; it has {}{}",
                      axis_name, text, axis_name, text, model::name_of(mode), fmt::join(here, ", "),
                      elsewhere.contains(text) ? " (another mode has it)" : ""));
    }
  }
}

bool point_chosen(const Filter& filter, const Point& point) {
  std::set<std::string> asked;
  std::set<std::string> met;
  for (const auto& [axis, text] : filter.where) {
    const Value* value = point.find(axis);
    if (value == nullptr) continue;  // an experiment without this axis is not restricted by it
    asked.insert(axis);
    if (*value == Value::parse(text)) met.insert(axis);
  }
  return asked == met;
}

struct Choice {
  const Filter& filter;
  std::vector<std::regex> only;
  std::vector<std::regex> skip;
  std::set<model::Tier> tiers;

  /// Outside of mode gpu what runs on a device is planned, too, so that a table shows why its
  /// column is empty.
  bool takes(const std::string& key, const Implementation& implementation, Mode mode) const {
    if (!implementation.runs_in(mode)) return false;
    if (!tiers.empty() && !tiers.contains(implementation.tier)) return false;
    const auto matches = [&](const std::regex& expression) {
      return std::regex_search(key, expression);
    };
    if (!only.empty() && std::none_of(only.begin(), only.end(), matches)) return false;
    return std::none_of(skip.begin(), skip.end(), matches);
  }
};

double work_of(const PlannedPoint& planned) {
  return planned.experiment->work ? planned.experiment->work(planned.point).flops : 0.0;
}

void add_points(const Experiment& experiment, const Choice& choice, Mode mode,
                std::vector<PlannedPoint>& points) {
  std::vector<PlannedPoint> added;
  for (const Point& point : experiment.points(mode)) {
    if (!point_chosen(choice.filter, point)) continue;
    PlannedPoint planned{&experiment, point, {}, false};
    for (const Implementation& implementation : experiment.implementations) {
      if (choice.takes(case_key(experiment, point, implementation.name), implementation, mode)) {
        planned.implementations.push_back(&implementation);
      }
    }
    if (!planned.implementations.empty()) added.push_back(std::move(planned));
  }
  std::stable_sort(added.begin(), added.end(), [](const PlannedPoint& a, const PlannedPoint& b) {
    return work_of(a) < work_of(b);
  });
  if (!added.empty()) added.front().with_controls = !experiment.controls.empty();
  points.insert(points.end(), added.begin(), added.end());
}

/// What --only names and the mode does not have: why, where nothing else was named.
std::string pointless_text(const std::vector<const Suite*>& suites, const Choice& choice,
                           Mode mode) {
  const auto named = [&](const std::string& key) {
    return std::any_of(choice.only.begin(), choice.only.end(),
                       [&](const std::regex& one) { return std::regex_search(key, one); });
  };
  const std::string elsewhere = "'ashlar list cases' shows what there is";
  std::string text = elsewhere;
  for (const Suite* suite : suites) {
    for (const auto& experiment : suite->experiments()) {
      if (!named(fmt::format("{}/{}/", experiment->suite, experiment->name))) continue;
      if (!experiment->points(mode).empty()) return elsewhere;
      if (text != elsewhere) continue;
      text = fmt::format("'{}' has no points in mode {}: {}", experiment->name,
                         model::name_of(mode), experiment->about);
    }
  }
  return text;
}

}  // namespace

std::size_t Plan::cases() const {
  std::size_t count = 0;
  for (const PlannedPoint& planned : points) {
    if (planned.experiment->kind != model::Kind::study) {
      count += planned.implementations.size();
      continue;
    }
    for (const auto* implementation : planned.implementations) {
      count += static_cast<std::size_t>(
          planned.experiment->seeds_of(planned.point, implementation->name));
    }
  }
  return count;
}

std::string case_key(const Experiment& experiment, const Point& point,
                     std::string_view implementation) {
  return fmt::format("{}/{}/{}/{}", experiment.suite, experiment.name, point.text(),
                     implementation);
}

std::string case_id(std::string_view key) { return model::hex(model::stable_hash(key)); }

std::uint64_t point_seed(std::uint64_t run_seed, const Experiment& experiment, const Point& point) {
  return model::stable_hash(case_key(experiment, point, ""),
                            model::stable_hash(std::to_string(run_seed)));
}

Plan make_plan(const model::Registry& registry, const Filter& filter, Mode mode,
               std::uint64_t seed) {
  const trace::Range range("plan");
  const std::vector<const Suite*> suites = chosen_suites(registry, filter);
  check_where(suites, filter, mode);
  Choice choice{filter, compile(filter.only, "--only"), compile(filter.skip, "--skip"), {}};
  for (const std::string& tier : filter.tiers) {
    try {
      choice.tiers.insert(model::parse_tier(tier));
    } catch (const std::invalid_argument& error) {
      throw UsageError(std::string("--tier: ") + error.what());
    }
  }
  Plan plan;
  plan.mode = mode;
  plan.seed = seed;
  for (const Suite* suite : suites) {
    for (const auto& experiment : suite->experiments())
      add_points(*experiment, choice, mode, plan.points);
  }
  if (plan.points.empty()) {
    throw UsageError(
        "nothing to run: the filters (--where, --only, --skip, --tier) leave no case; " +
        pointless_text(suites, choice, mode));
  }
  std::vector<std::string> ids;
  for (const PlannedPoint& planned : plan.points) {
    for (const Implementation* implementation : planned.implementations) {
      ids.push_back(case_id(case_key(*planned.experiment, planned.point, implementation->name)));
    }
  }
  std::sort(ids.begin(), ids.end());
  plan.hash = model::hex(
      model::stable_hash(fmt::format("{} {} {}", model::name_of(mode), seed, fmt::join(ids, " "))));
  return plan;
}

Plan part_of(const Plan& whole, const Shard& shard) {
  Plan part = whole;
  const auto count = static_cast<std::uint64_t>(shard.count);
  const auto index = static_cast<std::uint64_t>(shard.index - 1);
  std::erase_if(part.points, [&](const PlannedPoint& planned) {
    return model::stable_hash(case_key(*planned.experiment, planned.point, "")) % count != index;
  });
  return part;
}

Shard parse_shard(const std::string& text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto [slash, bad_index] = std::from_chars(text.data(), end, shard.index);
  const bool half = bad_index == std::errc() && slash != end && *slash == '/';
  const auto [rest, bad_count] =
      half ? std::from_chars(slash + 1, end, shard.count) : std::from_chars(end, end, shard.count);
  if (!half || bad_count != std::errc() || rest != end || shard.index < 1 ||
      shard.index > shard.count || shard.count > 100'000) {
    throw UsageError(fmt::format(
        "--shard '{}': write i/n with i from 1 to n, as in --shard 1/4 to --shard 4/4", text));
  }
  return shard;
}

}  // namespace ashlar::run
