#include "harness/claims/toml_reader.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace ashlar::claims::detail {

namespace {

std::string_view type_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

}  // namespace

Place place_of(const toml::node& node) {
  return {node.source().begin.line, node.source().begin.column};
}

Place place_of(const toml::key& key) {
  return {key.source().begin.line, key.source().begin.column};
}

std::optional<Value> value_of(const toml::node& node) {
  std::optional<Value> value;
  if (const auto* flag = node.as_boolean()) value.emplace(flag->get());
  if (const auto* integer = node.as_integer()) value.emplace(integer->get());
  if (const auto* real = node.as_floating_point()) value.emplace(real->get());
  if (const auto* text = node.as_string()) value.emplace(text->get());
  return value;
}

std::optional<double> number_of(const toml::node& node) {
  if (const auto* integer = node.as_integer()) return static_cast<double>(integer->get());
  if (const auto* real = node.as_floating_point()) return real->get();
  return std::nullopt;
}

Place Reader::place(std::string_view key) const {
  const toml::node* found = table_.get(key);
  return found != nullptr ? place_of(*found) : place();
}

void Reader::problem(std::string_view key, std::string_view text) const {
  problems_.add(place(key), fmt::format("{}: {}", what_, text));
}

void Reader::wrong_type(std::string_view key, std::string_view wanted) const {
  problem(key, fmt::format("'{}' must be {}, not {}", key, wanted, type_of(*table_.get(key))));
}

void Reader::unknown_word(std::string_view key, const std::string& written,
                          const std::vector<std::string>& names) const {
  problem(key, fmt::format("unknown {} '{}'{}", key, written, model::suggestion(written, names)));
}

const toml::node* Reader::node(std::string_view key, Need need) const {
  const toml::node* found = table_.get(key);
  if (found == nullptr && need == Need::required)
    problems_.add(place(), fmt::format("{}: '{}' is missing", what_, key));
  return found;
}

std::optional<std::string> Reader::text(std::string_view key, Need need) const {
  const toml::node* found = node(key, need);
  if (found == nullptr) return std::nullopt;
  const auto* text = found->as_string();
  if (text == nullptr) {
    wrong_type(key, "a text");
    return std::nullopt;
  }
  if (text->get().empty()) {
    problem(key, fmt::format("'{}' is empty", key));
    return std::nullopt;
  }
  return text->get();
}

std::optional<Name> Reader::name(std::string_view key, Need need) const {
  const auto written = text(key, need);
  if (!written) return std::nullopt;
  return Name{*written, place(key)};
}

std::optional<double> Reader::number(std::string_view key, Need need) const {
  const toml::node* found = node(key, need);
  if (found == nullptr) return std::nullopt;
  const auto number = number_of(*found);
  if (!number) wrong_type(key, "a number");
  if (number && std::isnan(*number)) {
    problem(key, fmt::format("'{}' is nan", key));
    return std::nullopt;
  }
  return number;
}

std::optional<bool> Reader::flag(std::string_view key) const {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  if (const auto* flag = found->as_boolean()) return flag->get();
  wrong_type(key, "true or false");
  return std::nullopt;
}

std::optional<Range> Reader::range(std::string_view key, Need need) const {
  const toml::node* found = node(key, need);
  if (found == nullptr) return std::nullopt;
  const toml::array* list = found->as_array();
  std::vector<double> ends;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i)
    if (const auto end = number_of(*list->get(i)); end && !std::isnan(*end)) ends.push_back(*end);
  if (list == nullptr || list->size() != 2 || ends.size() != 2) {
    problem(key,
            fmt::format("'{}' must be [low, high], two numbers; inf and -inf are allowed", key));
    return std::nullopt;
  }
  if (ends[0] > ends[1]) {
    problem(key, fmt::format("'{}' has its low end {} above its high end {}; swap them", key,
                             ends[0], ends[1]));
    return std::nullopt;
  }
  return Range{ends[0], ends[1]};
}

const toml::table* Reader::child(std::string_view key, Need need) const {
  const toml::node* found = node(key, need);
  if (found == nullptr) return nullptr;
  if (const toml::table* table = found->as_table()) return table;
  wrong_type(key, "a table");
  return nullptr;
}

std::vector<Name> Reader::names(std::string_view key, Need need) const {
  const toml::node* found = node(key, need);
  if (found == nullptr) return {};
  std::vector<Name> names;
  if (const auto* text = found->as_string()) return {Name{text->get(), place_of(*found)}};
  const toml::array* list = found->as_array();
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i)
    if (const auto* text = list->get(i)->as_string())
      names.push_back({text->get(), place_of(*list->get(i))});
  if (list == nullptr || names.size() != list->size() || names.empty()) {
    problem(key, fmt::format("'{}' must be a text or a list of texts", key));
    return {};
  }
  return names;
}

void Reader::allow_only(const std::vector<std::string>& keys) const {
  for (const auto& [key, value] : table_) {
    const std::string name(key.str());
    if (std::find(keys.begin(), keys.end(), name) == keys.end())
      problems_.add(place_of(key), fmt::format("{}: unknown key '{}'{}", what_, name,
                                               model::suggestion(name, keys)));
  }
}

}  // namespace ashlar::claims::detail
