#include "harness/report/show.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/case_name.hpp"
#include "harness/report/estimates.hpp"
#include "harness/report/text.hpp"
#include "harness/report/view.hpp"

namespace ashlar::report {

using model::Json;
using record::CaseRecord;
using record::CheckRecord;
using record::Status;

namespace {

class Screen {
 public:
  explicit Screen(const ShowOptions& options) : options_(options) {}
  void line(const std::string& text) { out_ += text + '\n'; }
  void title(const std::string& text) { line(paint(text, Colour::bold, options_.colour)); }
  /// A label and a text that is wrapped beside it.
  void field(const std::string& label, const std::string& text) {
    if (text.empty()) return;
    constexpr std::size_t kLabel = 16;
    const std::size_t room = options_.width > kLabel + 22 ? options_.width - kLabel - 2 : 20;
    std::string start = paint(pad(label, kLabel), Colour::grey, options_.colour);
    if (display_width(label) >= kLabel) {
      line("  " + start);
      start = std::string(kLabel, ' ');
    }
    for (const std::string& part : wrap(text, room)) {
      line(fmt::format("  {}{}", start, part));
      start = std::string(kLabel, ' ');
    }
  }
  /// A command line in parts that a shell may take as one.
  void command(const std::vector<std::string>& parts) {
    std::string current = "    " + parts.front();
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const std::string longer = fmt::format("{} {}", current, parts[i]);
      const bool fits = display_width(longer) + 2 <= options_.width;
      if (!fits) line(current + " \\");
      current = fits ? longer : "        " + parts[i];
    }
    line(current);
  }
  bool colour() const { return options_.colour; }
  std::string take() { return std::move(out_); }

 private:
  ShowOptions options_;
  std::string out_;
};

std::string status_text(Status status, bool colour) {
  const bool fine = status == Status::ok;
  return paint(word_of(status), fine ? Colour::green : Colour::red, colour);
}

std::string numbers_text(const std::map<std::string, double>& values) {
  std::vector<std::string> parts;
  parts.reserve(values.size());
  for (const auto& [name, value] : values)
    parts.push_back(fmt::format("{} = {}", name, number(value, 9)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// {"O": {"max_abs": 1e-6, ...}, ...} as "O: max_abs 1e-06, ...; ..."; any other JSON as it is.
std::string norms_text(const Json& json) {
  if (json.is_null() || (json.is_object() && json.empty())) return "";
  if (!json.is_object()) return json.is_string() ? json.get<std::string>() : json.dump();
  std::vector<std::string> parts;
  const char* separator = ", ";
  for (const auto& [name, value] : json.items()) {
    if (value.is_object()) {
      separator = "; ";
      parts.push_back(fmt::format("{}: {}", name, norms_text(value)));
    } else if (value.is_number_float()) {
      parts.push_back(fmt::format("{} {}", name, number(value.get<double>())));
    } else {
      parts.push_back(
          fmt::format("{} {}", name, value.is_string() ? value.get<std::string>() : value.dump()));
    }
  }
  return fmt::format("{}", fmt::join(parts, separator));
}

/// An infinite limit is none.
Json finite_limits(const Json& json) {
  if (!json.is_object()) return json;
  Json finite = Json::object();
  for (const auto& [name, value] : json.items()) {
    Json limit = finite_limits(value);
    if (value != "inf" && !(limit.is_object() && limit.empty())) finite[name] = std::move(limit);
  }
  return finite;
}

std::string exit_text(const std::optional<record::Exit>& exit) {
  if (!exit) return "";
  std::vector<std::string> parts;
  if (exit->status) parts.push_back(fmt::format("status {}", *exit->status));
  if (exit->signal) parts.push_back(fmt::format("signal {}", *exit->signal));
  if (exit->timed_out) parts.emplace_back("deadline passed");
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// All samples in the unit that suits their median.
std::string samples_text(const std::vector<std::int64_t>& samples, double median) {
  double scale = 1;
  const char* unit = "ns";
  for (const auto& [size, name] :
       {std::pair{1e3, "µs"}, std::pair{1e6, "ms"}, std::pair{1e9, "s"}}) {
    if (median >= size) {
      scale = size;
      unit = name;
    }
  }
  std::vector<std::string> parts;
  parts.reserve(samples.size());
  for (const std::int64_t sample : samples)
    parts.push_back(number(static_cast<double>(sample) / scale, 5));
  return fmt::format("{} {}", fmt::join(parts, " "), unit);
}

void show_round(Screen& screen, const CaseRecord& record) {
  std::string head =
      fmt::format("round {}: {}", record.round, status_text(record.status, screen.colour()));
  if (record.stop_reason) head += ", stopped: " + *record.stop_reason;
  if (record.batch != 1) head += fmt::format(", {} executions per sample", record.batch);
  if (record.warmups > 0)
    head += ", " + count_of(static_cast<std::size_t>(record.warmups), "warm-up");
  screen.line("  " + head);
  screen.field("reason", record.reason.value_or(""));
  screen.field("exit", exit_text(record.exit));
  if (!record.samples_ns.empty()) {
    const std::vector<double> samples(record.samples_ns.begin(), record.samples_ns.end());
    const Measured median = shown(statistics::median_interval(samples));
    screen.field(
        "median",
        fmt::format("{}, min {}, MdAPE {}", time_text(median),
                    time_text({*std::min_element(samples.begin(), samples.end()), {}, {}, true}),
                    percent_text(statistics::mdape(samples))));
    screen.field(count_of(samples.size(), "sample"), samples_text(record.samples_ns, median.value));
    if (!record.cpu_ns.empty()) {
      const std::vector<double> cpu(record.cpu_ns.begin(), record.cpu_ns.end());
      const double busy = statistics::median(cpu);
      screen.field("CPU time", fmt::format("{}, {} threads busy", time_text({busy, {}, {}, true}),
                                           number(busy / median.value, 3)));
    }
  }
  screen.field("flags", fmt::format("{}", fmt::join(record.flags, ", ")));
}

void show_check(Screen& screen, const CheckRecord& check) {
  const std::string verdict = check.accepted ? paint("accepted", Colour::green, screen.colour())
                                             : paint("rejected", Colour::red, screen.colour());
  screen.line(fmt::format("  round {}, oracle {}: {}", check.round, check.oracle, verdict));
  screen.field("norms", norms_text(check.norms));
  screen.field("limit", norms_text(finite_limits(check.limit)));
  screen.field("mismatch", check.mismatch.value_or(""));
}

std::string memory_text(const Cell& cell) {
  std::vector<std::string> parts;
  if (cell.peak_extra_bytes)
    parts.push_back(bytes_text(*cell.peak_extra_bytes) + " measured beyond inputs and outputs");
  if (cell.workspace_bytes) parts.push_back(bytes_text(*cell.workspace_bytes) + " workspace");
  return fmt::format("{}", fmt::join(parts, ", "));
}

void show_totals(Screen& screen, const Cell& cell) {
  const CaseRecord& first = *cell.records.front();
  screen.field("status", status_text(cell.status, screen.colour()));
  screen.field("reason", cell.reason);
  if (cell.time_ns) {
    screen.field("time",
                 fmt::format("{}, min {}, MdAPE {}; {}, {}", time_text(*cell.time_ns),
                             time_text({cell.min_ns, {}, {}, true}), percent_text(cell.mdape),
                             count_of(cell.rounds, "round"), count_of(cell.samples, "sample")));
  }
  if (first.work) {
    screen.field("work", fmt::format("{} FLOP, {} of traffic at least, {} FLOP/B, precision {}",
                                     number(first.work->flops), bytes_text(first.work->bytes),
                                     number(first.work->flops / first.work->bytes, 3),
                                     first.work->precision));
  }
  if (cell.flops_per_s) {
    std::string rate = number(*cell.flops_per_s / 1e9) + " GFLOP/s";
    if (cell.share_of_peak)
      rate +=
          fmt::format(", {} of the peak measured in this run", percent_text(*cell.share_of_peak));
    screen.field("rate", rate);
  }
  for (const Ratio& ratio : cell.speedups)
    screen.field("speed-up", ratio_text(ratio.value) + " over " + ratio.baseline);
  screen.field("memory", memory_text(cell));
  if (cell.prepare_ns)
    screen.field("prepare", time_text({*cell.prepare_ns, {}, {}, true}) + ", not timed");
  screen.field("counters", numbers_text(first.counters));
  screen.field("metrics", numbers_text(first.metrics));
}

/// Caches were cold by the run's own command line.
bool cold_run(const record::RunRecord& run) {
  const auto& argv = run.argv;
  const auto cache = std::find(argv.begin(), argv.end(), "--cache");
  const bool apart = cache != argv.end() && cache + 1 != argv.end() && *(cache + 1) == "cold";
  return apart || std::find(argv.begin(), argv.end(), "--cache=cold") != argv.end();
}

/// The command line in parts: an option and its value stay together.
std::vector<std::string> repeat_parts(const record::RunRecord* run, const std::string& suite,
                                      const std::string& experiment, const model::Point& point,
                                      const std::string& implementation, int threads) {
  std::vector<std::string> parts{"ashlar run", quote_shell(suite)};
  const auto option = [&](const char* name, const std::string& value) {
    parts.push_back(fmt::format("{} {}", name, quote_shell(value)));
  };
  if (run != nullptr) option("--mode", run->mode);
  for (const auto& [axis, value] : point.axes()) option("--where", axis + '=' + value.text());
  option("--only", fmt::format("^{}/{}/.*/{}$", escape_regex(suite), escape_regex(experiment),
                               escape_regex(implementation)));
  if (run != nullptr) option("--seed", std::to_string(run->seed));
  if (threads > 0) option("--threads", std::to_string(threads));
  if (run != nullptr && cold_run(*run)) option("--cache", "cold");
  return parts;
}

void show_start(Screen& screen, const RunView& run, const model::Point& point,
                const std::string& implementation, const std::string& tier,
                const std::string& device) {
  screen.line("");
  screen.line(run_text(run));
  screen.field("machine", machine_text(run));
  screen.field("implementation", fmt::format("{} ({}, {})", implementation, tier, device));
  for (const auto& [axis, value] : point.axes()) screen.field(axis, value.text());
}

void show_timed(Screen& screen, const record::RecordSet& records, const RunView& run,
                const TimedView& view, const Row& row, const Cell& cell) {
  const CaseRecord& first = *cell.records.front();
  show_start(screen, run, row.point, cell.implementation, cell.tier, cell.device);
  screen.field("threads", std::to_string(first.threads));
  show_totals(screen, cell);
  screen.line("");
  for (const CaseRecord* record : cell.records) show_round(screen, *record);
  bool checked = false;
  for (const CheckRecord& check : records.checks) {
    if (check.run_id != run.run_id || check.case_id != cell.case_id) continue;
    if (!std::exchange(checked, true)) screen.line("");
    show_check(screen, check);
  }
  screen.line("");
  screen.line("  repeat with");
  screen.command(repeat_parts(run.run, view.declared.suite, view.declared.experiment, row.point,
                              cell.implementation, first.threads));
}

void show_study(Screen& screen, const RunView& run, const StudyView& view, const StudyRow& row,
                const StudyCell& cell) {
  const auto& first = *cell.records.front();
  show_start(screen, run, row.point, cell.implementation, first.tier, first.device);
  screen.field("status", status_text(cell.status, screen.colour()));
  screen.field("reason", cell.reason);
  for (const auto& [name, value] : cell.metrics) screen.field(name, plain_text(value));
  screen.line("");
  for (const auto* record : cell.records) {
    screen.line(
        fmt::format("  seed {}: {}", record->seed, status_text(record->status, screen.colour())));
    screen.field("reason", record->reason.value_or(""));
    screen.field("exit", exit_text(record->exit));
    screen.field("metrics", numbers_text(record->metrics));
    screen.field("counters", numbers_text(record->counters));
    if (record->wall_ns)
      screen.field("wall time", time_text({static_cast<double>(*record->wall_ns), {}, {}, true}));
    for (const auto& [name, columns] : record->curves) {
      std::vector<std::string> names;
      for (const auto& [column, values] : columns) names.push_back(column);
      const std::size_t points = columns.empty() ? 0 : columns.front().second.size();
      screen.field("curve " + name,
                   fmt::format("{}: {}", count_of(points, "point"), fmt::join(names, ", ")));
    }
  }
  screen.line("");
  screen.line("  repeat with");
  screen.command(repeat_parts(run.run, view.declared.suite, view.declared.experiment, row.point,
                              cell.implementation, 0));
}

}  // namespace

std::string repeat_command(const record::RunRecord* run, const std::string& suite,
                           const std::string& experiment, const model::Point& point,
                           const std::string& implementation, int threads) {
  return fmt::format(
      "{}", fmt::join(repeat_parts(run, suite, experiment, point, implementation, threads), " "));
}

std::string show_case(const record::RecordSet& records, std::string_view selector,
                      const ShowOptions& options) {
  const CaseName identity = find_case(records, selector);
  Screen screen(options);
  screen.title(identity.key);
  screen.line("case " + identity.case_id);
  Filter filter;
  for (const RunView& run : view(records, filter)) {
    for (const TimedView& timed : run.timed) {
      for (const Row& row : timed.rows) {
        for (const Cell& cell : row.cells) {
          if (cell.key == identity.key) show_timed(screen, records, run, timed, row, cell);
        }
      }
    }
    for (const StudyView& study : run.studies) {
      for (const StudyRow& row : study.rows) {
        for (const StudyCell& cell : row.cells) {
          if (cell.key == identity.key) show_study(screen, run, study, row, cell);
        }
      }
    }
  }
  return screen.take();
}

}  // namespace ashlar::report
