#include "harness/record/codec.hpp"

#include <utility>

namespace ashlar::record::detail {

Json finite(const Json& json) {
  if (json.is_number_float()) return number_to_json(json.get<double>());
  if (!json.is_structured()) return json;
  Json copy = json;
  for (auto& element : copy) element = finite(element);
  return copy;
}

namespace {

template <class Archive, class T>
void work_fields(Archive&& archive, T& work) {
  archive("flops", work.flops);
  archive("bytes", work.bytes);
  archive("precision", work.precision);
}

template <class Archive, class T>
void exit_fields(Archive&& archive, T& exit) {
  archive("status", exit.status);
  archive("signal", exit.signal);
  archive("timed_out", exit.timed_out);
}

}  // namespace

Json encode(const Work& value) {
  Json json = Json::object();
  work_fields(Encoder(json), value);
  return json;
}

Json encode(const Exit& value) {
  Json json = Json::object();
  exit_fields(Encoder(json), value);
  return json;
}

Json encode(const Curves& value) {
  Json json = Json::object();
  for (const auto& [name, columns] : value) {
    Json curve = Json::object();
    for (const auto& [column, numbers] : columns) curve[column] = encode(numbers);
    json[name] = std::move(curve);
  }
  return json;
}

void decode(const Json& json, bool& value) {
  if (!json.is_boolean()) wrong_type("true or false", json);
  value = json.get<bool>();
}

void decode(const Json& json, std::int64_t& value) {
  if (!json.is_number_integer()) wrong_type("an integer", json);
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::uint64_t{INT64_MAX})
    wrong_type("an integer of 64 bits with sign", json);
  value = json.get<std::int64_t>();
}

void decode(const Json& json, int& value) {
  std::int64_t wide = 0;
  decode(json, wide);
  if (!std::in_range<int>(wide)) wrong_type("an integer of 32 bits with sign", json);
  value = static_cast<int>(wide);
}

void decode(const Json& json, std::uint64_t& value) {
  const bool natural =
      json.is_number_unsigned() || (json.is_number_integer() && json.get<std::int64_t>() >= 0);
  if (!natural) wrong_type("a natural number", json);
  value = json.get<std::uint64_t>();
}

void decode(const Json& json, std::string& value) {
  if (!json.is_string()) wrong_type("a text", json);
  value = json.get<std::string>();
}

void decode(const Json& json, Text& value) {
  if (!json.is_string()) wrong_type("a text", json);
  value = json.get_ref<const std::string&>();
}

void decode(const Json& json, Status& value) {
  std::string name;
  decode(json, name);
  const auto status = status_named(name);
  if (!status)
    throw std::invalid_argument(
        fmt::format("unknown status '{}'{}", name, model::suggestion(name, status_names())));
  value = *status;
}

void decode(const Json& json, Work& value) {
  if (!json.is_object()) wrong_type("an object", json);
  work_fields(Decoder(json), value);
}

void decode(const Json& json, Exit& value) {
  if (!json.is_object()) wrong_type("an object", json);
  exit_fields(Decoder(json), value);
}

void decode(const Json& json, Curves& value) {
  if (!json.is_object()) wrong_type("an object", json);
  value.clear();
  for (const auto& [name, curve] : json.items()) {
    const Json& columns = curve;
    auto& into = value[name];
    within(fmt::format("curve '{}'", name), [&] {
      if (!columns.is_object()) wrong_type("an object", columns);
      for (const auto& [column, numbers] : columns.items()) {
        into.emplace_back(column, std::vector<double>());
        decode(numbers, into.back().second);
        if (into.back().second.size() != into.front().second.size())
          throw std::invalid_argument(fmt::format("column '{}' has {} values, column '{}' has {}",
                                                  column, into.back().second.size(),
                                                  into.front().first, into.front().second.size()));
      }
    });
  }
}

}  // namespace ashlar::record::detail
