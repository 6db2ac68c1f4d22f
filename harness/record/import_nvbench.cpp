#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "harness/record/import_parts.hpp"

namespace ashlar::record {

namespace {

namespace fs = std::filesystem;
using detail::member;
using detail::text_in;

static_assert(std::endian::native == std::endian::little, "the sample files are read as they are");

/// Each tag is a mean in seconds; the first that a state has is its time. Before version 1 there
/// were names instead of tags.
constexpr const char* kMeans[] = {"nv/cold/time/gpu/mean", "GPU Time", "nv/cpu_only/time/cpu/mean",
                                  "nv/batch/time/gpu/mean", "Average GPU Time (Cold)"};
constexpr const char* kCpuMean = "nv/cold/time/cpu/mean";
constexpr const char* kSampleFile = "nv/json/bin:nv/cold/sample_times";

/// summary.data is a list of {name, type, value}.
const Json& datum(const Json& summary, std::string_view name) {
  for (const Json& one : member(summary, "data"))
    if (member(one, "name") == std::string(name)) return member(one, "value");
  return member(Json(), "");
}

const Json* summary_of(const Json& state, std::string_view tag) {
  for (const Json& summary : member(state, "summaries"))
    if (text_in(summary, "tag") == tag || text_in(summary, "name") == tag) return &summary;
  return nullptr;
}

std::optional<std::int64_t> time_of(const Json& state, const char* tag) {
  const Json* summary = summary_of(state, tag);
  const auto seconds =
      summary == nullptr ? std::nullopt : detail::number_in(datum(*summary, "value"));
  return seconds ? detail::nanoseconds(*seconds) : std::nullopt;
}

/// Reads one state after the other.
class States {
 public:
  States(const fs::path& path, const ImportOptions& options)
      : path_(path), names_(options), builder_(path, options) {
    const Json& json = builder_.json();
    if (!member(json, "benchmarks").is_array() || !member(json, "devices").is_array())
      builder_.fail(
          "not the JSON of nvbench (no 'devices' and 'benchmarks'); its --json writes that");
    for (const Json& benchmark : member(json, "benchmarks"))
      for (const Json& state : member(benchmark, "states")) {
        const Json& device = member(state, "device");
        if (!device.is_null() &&
            std::find(devices_.begin(), devices_.end(), device) == devices_.end())
          devices_.push_back(device);
      }
  }

  Imported read() {
    const Json& json = builder_.json();
    for (const Json& benchmark : member(json, "benchmarks"))
      for (const Json& state : member(benchmark, "states")) add(benchmark, state);
    RunRecord& run = builder_.run();
    run.machine["gpu"] = Json::array();
    for (const Json& device : member(json, "devices"))
      run.machine["gpu"].push_back(
          {{"name", member(device, "name")}, {"sm", member(device, "sm_version")}});
    return builder_.finish("nvbench",
                           {{"meta", member(json, "meta")}, {"devices", member(json, "devices")}});
  }

 private:
  void add(const Json& benchmark, const Json& state) {
    const std::string what =
        fmt::format("'{}' at {}", text_in(benchmark, "name"), text_in(state, "name"));
    detail::ForeignName name;
    try {
      name = names_.read(text_in(benchmark, "name"));
      for (const Json& axis : member(state, "axis_values")) add_axis(name.point, axis);
    } catch (const std::invalid_argument& error) {
      builder_.fail(fmt::format("{}: {}", what, error.what()));
    }
    const Json& device = member(state, "device");
    if (devices_.size() > 1 && !device.is_null())
      name.point.set("device", model::Value::parse(device.dump()));
    if (builder_.known(name)) builder_.fail(fmt::format("{}: comes twice", what));
    CaseRecord& one = builder_.case_of(name, device.is_null() ? "cpu" : "cuda");
    if (member(state, "is_skipped") == true) {
      one.status = Status::unsupported;
      one.reason = text_in(state, "skip_reason");
      if (one.reason->empty()) one.reason = "no reason was given";
      return;
    }
    add_samples(state, what, one);
    for (const Json& summary : member(state, "summaries")) {
      const auto value = detail::number_in(datum(summary, "value"));
      const std::string tag =
          text_in(summary, "tag").empty() ? text_in(summary, "name") : text_in(summary, "tag");
      if (value && !tag.empty()) one.metrics[tag] = *value;
    }
  }

  static void add_axis(Point& point, const Json& axis) {
    const std::string name = text_in(axis, "name");
    const Json& value = member(axis, "value");
    if (name.empty() || !(value.is_primitive() && !value.is_null()))
      throw std::invalid_argument("an axis without a name and a value");
    point.set(name, value.is_string() ? model::Value::parse(value.get<std::string>())
                                      : model::Value::from_json(value));
  }

  void add_samples(const Json& state, const std::string& what, CaseRecord& one) {
    one.samples_ns = sidecar(state, what);
    if (!one.samples_ns.empty()) return;
    for (const char* tag : kMeans) {
      if (const auto mean = time_of(state, tag)) {
        one.samples_ns = {*mean};
        break;
      }
    }
    if (one.samples_ns.empty()) builder_.fail(fmt::format("{}: has no mean time", what));
    if (const auto cpu = time_of(state, kCpuMean)) one.cpu_ns = {*cpu};
    one.flags = {"few-samples"};
  }

  /// The samples beside the file; none where it names no file or the file is not there.
  std::vector<std::int64_t> sidecar(const Json& state, const std::string& what) {
    const Json* summary = summary_of(state, kSampleFile);
    if (summary == nullptr) return {};
    const Json& name = datum(*summary, "filename");
    if (!name.is_string()) return {};
    const fs::path written = name.get<std::string>();
    // Written relative to where the program ran, which is mostly where the JSON lies.
    fs::path found;
    for (const fs::path& place :
         {path_.parent_path() / written,
          path_.parent_path() / written.parent_path().filename() / written.filename(), written}) {
      std::error_code ignored;
      if (found.empty() && fs::is_regular_file(place, ignored)) found = place;
    }
    if (found.empty()) {
      builder_.warn(fmt::format("{}: no file '{}' with its samples, so its mean is taken", what,
                                written.string()));
      return {};
    }
    return samples_in(found, what);
  }

  std::vector<std::int64_t> samples_in(const fs::path& file, const std::string& what) {
    std::ifstream stream(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    if (bytes.size() % sizeof(float) != 0)
      builder_.fail(fmt::format("{}: {} has {} bytes, which is no whole number of 32-bit floats",
                                what, file.string(), bytes.size()));
    std::vector<std::int64_t> samples;
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(float)) {
      float seconds = 0;
      std::memcpy(&seconds, bytes.data() + at, sizeof seconds);
      const auto ns = detail::nanoseconds(seconds);
      if (!ns)
        builder_.fail(
            fmt::format("{}: {} holds {}, which is no time", what, file.string(), seconds));
      samples.push_back(*ns);
    }
    return samples;
  }

  fs::path path_;
  detail::NameReader names_;
  detail::RunBuilder builder_;
  std::vector<Json> devices_;
};

}  // namespace

Imported import_nvbench(const fs::path& path, const ImportOptions& options) {
  return States(path, options).read();
}

}  // namespace ashlar::record
