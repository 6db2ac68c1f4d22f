#include "harness/record/import_parts.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>

namespace ashlar::record::detail {

namespace {

constexpr const char* kDefaultPattern = "(?:BM_)?(?<experiment>[^/]+)(?:/(?<axes>.*))?";
/// The regular expressions of the standard library use stack for each letter.
constexpr std::size_t kLongestName = 1000;

/// ECMAScript has no named groups here: takes their names out and counts the groups.
std::string without_names(std::string_view pattern, std::vector<std::string>& groups) {
  std::string plain;
  groups.assign(1, "");
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    plain += pattern[i];
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      plain += pattern[++i];
    } else if (pattern[i] == '[') {
      in_class = true;
    } else if (pattern[i] == ']') {
      in_class = false;
    } else if (pattern[i] == '(' && !in_class) {
      const std::string_view rest = pattern.substr(i + 1);
      const bool named =
          rest.starts_with("?<") && !rest.starts_with("?<=") && !rest.starts_with("?<!");
      if (named) {
        const std::size_t end = rest.find('>');
        if (end == std::string_view::npos || end == 2)
          throw std::invalid_argument("a group that begins with '(?<' needs a name and '>'");
        groups.emplace_back(rest.substr(2, end - 2));
        i += end + 1;
      } else if (!rest.starts_with('?')) {
        groups.emplace_back();
      }
    }
  }
  return plain;
}

/// Pieces between slashes and commas, but not between those inside of brackets.
std::vector<std::string> pieces_of(std::string_view text) {
  std::vector<std::string> pieces(1);
  int depth = 0;
  for (const char letter : text) {
    if (letter == '<' || letter == '(') ++depth;
    if ((letter == '>' || letter == ')') && depth > 0) --depth;
    if ((letter == '/' || letter == ',') && depth == 0) {
      pieces.emplace_back();
    } else {
      pieces.back() += letter;
    }
  }
  std::erase(pieces, "");
  return pieces;
}

void add_axis(Point& point, const std::string& axis, const std::string& value) {
  if (point.find(axis) != nullptr)
    throw std::invalid_argument(fmt::format("the axis '{}' comes twice", axis));
  point.set(axis, model::Value::parse(value));
}

/// Everything that the run record says of a machine, unknown.
Json unknown_machine() {
  Json machine = Json::object();
  for (const char* field : {"host_hash",    "kernel",
                            "distribution", "cpu",
                            "caches",       "numa",
                            "hypervisor",   "container",
                            "cgroup",       "affinity",
                            "huge_pages",   "aslr",
                            "memory",       "load",
                            "cpu_times",    "throttled_periods",
                            "timer",        "locale",
                            "variables",    "libraries",
                            "gpu",          "worker_variables"})
    machine[field] = nullptr;
  machine["cpu"] = {
      {"vendor", nullptr}, {"model_name", nullptr}, {"logical", nullptr}, {"max_mhz", nullptr}};
  return machine;
}

void add_once(Json& list, const Json& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

/// The element with that name, made when it is new.
Json& named(Json& list, const std::string& name, const Json& fresh) {
  for (Json& one : list)
    if (one.at("name") == name) return one;
  list.push_back(fresh);
  return list.back();
}

}  // namespace

NameReader::NameReader(const ImportOptions& options) : options_(options) {
  const std::string text = options.pattern.value_or(kDefaultPattern);
  try {
    pattern_ = std::regex(without_names(text, groups_), std::regex::ECMAScript);
  } catch (const std::exception& error) {
    throw std::invalid_argument(
        fmt::format("--pattern '{}' is not a regular expression: {}", text, error.what()));
  }
}

ForeignName NameReader::read(std::string_view text) const {
  const std::string name(text);
  if (name.size() > kLongestName)
    throw std::invalid_argument(
        fmt::format("a name of {} letters; at most {} can be read", name.size(), kLongestName));
  std::smatch match;
  if (!std::regex_match(name, match, pattern_))
    throw std::invalid_argument(
        options_.pattern ? fmt::format("the pattern does not match the whole name '{}'", name)
                         : fmt::format("'{}' is not a name like experiment/axis:value", name));
  ForeignName found;
  found.implementation = options_.implementation;
  std::string axes;
  for (std::size_t i = 1; i < groups_.size() && i < match.size(); ++i) {
    if (groups_[i].empty() || !match[i].matched) continue;
    const std::string value = match[i].str();
    if (groups_[i] == "experiment") {
      found.experiment = value;
    } else if (groups_[i] == "implementation") {
      found.implementation = value;
    } else if (groups_[i] == "axes") {
      axes = value;
    } else {
      add_axis(found.point, groups_[i], value);
    }
  }
  if (found.experiment.empty() || found.implementation.empty())
    throw std::invalid_argument(
        fmt::format("the name '{}' gives no {}", name,
                    found.experiment.empty() ? "experiment" : "implementation"));
  std::size_t position = 0;
  for (const std::string& piece : pieces_of(axes)) {
    const std::size_t split = piece.find_first_of(":=");
    if (split != std::string::npos && split > 0) {
      add_axis(found.point, piece.substr(0, split), piece.substr(split + 1));
    } else {
      add_axis(found.point,
               position < options_.arguments.size() ? options_.arguments[position]
                                                    : fmt::format("arg{}", position),
               piece);
      ++position;
    }
  }
  return found;
}

RunBuilder::RunBuilder(std::filesystem::path path, const ImportOptions& options)
    : path_(std::move(path)), options_(options) {
  std::ifstream file(path_, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file || std::filesystem::is_directory(path_)) fail("cannot be read");
  imported_.run.machine = unknown_machine();
  digest_ = model::hex(model::stable_hash(text));
  try {
    json_ = Json::parse(text);
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..."
    const std::string what = error.what();
    const std::size_t start = what.find("] ");
    fail("not JSON: " + (start == std::string::npos ? what : what.substr(start + 2)));
  }
}

void RunBuilder::fail(const std::string& what) const {
  throw FileError(fmt::format("{}: {}", path_.string(), what));
}

void RunBuilder::warn(const std::string& what) {
  imported_.warnings.push_back(fmt::format("{}: {}", path_.string(), what));
}

std::string RunBuilder::key_of(const ForeignName& name) const {
  std::string key = options_.suite + '/' + name.experiment + '/';
  const std::string point = name.point.text();
  if (!point.empty()) key += point + '/';
  return key + name.implementation;
}

bool RunBuilder::known(const ForeignName& name) const { return places_.contains(key_of(name)); }

CaseRecord& RunBuilder::case_of(const ForeignName& name, const std::string& device) {
  const std::string key = key_of(name);
  const auto [it, fresh] = places_.emplace(key, imported_.cases.size());
  if (!fresh) return imported_.cases[it->second];
  CaseRecord& one = imported_.cases.emplace_back();
  one.case_id = model::hex(model::stable_hash(key));
  one.key = key;
  one.suite = options_.suite;
  one.experiment = name.experiment;
  one.point = name.point;
  one.implementation = name.implementation;
  one.tier = options_.tier;
  one.device = device;
  return one;
}

void RunBuilder::declare() {
  Json& experiments = imported_.run.experiments = Json::array();
  for (const CaseRecord& one : imported_.cases) {
    auto found = std::find_if(experiments.begin(), experiments.end(), [&](const Json& known) {
      return known.at("experiment") == one.experiment.str();
    });
    if (found == experiments.end()) {
      experiments.push_back({{"suite", options_.suite},
                             {"experiment", one.experiment.str()},
                             {"kind", "timed"},
                             {"about", "imported"},
                             {"axes", Json::array()},
                             {"implementations", Json::array()},
                             {"metrics", Json::array()},
                             {"baselines", options_.baselines},
                             {"figures", Json::array()}});
      found = std::prev(experiments.end());
    }
    for (const auto& [axis, value] : one.point.axes()) {
      Json& known =
          named((*found)["axes"], axis, {{"name", axis}, {"unit", ""}, {"values", Json::array()}});
      add_once(known["values"], value.to_json());
    }
    named((*found)["implementations"], one.implementation,
          {{"name", one.implementation.str()},
           {"tier", options_.tier},
           {"device", one.device.str()},
           {"about", ""}});
  }
}

Imported RunBuilder::finish(const char* program, const Json& context) {
  if (imported_.cases.empty()) fail("holds no results");
  RunRecord& run = imported_.run;
  std::string compact;
  for (const char letter : run.started)
    if (letter != '-' && letter != ':') compact += letter;
  run.run_id = fmt::format("{}-{}", compact.empty() ? "imported" : compact, digest_.substr(0, 8));
  std::vector<std::string> ids;
  for (const CaseRecord& one : imported_.cases) ids.push_back(one.case_id);
  std::sort(ids.begin(), ids.end());
  std::string all;
  for (const std::string& id : ids) all += id + '\n';
  run.plan_hash = model::hex(model::stable_hash(all));
  run.argv = options_.argv;
  run.mode = "imported";
  run.machine_id = options_.machine_id;
  run.build = {{"git", nullptr},
               {"compiler", nullptr},
               {"flags", nullptr},
               {"type", nullptr},
               {"binary_sha256", nullptr},
               {"imported",
                {{"program", program}, {"file", path_.filename().string()}, {"context", context}}}};
  for (CaseRecord& one : imported_.cases) {
    one.run_id = run.run_id;
    one.plan_hash = run.plan_hash;
  }
  declare();
  for (const std::string& baseline : options_.baselines) {
    const bool there =
        std::any_of(imported_.cases.begin(), imported_.cases.end(),
                    [&](const CaseRecord& one) { return one.implementation == baseline; });
    if (there) continue;
    std::vector<std::string> names;
    for (const CaseRecord& one : imported_.cases)
      if (std::find(names.begin(), names.end(), one.implementation) == names.end())
        names.push_back(one.implementation);
    throw std::invalid_argument(fmt::format("--baseline: no implementation '{}' in {}{}", baseline,
                                            path_.string(), model::suggestion(baseline, names)));
  }
  return std::move(imported_);
}

std::optional<double> number_in(const Json& json) {
  if (json.is_number()) return json.get<double>();
  if (!json.is_string()) return std::nullopt;
  const std::string& text = json.get_ref<const std::string&>();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const Json& member(const Json& json, const char* name) {
  static const Json kNull;
  if (!json.is_object()) return kNull;
  const auto found = json.find(name);
  return found == json.end() ? kNull : *found;
}

std::string text_in(const Json& json, const char* name) {
  const Json& found = member(json, name);
  return found.is_string() ? found.get<std::string>() : std::string();
}

std::optional<std::int64_t> nanoseconds(double seconds) {
  const double rounded = std::round(seconds * 1e9);
  if (!(rounded >= 0 && rounded < 9e18)) return std::nullopt;
  return static_cast<std::int64_t>(rounded);
}

std::string utc_of(const std::string& date) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, length = 0;
  if (std::sscanf(date.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
                  &second, &length) != 6)
    return "";
  int zone_hours = 0, zone_minutes = 0;
  const std::string zone = date.substr(static_cast<std::size_t>(length));
  if (!zone.empty() && zone != "Z" &&
      std::sscanf(zone.c_str() + 1, "%2d:%2d", &zone_hours, &zone_minutes) != 2)
    return "";
  namespace chrono = std::chrono;
  const chrono::year_month_day calendar{chrono::year(year),
                                        chrono::month(static_cast<unsigned>(month)),
                                        chrono::day(static_cast<unsigned>(day))};
  if (!calendar.ok()) return "";
  const int sign = zone.starts_with('-') ? -1 : 1;
  const auto time = chrono::sys_days(calendar) + chrono::hours(hour - sign * zone_hours) +
                    chrono::minutes(minute - sign * zone_minutes) + chrono::seconds(second);
  const auto days = chrono::floor<chrono::days>(time);
  const chrono::year_month_day utc(days);
  const auto rest = chrono::duration_cast<chrono::seconds>(time - days).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(utc.year()),
                     static_cast<unsigned>(utc.month()), static_cast<unsigned>(utc.day()),
                     rest / 3600, rest / 60 % 60, rest % 60);
}

}  // namespace ashlar::record::detail
