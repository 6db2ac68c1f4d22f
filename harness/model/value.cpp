#include "harness/model/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ashlar::model {

namespace {

std::string type_name(const Value& value) {
  if (value.is_bool()) return "a boolean";
  if (value.is_integer()) return "an integer";
  if (value.is_real()) return "a real number";
  return "a word";
}

[[noreturn]] void wrong_type(const Value& value, std::string_view wanted) {
  throw std::invalid_argument(
      fmt::format("value '{}' is {}, not {}", value.text(), type_name(value), wanted));
}

template <class Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Insertions, deletions, substitutions and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, substitute});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

double Value::number() const {
  if (is_integer()) return static_cast<double>(std::get<std::int64_t>(data_));
  if (is_real()) return std::get<double>(data_);
  wrong_type(*this, "a number");
}

bool Value::as_bool() const {
  if (!is_bool()) wrong_type(*this, "a boolean");
  return std::get<bool>(data_);
}

std::int64_t Value::as_integer() const {
  if (!is_integer()) wrong_type(*this, "an integer");
  return std::get<std::int64_t>(data_);
}

const std::string& Value::as_text() const {
  if (!is_text()) wrong_type(*this, "a word");
  return std::get<std::string>(data_);
}

std::string Value::text() const {
  if (is_bool()) return std::get<bool>(data_) ? "true" : "false";
  if (is_integer()) return std::to_string(std::get<std::int64_t>(data_));
  if (is_real()) {
    std::string text = fmt::format("{}", std::get<double>(data_));
    // A real number stays one when it is read back.
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    return text;
  }
  return std::get<std::string>(data_);
}

Value Value::parse(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto integer = parse_whole<std::int64_t>(text)) return *integer;
  if (const auto real = parse_whole<double>(text); real && std::isfinite(*real)) return *real;
  return std::string(text);
}

Json Value::to_json() const {
  return std::visit([](const auto& value) { return Json(value); }, data_);
}

Value Value::from_json(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  throw std::invalid_argument(fmt::format(
      "an axis value must be true, false, a number or a word, not {}", json.type_name()));
}

bool Value::operator==(const Value& other) const {
  if (is_number() && other.is_number()) return number() == other.number();
  return data_ == other.data_;
}

bool Value::operator<(const Value& other) const {
  if (is_number() && other.is_number()) return number() < other.number();
  return data_ < other.data_;
}

const Point::Axes& Point::axes() const {
  static const Axes kNone;
  return axes_ ? *axes_ : kNone;
}

const Value* Point::find(std::string_view axis) const {
  const Axes& all = axes();
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.first == axis; });
  return it == all.end() ? nullptr : &it->second;
}

const Value& Point::at(std::string_view axis) const {
  if (const Value* value = find(axis)) return *value;
  throw std::out_of_range(fmt::format("point {} has no axis '{}'", text(), axis));
}

void Point::set(std::string_view axis, Value value) {
  Axes changed = axes();
  const auto it =
      std::find_if(changed.begin(), changed.end(), [&](const auto& a) { return a.first == axis; });
  if (it == changed.end()) {
    changed.emplace_back(std::string(axis), std::move(value));
  } else {
    it->second = std::move(value);
  }
  axes_ = std::make_shared<const Axes>(std::move(changed));
}

std::string Point::text() const {
  std::string text;
  for (const auto& [name, value] : axes()) {
    if (!text.empty()) text += ',';
    text += name + '=' + value.text();
  }
  return text;
}

Json Point::to_json() const {
  Json json = Json::object();
  for (const auto& [name, value] : axes()) json[name] = value.to_json();
  return json;
}

Point Point::from_json(const Json& json) {
  if (!json.is_object()) throw std::invalid_argument("a point must be an object of axis values");
  Axes axes;
  axes.reserve(json.size());
  // The library keeps one member per name, so no name comes twice.
  for (const auto& [name, value] : json.items()) axes.emplace_back(name, Value::from_json(value));
  return Point(std::move(axes));
}

std::uint64_t stable_hash(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = seed;
  for (const char letter : text) {
    hash ^= static_cast<unsigned char>(letter);
    hash *= 0x100000001b3ull;
  }
  return hash;
}

std::string hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

std::optional<std::string> nearest_name(std::string_view word,
                                        const std::vector<std::string>& known) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : known) {
    const std::size_t distance = edit_distance(word, name);
    if (distance < best_distance) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  if (const auto near = nearest_name(word, known))
    return fmt::format("; did you mean '{}'?", *near);
  if (known.empty()) return "";
  return fmt::format("; known: {}", fmt::join(known, ", "));
}

}  // namespace ashlar::model
