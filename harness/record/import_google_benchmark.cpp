#include <array>
#include <cmath>

#include <fmt/format.h>

#include "harness/record/import_parts.hpp"

namespace ashlar::record {

namespace {

using detail::member;
using detail::text_in;

/// What the library appends to a name; all of it stands in fields of its own as well.
constexpr std::array kModifiers = {"iterations:", "repeats:", "min_time:", "min_warmup_time:"};
constexpr std::array kFlags = {"process_time", "real_time", "manual_time"};
/// Fields of a row that are no counters of the user.
constexpr std::array kRowFields = {"family_index", "per_family_instance_index",
                                   "repetitions",  "repetition_index",
                                   "threads",      "iterations",
                                   "real_time",    "cpu_time"};

bool is_modifier(std::string_view piece) {
  for (const char* flag : kFlags)
    if (piece == flag) return true;
  for (const char* modifier : kModifiers)
    if (piece.starts_with(modifier)) return true;
  return false;
}

/// The name without what the library appended; threads:N stays, as it tells cases apart.
std::string bare_name(std::string name) {
  for (auto slash = name.rfind('/'); slash != std::string::npos; slash = name.rfind('/')) {
    if (!is_modifier(std::string_view(name).substr(slash + 1))) break;
    name.resize(slash);
  }
  // threads:N stands behind some of them.
  const auto threads = name.rfind("/threads:");
  if (threads == std::string::npos || name.find('/', threads + 1) != std::string::npos) return name;
  return bare_name(name.substr(0, threads)) + name.substr(threads);
}

double unit_of(const Json& row, const detail::RunBuilder& builder) {
  const std::string unit = text_in(row, "time_unit");
  if (unit.empty() || unit == "ns") return 1e-9;
  if (unit == "us") return 1e-6;
  if (unit == "ms") return 1e-3;
  if (unit == "s") return 1;
  builder.fail(fmt::format("'{}': unknown time_unit '{}'; known: ns, us, ms, s",
                           text_in(row, "name"), unit));
}

std::int64_t time_of(const Json& row, const char* field, const detail::RunBuilder& builder) {
  const auto number = detail::number_in(member(row, field));
  const auto ns = number ? detail::nanoseconds(*number * unit_of(row, builder)) : std::nullopt;
  if (!ns)
    builder.fail(fmt::format("'{}': '{}' must be a time, not {}", text_in(row, "name"), field,
                             member(row, field).dump().substr(0, 40)));
  return *ns;
}

bool is_aggregate(const Json& row) {
  return text_in(row, "run_type") == "aggregate" || row.contains("aggregate_name") ||
         row.contains("big_o") || row.contains("rms");
}

void add_counters(const Json& row, CaseRecord& one) {
  for (const auto& [name, value] : row.items()) {
    if (!value.is_number() ||
        std::find(kRowFields.begin(), kRowFields.end(), name) != kRowFields.end())
      continue;
    // Repetitions may differ: the mean so far.
    double& mean = one.metrics[name];
    mean += (value.get<double>() - mean) / static_cast<double>(one.samples_ns.size());
  }
}

/// The reason, when the row is of a case that failed or was skipped.
void add_failure(const Json& row, CaseRecord& one) {
  const std::string kind = text_in(row, "skipped");  // from version 1.8 on
  one.status =
      kind == "SKIPPED_WITH_MESSAGE" || kind == "skipped" ? Status::unsupported : Status::failed;
  one.reason = text_in(row, row.contains("skip_message") ? "skip_message" : "error_message");
  if (one.reason->empty()) one.reason = "no reason was given";
}

bool failed(const Json& row) {
  const Json& error = member(row, "error_occurred");
  const Json& skipped = member(row, "skipped");
  return error == true || skipped == true || (skipped.is_string() && skipped != "");
}

void add_row(const Json& row, const detail::NameReader& names, detail::RunBuilder& builder) {
  std::string name = text_in(row, "run_name");
  if (name.empty()) name = text_in(row, "name");
  if (name.empty()) builder.fail("a benchmark without a name");
  detail::ForeignName read;
  try {
    read = names.read(bare_name(name));
  } catch (const std::invalid_argument& error) {
    builder.fail(error.what());
  }
  CaseRecord& one = builder.case_of(read, "cpu");
  if (const auto threads = detail::number_in(member(row, "threads"));
      threads && *threads >= 0 && *threads < 1e6)
    one.threads = static_cast<int>(*threads);
  if (failed(row)) return add_failure(row, one);
  one.samples_ns.push_back(time_of(row, "real_time", builder));
  one.cpu_ns.push_back(time_of(row, "cpu_time", builder));
  if (const auto iterations = detail::number_in(member(row, "iterations"));
      iterations && *iterations >= 1 && *iterations < 9e15)
    one.batch = static_cast<std::int64_t>(*iterations);
  add_counters(row, one);
}

void flag(CaseRecord& one) {
  if (one.status != Status::ok) return;
  if (one.samples_ns.size() < 5) one.flags.emplace_back("few-samples");
  std::int64_t longest = 0;
  for (const std::int64_t ns : one.samples_ns) longest = std::max(longest, ns);
  if (longest < 100) one.flags.emplace_back("coarse");
}

}  // namespace

Imported import_google_benchmark(const std::filesystem::path& path, const ImportOptions& options) {
  const detail::NameReader names(options);
  detail::RunBuilder builder(path, options);
  const Json& rows = member(builder.json(), "benchmarks");
  if (!rows.is_array() || !member(builder.json(), "context").is_object())
    builder.fail(
        "not the JSON of Google Benchmark (no 'context' and 'benchmarks'); "
        "its --benchmark_format=json writes that");
  std::size_t aggregates = 0;
  for (const Json& row : rows) {
    if (!row.is_object()) builder.fail("a benchmark that is no object");
    if (is_aggregate(row)) {
      ++aggregates;
    } else {
      add_row(row, names, builder);
    }
  }
  const Json& context = member(builder.json(), "context");
  RunRecord& run = builder.run();
  run.started = detail::utc_of(text_in(context, "date"));
  if (const Json& cpus = member(context, "num_cpus"); cpus.is_number())
    run.machine["cpu"]["logical"] = cpus;
  if (const Json& mhz = member(context, "mhz_per_cpu"); mhz.is_number())
    run.machine["cpu"]["max_mhz"] = mhz;
  if (const Json& load = member(context, "load_avg"); load.is_array()) run.machine["load"] = load;
  if (aggregates > 0 && aggregates == rows.size())
    builder.fail(
        "holds aggregates only, and they are no samples; make it with "
        "--benchmark_report_aggregates_only=false");
  Imported imported = builder.finish("google-benchmark", context);
  for (CaseRecord& one : imported.cases) flag(one);
  return imported;
}

}  // namespace ashlar::record
