#include "harness/record/record.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "harness/record/codec.hpp"
#include "harness/record/fields.hpp"

namespace ashlar::record {

namespace {

constexpr std::array kStatusNames = {
    std::pair{Status::ok, "ok"},           std::pair{Status::unsupported, "unsupported"},
    std::pair{Status::wrong, "wrong"},     std::pair{Status::crashed, "crashed"},
    std::pair{Status::timeout, "timeout"}, std::pair{Status::out_of_memory, "out-of-memory"},
    std::pair{Status::failed, "failed"},   std::pair{Status::dropped, "dropped"},
};

constexpr std::array kKinds = {"run", "case", "check", "study", "event"};

template <class R>
Record decode_record(const Json& json) {
  R record;
  detail::Decoder decoder(json);
  detail::fields(decoder, record);
  return record;
}

}  // namespace

std::string_view name_of(Status status) {
  for (const auto& [value, name] : kStatusNames)
    if (value == status) return name;
  throw std::invalid_argument(fmt::format("no status {}", static_cast<int>(status)));
}

std::optional<Status> status_named(std::string_view name) {
  for (const auto& [value, known] : kStatusNames)
    if (name == known) return value;
  return std::nullopt;
}

int severity(Status status) {
  switch (status) {
    case Status::wrong:
      return 7;
    case Status::crashed:
      return 6;
    case Status::timeout:
      return 5;
    case Status::out_of_memory:
      return 4;
    case Status::failed:
      return 3;
    case Status::ok:
      return 2;
    case Status::unsupported:
      return 1;
    case Status::dropped:
      return 0;
  }
  return 0;
}

std::vector<std::string> status_names() {
  std::vector<std::string> names;
  for (const auto& [value, name] : kStatusNames) names.emplace_back(name);
  return names;
}

Json number_to_json(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

double number_from_json(const Json& json) {
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) {
    const std::string& text = json.get_ref<const std::string&>();
    if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (text == "inf") return std::numeric_limits<double>::infinity();
    if (text == "-inf") return -std::numeric_limits<double>::infinity();
  }
  detail::wrong_type("a number, \"nan\", \"inf\" or \"-inf\"", json);
}

Json to_json(const Record& record) {
  Json json = Json::object();
  json["schema"] = kSchema;
  json["kind"] = kKinds.at(record.index());
  std::visit(
      [&](const auto& alternative) {
        detail::Encoder encoder(json);
        detail::fields(encoder, alternative);
      },
      record);
  return json;
}

Record from_json(const Json& json) {
  if (!json.is_object()) detail::wrong_type("an object", json);
  detail::Decoder decoder(json);
  int schema = 0;
  decoder("schema", schema);
  if (schema != kSchema)
    throw std::invalid_argument(
        fmt::format("field 'schema': this program reads schema {}, not {}", kSchema, schema));
  std::string kind;
  decoder("kind", kind);
  if (kind == "run") return decode_record<RunRecord>(json);
  if (kind == "case") return decode_record<CaseRecord>(json);
  if (kind == "check") return decode_record<CheckRecord>(json);
  if (kind == "study") return decode_record<StudyRecord>(json);
  if (kind == "event") return decode_record<EventRecord>(json);
  throw std::invalid_argument(fmt::format("field 'kind': unknown kind '{}'{}", kind,
                                          model::suggestion(kind, {kKinds.begin(), kKinds.end()})));
}

}  // namespace ashlar::record
