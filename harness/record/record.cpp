#include "harness/record/record.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "harness/record/codec.hpp"

namespace ashlar::record {

namespace {

constexpr std::array kStatusNames = {
    std::pair{Status::ok, "ok"},           std::pair{Status::unsupported, "unsupported"},
    std::pair{Status::wrong, "wrong"},     std::pair{Status::crashed, "crashed"},
    std::pair{Status::timeout, "timeout"}, std::pair{Status::out_of_memory, "out-of-memory"},
    std::pair{Status::failed, "failed"},   std::pair{Status::dropped, "dropped"},
};

constexpr std::array kKinds = {"run", "case", "check", "study", "event"};

// One list of fields per kind serves both directions: T is const when writing.

template <class Archive, class T>
void run_fields(Archive& archive, T& record) {
  archive("run_id", record.run_id);
  archive("plan_hash", record.plan_hash);
  archive("argv", record.argv);
  archive("started", record.started);
  archive("mode", record.mode);
  archive("seed", record.seed);
  archive("threads", record.threads);
  archive("build", record.build);
  archive("machine_id", record.machine_id);
  archive("machine", record.machine);
  archive("calibration", record.calibration);
  archive("experiments", record.experiments);
}

template <class Archive, class T>
void identity_fields(Archive& archive, T& record) {
  archive("run_id", record.run_id);
  archive("plan_hash", record.plan_hash);
  archive("case_id", record.case_id);
  archive("key", record.key);
  archive("suite", record.suite);
  archive("experiment", record.experiment);
  archive("point", record.point);
  archive("implementation", record.implementation);
  archive("tier", record.tier);
  archive("device", record.device);
}

template <class Archive, class T>
void case_fields(Archive& archive, T& record) {
  identity_fields(archive, record);
  archive("round", record.round);
  archive("status", record.status);
  archive("reason", record.reason);
  archive("samples_ns", record.samples_ns);
  archive("cpu_ns", record.cpu_ns);
  archive("batch", record.batch);
  archive("warmups", record.warmups);
  archive("stop_reason", record.stop_reason);
  archive("flags", record.flags);
  archive("work", record.work);
  archive("counters", record.counters);
  archive("metrics", record.metrics);
  archive("prepare_ns", record.prepare_ns);
  archive("peak_extra_bytes", record.peak_extra_bytes);
  archive("workspace_bytes", record.workspace_bytes);
  archive("threads", record.threads);
  archive("exit", record.exit);
}

template <class Archive, class T>
void check_fields(Archive& archive, T& record) {
  archive("run_id", record.run_id);
  archive("case_id", record.case_id);
  archive("key", record.key);
  archive("suite", record.suite);
  archive("experiment", record.experiment);
  archive("point", record.point);
  archive("implementation", record.implementation);
  archive("round", record.round);
  archive("control", record.control);
  archive("oracle", record.oracle);
  archive("accepted", record.accepted);
  archive("norms", record.norms);
  archive("limit", record.limit);
  archive("mismatch", record.mismatch);
}

template <class Archive, class T>
void study_fields(Archive& archive, T& record) {
  identity_fields(archive, record);
  archive("seed", record.seed);
  archive("status", record.status);
  archive("reason", record.reason);
  archive("metrics", record.metrics);
  archive("counters", record.counters);
  archive("curves", record.curves);
  archive("wall_ns", record.wall_ns);
  archive("exit", record.exit);
}

template <class Archive, class T>
void event_fields(Archive& archive, T& record) {
  archive("run_id", record.run_id);
  archive("event", record.event);
  archive("time", record.time);
  archive("details", record.details);
}

template <class A, class T>
void fields(A& archive, T& record) {
  using R = std::remove_const_t<T>;
  if constexpr (std::is_same_v<R, RunRecord>) run_fields(archive, record);
  if constexpr (std::is_same_v<R, CaseRecord>) case_fields(archive, record);
  if constexpr (std::is_same_v<R, CheckRecord>) check_fields(archive, record);
  if constexpr (std::is_same_v<R, StudyRecord>) study_fields(archive, record);
  if constexpr (std::is_same_v<R, EventRecord>) event_fields(archive, record);
}

template <class R>
Record decode_record(const Json& json) {
  R record;
  detail::Decoder decoder(json);
  fields(decoder, record);
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
        fields(encoder, alternative);
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
