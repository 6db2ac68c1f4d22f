#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/grid.hpp"
#include "harness/claims/parse_check.hpp"
#include "harness/claims/toml_reader.hpp"

namespace ashlar::claims {

namespace {

using detail::Need;
using detail::Problems;
using detail::Reader;

bool is_id(const std::string& id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/// `reported`: what people read, and the value when it is a number or an interval.
void parse_reported(const Reader& claim, Claim& into) {
  const toml::table* table = claim.child("reported", Need::required);
  if (table == nullptr) return;
  const Reader reader(*table, claim.problems(), claim.what() + ": 'reported'");
  reader.allow_only({"value", "unit", "text"});
  const std::string unit = reader.text("unit").value_or("");
  const std::string text = reader.text("text").value_or("");
  if (const toml::node* value = reader.node("value")) {
    const auto number = detail::number_of(*value);
    into.reported_value = number ? Range{*number, *number} : reader.range("value");
    if (into.reported_value) {
      const Range& range = *into.reported_value;
      into.reported =
          number ? fmt::format("{}", range.low) : fmt::format("{} to {}", range.low, range.high);
    }
    if (!unit.empty()) into.reported += ' ' + unit;
    if (!text.empty()) into.reported += " (" + text + ')';
  } else if (!text.empty()) {
    into.reported = text;
  } else {
    claim.problem("reported", "'reported' needs 'value' or 'text'");
  }
}

void parse_claim_check(const Reader& reader, Claim& claim, const std::string& what) {
  const toml::table* check = reader.child("check");
  if (claim.reach == Reach::out_of_reach) {
    if (check != nullptr)
      reader.problem("check",
                     "an out-of-reach claim is never checked; remove [claim.check] or "
                     "give another reach");
    return;
  }
  if (check != nullptr) {
    claim.check = detail::parse_check(*check, reader.problems(), what + ": check");
  } else if (claim.needs.empty() && !reader.has("check")) {
    reader.problems().add(reader.place(),
                          fmt::format("{}: [claim.check] is missing; write one, or say what it "
                                      "needs (needs = \"...\")",
                                      what));
  }
}

Claim parse_claim(const toml::table& table, Problems& problems, std::size_t number) {
  const auto* id = table.get_as<std::string>("id");
  const std::string what =
      id != nullptr ? fmt::format("claim '{}'", id->get()) : fmt::format("claim {}", number);
  const Reader reader(table, problems, what);
  reader.allow_only({"id", "says", "source", "reported", "setting", "reach", "because", "on",
                     "required", "needs", "changed", "check"});
  Claim claim;
  claim.place = reader.place("id");
  claim.id = reader.text("id", Need::required).value_or("");
  if (!claim.id.empty() && !is_id(claim.id))
    reader.problem("id", "an id has lower-case letters, digits and '-' only");
  claim.says = reader.text("says", Need::required).value_or("");
  claim.source = reader.text("source", Need::required).value_or("");
  parse_reported(reader, claim);
  detail::parse_common(reader, claim);
  parse_claim_check(reader, claim, what);
  return claim;
}

template <class Each>
void each_table(const toml::table& root, Problems& problems, const char* key, Each&& each) {
  const toml::node* node = root.get(key);
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr || !list->is_homogeneous(toml::node_type::table)) {
    problems.add(detail::place_of(*node),
                 fmt::format("'{}' must be a list of tables; write [[{}]]", key, key));
    return;
  }
  for (std::size_t i = 0; i < list->size(); ++i) each(*list->get(i)->as_table(), i + 1);
}

void refuse_equal_ids(const std::vector<Claim>& claims, Problems& problems) {
  std::map<std::string, Place> seen;
  for (const Claim& claim : claims) {
    const auto [it, fresh] = seen.emplace(claim.id, claim.place);
    if (!fresh && !claim.id.empty())
      problems.add(claim.place, fmt::format("id '{}' is used twice; the first is in line {}",
                                            claim.id, it->second.line));
  }
}

}  // namespace

namespace detail {

void parse_common(const Reader& reader, Claim& claim) {
  static const std::vector<std::pair<std::string, Reach>> kReaches = {
      {"direct", Reach::direct},
      {"scaled", Reach::scaled},
      {"model", Reach::model},
      {"out-of-reach", Reach::out_of_reach}};
  claim.setting = reader.text("setting").value_or("");
  claim.reach = reader.word("reach", kReaches, Need::required).value_or(Reach::direct);
  claim.because = reader.text("because", Need::required).value_or("");
  for (const Name& name : reader.names("on")) {
    if (name.text.empty()) reader.problem("on", "'on' is empty; write part of a processor's name");
    claim.on.push_back(name.text);
  }
  claim.required = reader.flag("required").value_or(false);
  claim.needs = reader.text("needs").value_or("");
  for (const Name& change : reader.names("changed")) claim.changed.push_back(change.text);
  if (claim.reach == Reach::out_of_reach && !claim.needs.empty())
    reader.problem("needs", "an out-of-reach claim waits for nothing; remove 'needs'");
}

}  // namespace detail

ClaimError::ClaimError(std::vector<std::string> problems)
    : std::runtime_error(fmt::format("{}", fmt::join(problems, "\n"))),
      problems_(std::move(problems)) {}

ClaimFile parse(std::string_view text, const std::filesystem::path& path) {
  Problems problems(path);
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    const Place place{error.source().begin.line, error.source().begin.column};
    throw ClaimError({detail::located(path, place, error.description())});
  }
  ClaimFile file;
  file.path = path;
  const Reader reader(root, problems, "claim file");
  reader.allow_only({"suite", "title", "claim", "grid"});
  file.suite = reader.text("suite", Need::required).value_or("");
  file.suite_place = reader.place("suite");
  file.title = reader.text("title").value_or("");
  each_table(root, problems, "claim", [&](const toml::table& table, std::size_t number) {
    file.claims.push_back(parse_claim(table, problems, number));
  });
  each_table(root, problems, "grid", [&](const toml::table& table, std::size_t number) {
    detail::expand_grid(table, problems, number, file.claims);
  });
  refuse_equal_ids(file.claims, problems);
  if (!problems.lines().empty()) throw ClaimError(problems.lines());
  return file;
}

ClaimFile load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ClaimError({fmt::format("{}: cannot be read", path.string())});
  std::ostringstream text;
  text << file.rdbuf();
  return parse(text.str(), path);
}

bool Constraint::admits(const Value& value) const {
  if (range) return value.is_number() && range->contains(value.number());
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace ashlar::claims
