#pragma once
// Axis values and points: which case of an experiment is meant.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

namespace ashlar::model {

using Json = nlohmann::ordered_json;

/// What is unknown is null.
template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// One value of an axis: true/false, an integer, a real number or a word.
class Value {
 public:
  Value() : data_(std::int64_t{0}) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(static_cast<std::int64_t>(value)) {}
  Value(std::int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}

  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_real() const { return std::holds_alternative<double>(data_); }
  bool is_text() const { return std::holds_alternative<std::string>(data_); }
  bool is_number() const { return is_integer() || is_real(); }

  /// The number as double. Throws std::invalid_argument for booleans and words.
  double number() const;
  /// Typed access; throws std::invalid_argument, naming both types, when the value is of another
  /// type.
  bool as_bool() const;
  std::int64_t as_integer() const;
  const std::string& as_text() const;

  /// As written on the command line and in keys: true, 128, 0.5, bf16.
  std::string text() const;
  /// The inverse of text(): "true"/"false", then integer, then real, else a word.
  static Value parse(std::string_view text);
  Json to_json() const;
  /// Throws std::invalid_argument for objects, arrays and null.
  static Value from_json(const Json& json);

  bool operator==(const Value& other) const;
  /// Numbers by size, words by letters, booleans false before true; different types by type.
  bool operator<(const Value& other) const;

 private:
  std::variant<bool, std::int64_t, double, std::string> data_;
};

/// One value per axis, in the order in which the experiment declares its axes. Copies share their
/// values until one of them changes: many records are of one point.
class Point {
 public:
  using Axes = std::vector<std::pair<std::string, Value>>;

  Point() = default;
  explicit Point(Axes axes) : axes_(std::make_shared<const Axes>(std::move(axes))) {}

  const Axes& axes() const;
  /// Equal for copies of one point: a quick way to see that two are equal, not that they differ.
  const void* identity() const { return axes_.get(); }
  /// nullptr where there is no such axis.
  const Value* find(std::string_view axis) const;
  /// Throws std::out_of_range, naming the axis.
  const Value& at(std::string_view axis) const;
  std::int64_t integer(std::string_view axis) const { return at(axis).as_integer(); }
  double number(std::string_view axis) const { return at(axis).number(); }
  bool flag(std::string_view axis) const { return at(axis).as_bool(); }
  const std::string& word(std::string_view axis) const { return at(axis).as_text(); }
  void set(std::string_view axis, Value value);

  /// seqlen=1024,head_dim=64,causal=false
  std::string text() const;
  Json to_json() const;
  static Point from_json(const Json& json);
  bool operator==(const Point& other) const {
    return axes_ == other.axes_ || axes() == other.axes();
  }
  bool operator<(const Point& other) const { return axes_ != other.axes_ && axes() < other.axes(); }

 private:
  std::shared_ptr<const Axes> axes_;  // null for no axes
};

/// 64-bit FNV-1a: stable across machines and versions; names cases and seeds.
std::uint64_t stable_hash(std::string_view text, std::uint64_t seed = 0xcbf29ce484222325ull);
/// Sixteen lower-case hexadecimal digits.
std::string hex(std::uint64_t value);
/// The name in `known` nearest to `word` by edit distance, when it is near enough to be a slip.
std::optional<std::string> nearest_name(std::string_view word,
                                        const std::vector<std::string>& known);
/// "; did you mean 'x'?" or, without a near name, "; known: a, b, c".
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

}  // namespace ashlar::model
