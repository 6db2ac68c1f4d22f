#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "harness/claims/claim.hpp"
#include "harness/claims/names.hpp"
#include "harness/model/suite.hpp"

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
  NameCheck(const Check& check, std::filesystem::path file)
      : check_(check), file_(std::move(file)) {}

  void run(const Catalog& catalog) {
    if (check_.form == Form::duration) {
      for (const Name& name : check_.experiments)
        if (!catalog.contains(name.text)) unknown(name, "experiment", keys_of(catalog));
      return;
    }
    const auto it = catalog.find(check_.experiment.text);
    if (it == catalog.end()) {
      unknown(check_.experiment, "experiment", keys_of(catalog));
      return;
    }
    const Declaration& declaration = it->second;
    for (const auto* side : {&check_.of, &check_.to, &check_.minus})
      if (*side) check_side(**side, declaration);
    for (const Name& name : check_.implementations) {
      implementation(name, declaration);
      metric(check_.metric.text, check_.metric.place, name.text, declaration);
    }
    for (const Constraint& constraint : check_.where) {
      axis(constraint.axis, declaration);
      for (const Value& one : constraint.values) value(constraint.axis, one, declaration);
    }
    if (!check_.along.text.empty() && !check_.curve) axis(check_.along, declaration);
    const bool of_all =
        check_.implementations.empty() && (!check_.of || check_.of->implementation.text.empty());
    if (of_all) metric_of_any(declaration);
    check_kind(declaration);
  }

  const std::vector<std::string>& found() const { return found_; }
  /// Nothing is unknown, but a metric or a value was not seen either.
  bool unseen() const { return unseen_; }

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
  /// A word where the axis has numbers, or a value of no mode, never matches, which would read as
  /// "not run" for ever.
  void value(const Name& name, const Value& wanted, const Declaration& declaration) {
    const auto it = declaration.axes.find(name.text);
    if (it == declaration.axes.end() || it->second.empty()) return;
    const std::vector<Value>& known = it->second;
    if (std::find(known.begin(), known.end(), wanted) != known.end()) return;
    const bool fits = std::any_of(known.begin(), known.end(), [&](const Value& other) {
      return type_of(other) == type_of(wanted);
    });
    if (!fits) {
      note(name.place, fmt::format("axis '{}' has values like {}, never {}", name.text,
                                   known.front().text(), wanted.text()));
    } else if (declaration.complete) {
      std::vector<std::string> texts;
      texts.reserve(known.size());
      for (const Value& one : known) texts.push_back(one.text());
      note(name.place, fmt::format("unknown value {} of axis '{}'{}", wanted.text(), name.text,
                                   model::suggestion(wanted.text(), texts)));
    } else {
      unseen_ = true;
    }
  }
  void check_side(const Side& side, const Declaration& declaration) {
    implementation(side.implementation, declaration);
    const bool own = !side.metric.empty();
    metric(own ? side.metric : check_.metric.text,
           own ? side.implementation.place : check_.metric.place, side.implementation.text,
           declaration);
    for (const auto& [name, one] : side.axes) {
      axis(name, declaration);
      value(name, one, declaration);
    }
  }
  /// Counters, metrics and columns are known to the records alone.
  void metric(const std::string& name, Place place, const std::string& implementation,
              const Declaration& declaration) {
    if (implementation.empty() || declared(name, declaration)) return;
    const auto it = declaration.recorded.find(implementation);
    if (it == declaration.recorded.end()) {
      unseen_ = true;
      return;
    }
    if (check_.curve) return column(name, place, implementation, it->second.curves);
    const auto& known = it->second.metrics;
    if (!known.contains(name))
      note(place, fmt::format("{} records no '{}'{}", implementation, name,
                              model::suggestion(name, {known.begin(), known.end()})));
  }
  void column(const std::string& name, Place place, const std::string& implementation,
              const std::map<std::string, std::set<std::string>>& curves) {
    const std::string& curve = check_.curve->curve;
    const auto it = curves.find(curve);
    if (it == curves.end()) {
      note(place, fmt::format("{} records no curve '{}'{}", implementation, curve,
                              model::suggestion(curve, keys_of(curves))));
    } else if (!it->second.contains(name)) {
      note(place,
           fmt::format("the curve '{}' of {} has no column '{}'{}", curve, implementation, name,
                       model::suggestion(name, {it->second.begin(), it->second.end()})));
    }
  }
  bool declared(const std::string& name, const Declaration& declaration) const {
    if (name.empty()) return true;
    return !check_.curve && (detail::is_builtin_metric(name) || declaration.metrics.contains(name));
  }
  /// Form holds without an implementation: a run of a part of them proves nothing wrong.
  void metric_of_any(const Declaration& declaration) {
    const std::string& name = check_.metric.text;
    const bool recorded =
        std::any_of(declaration.recorded.begin(), declaration.recorded.end(),
                    [&](const auto& one) { return one.second.metrics.contains(name); });
    if (!declared(name, declaration) && !recorded) unseen_ = true;
  }
  void check_kind(const Declaration& declaration) {
    const std::string& name = check_.metric.text;
    if (declaration.study && detail::is_sampled_metric(name))
      note(check_.metric.place,
           fmt::format("a study has no '{}', since seeds run beside each other; use a metric or a "
                       "curve",
                       name));
    if (!declaration.study && check_.curve)
      note(check_.metric.place, "a timed experiment has no curves; use a metric");
  }

  const Check& check_;
  std::filesystem::path file_;
  std::vector<std::string> found_;
  bool unseen_ = false;
};

template <class R>
void add_names(Declaration::Recorded& into, const R& one) {
  for (const auto& [name, number] : one.counters) into.metrics.insert(name);
  for (const auto& [name, number] : one.metrics) into.metrics.insert(name);
  if constexpr (requires { one.curves; })
    for (const auto& [curve, columns] : one.curves)
      for (const auto& [name, numbers] : columns) into.curves[curve].insert(name);
}

}  // namespace

void add_declarations(Catalog& catalog, const std::string& suite, const model::Json& experiments) {
  if (!experiments.is_array()) return;
  for (const model::Json& experiment : experiments)
    if (experiment.is_object() && text_or_empty(experiment, "suite") == suite)
      add_experiment(catalog[text_or_empty(experiment, "experiment")], experiment);
}

void add_declarations(Catalog& catalog, const model::Suite& suite) {
  for (const auto& experiment : suite.experiments()) {
    for (const model::Mode mode : {model::Mode::quick, model::Mode::full, model::Mode::gpu})
      add_declarations(catalog, suite.id(), model::Json::array({experiment->describe(mode)}));
    catalog[experiment->name].complete = true;
  }
}

void add_records(Catalog& catalog, const std::string& suite, const record::RecordSet& records) {
  for (const record::RunRecord& run : records.runs)
    add_declarations(catalog, suite, run.experiments);
  const auto add = [&](const auto& one) {
    const auto declared = catalog.find(one.experiment);
    if (one.suite != suite || one.status != record::Status::ok || declared == catalog.end()) return;
    add_names(declared->second.recorded[one.implementation], one);
  };
  for (const record::CaseRecord& one : records.cases)
    if (!one.samples_ns.empty()) add(one);  // a profiled case says nothing of its counters
  for (const record::StudyRecord& one : records.studies) add(one);
}

Catalog catalog_of(const record::RecordSet& records, const std::string& suite) {
  Catalog catalog;
  add_records(catalog, suite, records);
  return catalog;
}

std::vector<std::string> unknown_names(const Check& check, const Catalog& catalog,
                                       const std::filesystem::path& file) {
  NameCheck names(check, file);
  names.run(catalog);
  return names.found();
}

bool everything_known(const Check& check, const Catalog& catalog) {
  NameCheck names(check, {});
  names.run(catalog);
  return names.found().empty() && !names.unseen();
}

void require_suite(const ClaimFile& file, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), file.suite) != known.end()) return;
  throw ClaimError({detail::located(
      file.path, file.suite_place,
      fmt::format("unknown suite '{}'{}", file.suite, model::suggestion(file.suite, known)))});
}

std::vector<std::string> validate(const ClaimFile& file, const Catalog& catalog) {
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
  for (const Claim& claim : file.claims) {
    if (!claim.check) continue;
    if (claim.needs.empty()) {
      const auto unknown = unknown_names(*claim.check, catalog, file.path);
      problems.insert(problems.end(), unknown.begin(), unknown.end());
    } else if (everything_known(*claim.check, catalog)) {
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
