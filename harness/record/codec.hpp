#pragma once
// How the fields of records become JSON and come back. Private to this folder.
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/record/record.hpp"

namespace ashlar::record::detail {

using Curves = decltype(StudyRecord::curves);

[[noreturn]] inline void wrong_type(const char* wanted, const Json& json) {
  std::string shown = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  throw std::invalid_argument(fmt::format("must be {}, not {}", wanted, shown));
}

/// Runs a conversion and puts the place in front of what it throws.
template <class Function>
void within(const std::string& place, Function&& function) {
  try {
    function();
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(fmt::format("{}: {}", place, error.what()));
  }
}

/// JSON knows no NaN and no infinity (the library would write null, which means "unknown").
Json finite(const Json& json);

inline Json encode(bool value) { return value; }
inline Json encode(int value) { return value; }
inline Json encode(std::int64_t value) { return value; }
inline Json encode(std::uint64_t value) { return value; }
inline Json encode(double value) { return number_to_json(value); }
inline Json encode(const std::string& value) { return value; }
inline Json encode(const Text& value) { return value.str(); }
inline Json encode(const Json& value) { return finite(value); }
inline Json encode(const Point& value) { return value.to_json(); }
inline Json encode(Status value) { return std::string(name_of(value)); }
Json encode(const Work& value);
Json encode(const Exit& value);
Json encode(const Curves& value);

template <class T>
Json encode(const std::optional<T>& value) {
  return value ? encode(*value) : Json(nullptr);
}

template <class T>
Json encode(const std::vector<T>& values) {
  Json json = Json::array();
  for (const T& value : values) json.push_back(encode(value));
  return json;
}

template <class T>
Json encode(const std::map<std::string, T>& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values) json[name] = encode(value);
  return json;
}

void decode(const Json& json, bool& value);
void decode(const Json& json, int& value);
void decode(const Json& json, std::int64_t& value);
void decode(const Json& json, std::uint64_t& value);
void decode(const Json& json, std::string& value);
void decode(const Json& json, Text& value);
void decode(const Json& json, Status& value);
void decode(const Json& json, Work& value);
void decode(const Json& json, Exit& value);
void decode(const Json& json, Curves& value);
inline void decode(const Json& json, double& value) { value = number_from_json(json); }
inline void decode(const Json& json, Json& value) { value = json; }
inline void decode(const Json& json, Point& value) { value = Point::from_json(json); }

template <class T>
void decode(const Json& json, std::optional<T>& value) {
  if (json.is_null()) {
    value.reset();
  } else {
    T inner{};
    decode(json, inner);
    value = std::move(inner);
  }
}

template <class T>
void decode(const Json& json, std::vector<T>& values) {
  if (!json.is_array()) wrong_type("an array", json);
  values.clear();
  for (std::size_t i = 0; i < json.size(); ++i)
    within(fmt::format("element {}", i), [&] { decode(json[i], values.emplace_back()); });
}

template <class T>
void decode(const Json& json, std::map<std::string, T>& values) {
  if (!json.is_object()) wrong_type("an object", json);
  values.clear();
  for (auto it = json.begin(); it != json.end(); ++it)
    within(fmt::format("'{}'", it.key()), [&] { decode(it.value(), values[it.key()]); });
}

/// Writes each field that it is shown.
class Encoder {
 public:
  explicit Encoder(Json& json) : json_(json) {}
  template <class T>
  void operator()(const char* name, const T& value) {
    json_[name] = encode(value);
  }

 private:
  Json& json_;
};

/// Reads each field that it is shown; a missing one is an error, for unknown is null.
class Decoder {
 public:
  explicit Decoder(const Json& json) : json_(json) {}
  template <class T>
  void operator()(const char* name, T& value) {
    const auto it = json_.find(name);
    if (it == json_.end())
      throw std::invalid_argument(fmt::format("field '{}' is missing (unknown is null)", name));
    within(fmt::format("field '{}'", name), [&] { decode(*it, value); });
  }

 private:
  const Json& json_;
};

}  // namespace ashlar::record::detail
