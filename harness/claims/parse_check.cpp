#include "harness/claims/parse_check.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/csv.hpp"
#include "harness/claims/names.hpp"
#include "harness/model/suite.hpp"

namespace ashlar::claims::detail {

namespace {

using Keys = std::vector<std::string>;

const std::vector<std::pair<std::string, Over>> kOvers = {
    {"all", Over::all}, {"any", Over::any}, {"geomean", Over::geomean}, {"max", Over::max}};
const std::vector<std::pair<std::string, Better>> kBetters = {{"lower", Better::lower},
                                                              {"higher", Better::higher}};

Keys operator+(Keys left, const Keys& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// The keys that a form knows, beside `form`, `experiment`, `where` and `unit`.
Keys keys_of(Form form) {
  const Keys judged = {"over", "expect", "direction"};
  const Keys value = {"metric", "of"};
  const Keys curve = {"curve", "at", "first_below", "first_above", "read"};
  switch (form) {
    case Form::ratio:
      return judged + value + curve + Keys{"to", "per"};
    case Form::within:
      return judged + value + curve + Keys{"per", "minus"};
    case Form::ordering:
      return judged + value + curve + Keys{"implementations", "compare", "better"};
    case Form::monotone:
      return judged + value + Keys{"to", "along", "trend", "compare", "curve"};
    case Form::slope:
      return judged + value + curve + Keys{"to", "along"};
    case Form::crossover:
      return judged + value + curve + Keys{"to", "along", "level", "passes"};
    case Form::count:
      return Keys{"expect", "direction"} + value + curve + Keys{"to", "inside"};
    case Form::fits:
      return judged + value + Keys{"along", "curve", "points", "x", "y", "normalise", "scale"};
    case Form::equal:
      return Keys{"over"} + value + curve + Keys{"to", "value", "tolerance"};
    case Form::holds:
      return Keys{"over"} + value + Keys{"status"};
    case Form::duration:
      return judged + Keys{"mode", "experiments"};
  }
  return {};
}

Keys all_keys() {
  Keys all;
  for (const auto& [name, form] : form_names()) all = all + keys_of(form);
  return all;
}

bool is(Form form, std::initializer_list<Form> forms) {
  return std::find(forms.begin(), forms.end(), form) != forms.end();
}

void refuse_unknown_keys(const Reader& reader, Form form) {
  const Keys known =
      (form == Form::duration ? Keys{"form"} : Keys{"form", "experiment", "where", "unit"}) +
      keys_of(form);
  const Keys all = all_keys();
  for (const auto& [key, value] : reader.table()) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const bool elsewhere = std::find(all.begin(), all.end(), name) != all.end();
    reader.problems().add(
        place_of(key), elsewhere
                           ? fmt::format("{}: form '{}' has no key '{}'; remove it (known: {})",
                                         reader.what(), name_of(form), name, fmt::join(known, ", "))
                           : fmt::format("{}: unknown key '{}'{}", reader.what(), name,
                                         model::suggestion(name, known)));
  }
}

std::optional<Side> parse_side(const Reader& check, const std::string& key, Need implementation) {
  const toml::table* table = check.child(key);
  if (table == nullptr) return std::nullopt;
  const Reader reader(*table, check.problems(), fmt::format("{}: '{}'", check.what(), key));
  Side side;
  if (const auto name = reader.name("implementation", implementation)) side.implementation = *name;
  side.metric = reader.text("metric").value_or("");
  for (const auto& [name, node] : *table) {
    const std::string axis(name.str());
    if (axis == "implementation" || axis == "metric") continue;
    const auto value = value_of(node);
    if (!value)
      reader.problem(
          axis, fmt::format("axis '{}' must have one value here; lists belong in 'where'", axis));
    side.axes.emplace_back(Name{axis, place_of(name)}, value.value_or(Value()));
  }
  return side;
}

Constraint parse_constraint(const Reader& where, const toml::key& key, const toml::node& node) {
  Constraint constraint;
  constraint.axis = {std::string(key.str()), place_of(key)};
  const std::string& axis = constraint.axis.text;
  if (const auto value = value_of(node)) {
    constraint.values = {*value};
  } else if (const toml::array* list = node.as_array()) {
    for (const toml::node& element : *list)
      if (const auto one = value_of(element)) constraint.values.push_back(*one);
    if (list->empty() || constraint.values.size() != list->size())
      where.problem(axis, fmt::format("'{}' must list values of the axis", axis));
  } else if (const toml::table* table = node.as_table()) {
    const Reader reader(*table, where.problems(), fmt::format("{}: '{}'", where.what(), axis));
    reader.allow_only({"min", "max"});
    Range range;
    range.low = reader.number("min").value_or(range.low);
    range.high = reader.number("max").value_or(range.high);
    if (range.low > range.high || table->empty())
      where.problem(axis,
                    fmt::format("'{}' must be {{ min = .., max = .. }} with min below max", axis));
    constraint.range = range;
  } else {
    where.problem(axis, fmt::format("'{}' must be a value, a list or {{ min, max }}", axis));
  }
  return constraint;
}

void parse_curve(const Reader& reader, Check& check) {
  if (!reader.has("curve")) {
    for (const char* key : {"at", "first_below", "first_above", "read"})
      if (reader.has(key)) reader.problem(key, fmt::format("'{}' needs 'curve'", key));
    return;
  }
  CurveSelector selector;
  selector.curve = reader.text("curve").value_or("");
  selector.first_below = reader.number("first_below");
  selector.first_above = reader.number("first_above");
  selector.read = reader.text("read").value_or("");
  if (const toml::table* at = reader.child("at")) {
    const auto number = at->size() == 1 ? number_of(at->begin()->second) : std::nullopt;
    if (number) {
      selector.at = {std::string(at->begin()->first.str()), *number};
    } else {
      reader.problem("at", "'at' must be one column and a number: at = { iteration = 100 }");
    }
  }
  const int ways = static_cast<int>(reader.has("at")) +
                   static_cast<int>(reader.has("first_below")) +
                   static_cast<int>(reader.has("first_above"));
  const bool whole = is(check.form, {Form::monotone, Form::fits});
  if (!whole && ways != 1)
    reader.problem("curve", "'curve' needs exactly one of 'at', 'first_below', 'first_above'");
  if (reader.has("read") && reader.has("at"))
    reader.problem("read", "'read' goes with 'first_below' and 'first_above'");
  check.curve = std::move(selector);
}

/// The axes of the sides must match each other and leave `where` and `along` alone.
void check_axes(const Reader& reader, const Check& check) {
  const auto named = [](const Side& side, const std::string& axis) {
    return std::any_of(side.axes.begin(), side.axes.end(),
                       [&](const auto& one) { return one.first.text == axis; });
  };
  const auto match = [&](const Side& side, const Side& other, const char* missing_in) {
    for (const auto& [axis, value] : side.axes)
      if (!named(other, axis.text))
        reader.problems().add(
            axis.place, fmt::format("{}: axis '{}' is missing in '{}'; both sides need it, or "
                                    "put it in 'where'",
                                    reader.what(), axis.text, missing_in));
  };
  for (const auto* other : {&check.to, &check.minus}) {
    if (!check.of || !*other) continue;
    const char* name = other == &check.to ? "to" : "minus";
    match(*check.of, **other, name);
    match(**other, *check.of, "of");
  }
  if (!check.of) return;
  for (const Constraint& constraint : check.where)
    if (named(*check.of, constraint.axis.text))
      reader.problems().add(constraint.axis.place,
                            fmt::format("{}: axis '{}' stands in 'of' too; name it once",
                                        reader.what(), constraint.axis.text));
  if (!check.along.text.empty() && named(*check.of, check.along.text))
    reader.problems().add(check.along.place,
                          fmt::format("{}: 'along' is the axis that varies; take '{}' out of 'of'",
                                      reader.what(), check.along.text));
}

void parse_points(const Reader& reader, Check& check) {
  const auto file = reader.text("points", Need::required);
  const auto x = reader.text("x", Need::required);
  const auto y = reader.text("y", Need::required);
  const double scale = reader.number("scale").value_or(1);
  if (const auto written = reader.text("normalise")) {
    if (*written != "first") reader.problem("normalise", "'normalise' must be \"first\"");
    check.normalise = true;
  }
  if (!file || !x || !y) return;
  const auto csv = read_csv(reader.problems().file().parent_path() / *file);
  if (!csv.error.empty()) {
    reader.problem("points", csv.error);
    return;
  }
  for (const CsvRow& row : csv.rows) {
    const std::string* left = csv.cell(row, *x);
    const std::string* right = csv.cell(row, *y);
    if (left == nullptr || right == nullptr) {
      const char* key = left == nullptr ? "x" : "y";
      const std::string& column = left == nullptr ? *x : *y;
      reader.problem(key, fmt::format("{} has no column '{}'{}", *file, column,
                                      model::suggestion(column, csv.header)));
      return;
    }
    const auto from = csv_number(*left);
    const auto to = csv_number(*right);
    if (!from || !to) {
      reader.problems().add_line(
          located(csv.path, {row.line, 1}, fmt::format("'{}' and '{}' must be numbers", *x, *y)));
      return;
    }
    check.points.emplace_back(*from, *to * scale);
  }
  if (check.points.empty()) reader.problem("points", fmt::format("{} holds no points", *file));
}

void parse_forms_own(const Reader& reader, Check& check) {
  const Form form = check.form;
  check.per = reader.number("per").value_or(1);
  if (check.per == 0) reader.problem("per", "'per' must not be 0");
  if (form == Form::ordering) {
    check.implementations = reader.names("implementations", Need::required);
    if (reader.has("implementations") && check.implementations.size() < 2)
      reader.problem("implementations", "an order needs two implementations at least");
  }
  check.better = reader.word("better", kBetters);
  check.difference =
      reader.word<bool>("compare", {{"ratio", false}, {"difference", true}}).value_or(false);
  const bool on_curve = check.curve && is(form, {Form::fits, Form::monotone});
  if (is(form, {Form::monotone, Form::slope, Form::crossover, Form::fits})) {
    const Need need = on_curve && form == Form::fits ? Need::optional : Need::required;
    check.along = reader.name("along", need).value_or(Name{});
  }
  if (form == Form::monotone)
    check.rises = reader.word<bool>("trend", {{"rises", true}, {"falls", false}}, Need::required)
                      .value_or(true);
  if (form == Form::crossover) {
    check.rises =
        reader.word<bool>("passes", {{"rising", true}, {"falling", false}}).value_or(false);
    check.level = reader.number("level").value_or(1);
  }
  if (form == Form::count) check.inside = reader.range("inside", Need::required);
  if (form == Form::fits) parse_points(reader, check);
  if (form == Form::equal) {
    check.value = reader.number("value");
    check.tolerance = reader.number("tolerance").value_or(0);
    if (check.value.has_value() == check.to.has_value())
      reader.problems().add(
          reader.place(),
          fmt::format("{}: form 'equal' needs either 'to' or 'value'", reader.what()));
    if (is_sampled_metric(check.metric.text))
      reader.problem("metric",
                     fmt::format("'{}' is never equal twice; use form 'ratio'", check.metric.text));
  }
  for (const Name& status : reader.names("status")) {
    if (const auto known = record::status_named(status.text)) {
      check.statuses.push_back(*known);
    } else {
      reader.problem("status", fmt::format("unknown status '{}'{}", status.text,
                                           model::suggestion(status.text, record::status_names())));
    }
  }
}

void parse_judgement(const Reader& reader, Check& check) {
  check.over = reader.word("over", kOvers).value_or(Over::all);
  check.expect = reader.range("expect");
  check.direction = reader.range("direction");
  const bool has_default =
      is(check.form, {Form::ordering, Form::monotone, Form::equal, Form::holds});
  if (!has_default && !reader.has("expect") && !reader.has("direction"))
    reader.problems().add(reader.place(), fmt::format("{}: form '{}' needs 'expect' or 'direction'",
                                                      reader.what(), name_of(check.form)));
  if (is(check.form, {Form::equal, Form::holds}) &&
      (check.over == Over::geomean || check.over == Over::max))
    reader.problem("over",
                   fmt::format("form '{}' knows only \"all\" and \"any\"", name_of(check.form)));
}

void parse_duration(const Reader& reader, Check& check) {
  std::vector<std::pair<std::string, std::string>> modes;
  for (const model::Mode mode : {model::Mode::quick, model::Mode::full, model::Mode::gpu})
    modes.emplace_back(model::name_of(mode), model::name_of(mode));
  check.mode = reader.word("mode", modes, Need::required).value_or("");
  check.experiments = reader.names("experiments", Need::required);
}

/// What a check compares, and where.
void parse_compared(const Reader& reader, Check& check) {
  const Form form = check.form;
  check.experiment = reader.name("experiment", Need::required).value_or(Name{});
  check.metric =
      reader.name("metric", form == Form::holds ? Need::optional : Need::required).value_or(Name{});
  const bool optional_of = is(form, {Form::holds, Form::ordering});
  if (!optional_of) reader.node("of", Need::required);
  check.of = parse_side(reader, "of", optional_of ? Need::optional : Need::required);
  const bool needs_to = is(form, {Form::ratio, Form::crossover});
  if (needs_to) reader.node("to", Need::required);
  check.to = parse_side(reader, "to", Need::optional);
  check.minus = parse_side(reader, "minus", Need::optional);
  for (auto* other : {&check.to, &check.minus})
    if (*other && check.of && (*other)->implementation.text.empty())
      (*other)->implementation = check.of->implementation;
  check.where = parse_where(reader);
  check.unit = reader.text("unit").value_or("");
}

}  // namespace

std::vector<Constraint> parse_where(const Reader& check) {
  std::vector<Constraint> constraints;
  const toml::table* table = check.child("where");
  if (table == nullptr) return constraints;
  const Reader where(*table, check.problems(), check.what() + ": 'where'");
  for (const auto& [key, node] : *table) constraints.push_back(parse_constraint(where, key, node));
  return constraints;
}

std::optional<Check> parse_check(const toml::table& table, Problems& problems,
                                 const std::string& what) {
  const std::size_t before = problems.lines().size();
  const Reader reader(table, problems, what);
  Check check;
  check.place = reader.place();
  const auto form = reader.word("form", form_names(), Need::required);
  if (!form) return std::nullopt;
  check.form = *form;
  refuse_unknown_keys(reader, check.form);
  if (check.form == Form::duration) {
    parse_duration(reader, check);
  } else {
    parse_compared(reader, check);
  }
  parse_curve(reader, check);
  parse_judgement(reader, check);
  parse_forms_own(reader, check);
  check_axes(reader, check);
  if (problems.lines().size() > before) return std::nullopt;
  return check;
}

}  // namespace ashlar::claims::detail
