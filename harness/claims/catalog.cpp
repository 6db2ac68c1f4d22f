#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "harness/claims/claim.hpp"
#include "harness/claims/names.hpp"

namespace ashlar::claims {

namespace {

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> keys;
  keys.reserve(map.size());
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

std::string text_or_empty(const model::Json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

const model::Json& list_at(const model::Json& json, const char* key) {
  static const model::Json kEmpty = model::Json::array();
  const auto it = json.find(key);
  return it != json.end() && it->is_array() ? *it : kEmpty;
}

void add_once(std::vector<Value>& values, const Value& value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

void add_metric(Declaration& declaration, const model::Json& metric) {
  Declaration::Metric& into = declaration.metrics[text_or_empty(metric, "name")];
  into.unit = text_or_empty(metric, "unit");
  const std::string better = text_or_empty(metric, "better");
  if (better == "lower") into.better = Better::lower;
  if (better == "higher") into.better = Better::higher;
}

void add_experiment(Declaration& declaration, const model::Json& experiment) {
  declaration.study = text_or_empty(experiment, "kind") == "study";
  for (const model::Json& axis : list_at(experiment, "axes")) {
    std::vector<Value>& values = declaration.axes[text_or_empty(axis, "name")];
    for (const model::Json& value : list_at(axis, "values"))
      if (value.is_primitive() && !value.is_null()) add_once(values, Value::from_json(value));
  }
  for (const model::Json& implementation : list_at(experiment, "implementations")) {
    const std::string name = text_or_empty(implementation, "name");
    auto& known = declaration.implementations;
    detail::add_once(known, name);
  }
  for (const model::Json& metric : list_at(experiment, "metrics")) add_metric(declaration, metric);
}

char type_of(const Value& value) {
  if (value.is_bool()) return 'b';
  return value.is_text() ? 't' : 'n';
}

/// Compares the names of one check with one experiment's declaration.
class NameCheck {
 public:
  NameCheck(const Check& check, const std::filesystem::path& file) : check_(check), file_(file) {}

  std::vector<std::string> run(const Catalog& catalog) {
    const auto it = catalog.find(check_.experiment.text);
    if (it == catalog.end()) {
      unknown(check_.experiment, "experiment", keys_of(catalog));
      return found_;
    }
    const Declaration& declaration = it->second;
    for (const auto* side : {&check_.of, &check_.to, &check_.minus})
      if (*side) check_side(**side, declaration);
    for (const Name& name : check_.implementations) implementation(name, declaration);
    for (const Constraint& constraint : check_.where) {
      axis(constraint.axis, declaration);
      for (const Value& value : constraint.values) type(constraint.axis, value, declaration);
    }
    if (!check_.along.text.empty() && !check_.curve) axis(check_.along, declaration);
    check_metric(declaration);
    return found_;
  }

 private:
  void note(Place place, const std::string& text) {
    found_.push_back(detail::located(file_, place, text));
  }
  void unknown(const Name& name, const char* kind, const std::vector<std::string>& known) {
    note(name.place,
         fmt::format("unknown {} '{}'{}", kind, name.text, model::suggestion(name.text, known)));
  }
  void implementation(const Name& name, const Declaration& declaration) {
    const auto& known = declaration.implementations;
    if (!name.text.empty() && std::find(known.begin(), known.end(), name.text) == known.end())
      unknown(name, "implementation", known);
  }
  void axis(const Name& name, const Declaration& declaration) {
    if (!declaration.axes.contains(name.text)) unknown(name, "axis", keys_of(declaration.axes));
  }
  /// A word where the axis has numbers never matches, which would read as "not run" for ever.
  void type(const Name& name, const Value& value, const Declaration& declaration) {
    const auto it = declaration.axes.find(name.text);
    if (it == declaration.axes.end() || it->second.empty()) return;
    const bool fits = std::any_of(it->second.begin(), it->second.end(), [&](const Value& other) {
      return type_of(other) == type_of(value);
    });
    if (!fits)
      note(name.place, fmt::format("axis '{}' has values like {}, never {}", name.text,
                                   it->second.front().text(), value.text()));
  }
  void check_side(const Side& side, const Declaration& declaration) {
    implementation(side.implementation, declaration);
    for (const auto& [name, value] : side.axes) {
      axis(name, declaration);
      type(name, value, declaration);
    }
  }
  void check_metric(const Declaration& declaration) {
    const std::string& metric = check_.metric.text;
    if (declaration.study && detail::is_sampled_metric(metric))
      note(check_.metric.place,
           fmt::format("a study has no '{}', since seeds run beside each other; use a metric or a "
                       "curve",
                       metric));
    if (!declaration.study && check_.curve)
      note(check_.metric.place, "a timed experiment has no curves; use a metric");
  }

  const Check& check_;
  const std::filesystem::path& file_;
  std::vector<std::string> found_;
};

}  // namespace

void add_declarations(Catalog& catalog, const std::string& suite, const model::Json& experiments) {
  if (!experiments.is_array()) return;
  for (const model::Json& experiment : experiments)
    if (experiment.is_object() && text_or_empty(experiment, "suite") == suite)
      add_experiment(catalog[text_or_empty(experiment, "experiment")], experiment);
}

Catalog catalog_of(const record::RecordSet& records, const std::string& suite) {
  Catalog catalog;
  for (const record::RunRecord& run : records.runs)
    add_declarations(catalog, suite, run.experiments);
  return catalog;
}

std::vector<std::string> unknown_names(const Check& check, const Catalog& catalog,
                                       const std::filesystem::path& file) {
  return NameCheck(check, file).run(catalog);
}

std::vector<std::string> validate(const ClaimFile& file, const Catalog& catalog) {
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
  for (const Claim& claim : file.claims) {
    if (!claim.check) continue;
    const auto unknown = unknown_names(*claim.check, catalog, file.path);
    if (claim.needs.empty()) {
      problems.insert(problems.end(), unknown.begin(), unknown.end());
    } else if (unknown.empty()) {
      warnings.push_back(detail::located(
          file.path, claim.place,
          fmt::format("claim '{}': everything it names is there now; remove 'needs'", claim.id)));
    }
  }
  // The cells of a grid share their places: each problem once.
  const auto unique = [](std::vector<std::string>& lines) {
    std::vector<std::string> kept;
    for (const std::string& line : lines) detail::add_once(kept, line);
    lines = std::move(kept);
  };
  unique(problems);
  unique(warnings);
  if (!problems.empty()) throw ClaimError(problems);
  return warnings;
}

}  // namespace ashlar::claims
