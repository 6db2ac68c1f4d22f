// What the run record says of the experiments, and of the machine.
#include <algorithm>

#include <fmt/format.h>

#include "harness/report/view_parts.hpp"

namespace ashlar::report {

using model::Json;

namespace {

std::string text_field(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The array of that name, or an empty one: records of other versions may lack it.
const Json& list_field(const Json& json, const char* name) {
  static const Json kNone = Json::array();
  const auto found = json.find(name);
  return found != json.end() && found->is_array() ? *found : kNone;
}

std::vector<model::Value> values_of(const Json& axis) {
  std::vector<model::Value> values;
  for (const Json& value : list_field(axis, "values")) {
    if (value.is_primitive() && !value.is_null()) values.push_back(model::Value::from_json(value));
  }
  return values;
}

Declared from_json(const Json& json) {
  Declared declared;
  declared.suite = text_field(json, "suite");
  declared.experiment = text_field(json, "experiment");
  declared.about = text_field(json, "about");
  for (const Json& axis : list_field(json, "axes"))
    declared.axes.push_back({text_field(axis, "name"), text_field(axis, "unit"), values_of(axis)});
  for (const Json& one : list_field(json, "implementations")) {
    declared.implementations.push_back({text_field(one, "name"), text_field(one, "tier"),
                                        text_field(one, "device"), text_field(one, "about")});
  }
  for (const Json& metric : list_field(json, "metrics")) {
    declared.metrics.push_back(
        {text_field(metric, "name"), text_field(metric, "better"), text_field(metric, "unit")});
  }
  for (const Json& baseline : list_field(json, "baselines")) {
    if (baseline.is_string()) declared.baselines.push_back(baseline.get<std::string>());
  }
  declared.figures = list_field(json, "figures");
  return declared;
}

}  // namespace

Declared declaration(const record::RunRecord* run, const std::string& suite,
                     const std::string& experiment) {
  if (run != nullptr && run->experiments.is_array()) {
    for (const Json& json : run->experiments) {
      if (text_field(json, "suite") == suite && text_field(json, "experiment") == experiment)
        return from_json(json);
    }
  }
  Declared declared;
  declared.suite = suite;
  declared.experiment = experiment;
  return declared;
}

std::vector<std::string> table_order(const Declared& declared, std::vector<std::string> present) {
  std::vector<std::string> ordered;
  for (const auto& implementation : declared.implementations) {
    if (std::find(present.begin(), present.end(), implementation.name) != present.end())
      ordered.push_back(implementation.name);
  }
  for (std::string& name : present) {
    if (std::find(ordered.begin(), ordered.end(), name) == ordered.end())
      ordered.push_back(std::move(name));
  }
  return ordered;
}

bool point_before(const Declared& declared, const model::Point& a, const model::Point& b) {
  for (const Declared::Axis& axis : declared.axes) {
    const model::Value* left = a.find(axis.name);
    const model::Value* right = b.find(axis.name);
    if (left == nullptr || right == nullptr || *left == *right) continue;
    const auto left_place = std::find(axis.values.begin(), axis.values.end(), *left);
    const auto right_place = std::find(axis.values.begin(), axis.values.end(), *right);
    if (left_place != right_place) return left_place < right_place;
    return *left < *right;
  }
  return a < b;
}

std::string word_of(record::Status status) {
  switch (status) {
    case record::Status::ok:
      return "ok";
    case record::Status::unsupported:
      return "unsupported";
    case record::Status::wrong:
      return "wrong";
    case record::Status::crashed:
      return "crashed";
    case record::Status::timeout:
      return "timeout";
    case record::Status::out_of_memory:
      return "out of memory";
    case record::Status::failed:
      return "failed";
    case record::Status::dropped:
      return "dropped";
  }
  return "?";
}

}  // namespace ashlar::report
