#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/cli/progress.hpp"
#include "harness/cli/run_files.hpp"
#include "harness/cli/run_setup.hpp"
#include "harness/cli/services.hpp"
#include "harness/cli/timing.hpp"
#include "harness/cli/trace_option.hpp"
#include "harness/machine/calibration.hpp"
#include "harness/machine/environment.hpp"
#include "harness/report/run_summary.hpp"

namespace ashlar::cli {

namespace {

using model::Json;

int print_plan(const ChosenPlan& plan) {
  for (const run::PlannedPoint& planned : plan.part.points) {
    fmt::print("{}/{} {}\n", planned.experiment->suite, planned.experiment->name,
               planned.point.text());
    for (const model::Implementation* implementation : planned.implementations) {
      fmt::print("  {}\n", implementation->name);
    }
  }
  fmt::print("{} points, {} cases, at most {} rounds in {:.0f} s; plan {}\n",
             plan.part.points.size(), plan.part.cases(), plan.rounds.most, plan.budget_s,
             plan.whole.hash);
  return kFine;
}

int exit_code(const run::RunSummary& summary, bool strict) {
  const auto count = [&](record::Status status) {
    const auto found = summary.cases.find(status);
    return found == summary.cases.end() ? std::size_t{0} : found->second;
  };
  using record::Status;
  if (summary.interrupted) return kInterrupted;
  if (summary.controls_accepted > 0) return kHarnessError;
  if (count(Status::wrong) > 0) return kWrongAnswer;
  const std::size_t broken = count(Status::crashed) + count(Status::timeout) +
                             count(Status::out_of_memory) + count(Status::failed);
  return strict && broken > 0 ? kWrongAnswer : kFine;
}

/// What the run record says, or what a resumed run's said.
Json start(const Context& context, const ChosenPlan& plan, const run::RunOptions& chosen,
           const Json& environment, const RunFile& file, bool calibrate,
           run::Supervisor& supervisor, run::Journal& journal, ConsoleProgress& progress) {
  const run::History& history = file.history();
  Json calibration = nullptr;
  if (history.run) {
    calibration = history.run->calibration;
    journal.announce({{"argv", context.all_arguments}});
  } else {
    if (calibrate) {
      progress.note("measuring this machine's peaks");
      calibration = supervisor.calibrate();
    }
    journal.append(run_record(context, plan, chosen, environment, calibration));
  }
  if (!history.settings) journal.event("plan", plan_details(plan, chosen));
  return calibration;
}

void finish(const run::History& history, run::Journal& journal, run::Supervisor& supervisor,
            const Json& environment, const Json& calibration, const run::RunSummary& summary) {
  const bool due = summary.measured > 0 || !history.calibrated_at_end;
  if (!calibration.is_null() && !summary.interrupted && due) {
    const Json end = supervisor.calibrate();
    Json details = end;
    details["drift"] =
        machine::to_json(machine::drift(machine::from_json(calibration), machine::from_json(end)));
    journal.event("calibration", std::move(details));
  }
  if (history.ended && !journal.touched()) return;
  Json counts = Json::object();
  for (const auto& [status, count] : summary.cases) {
    counts[std::string(record::name_of(status))] = count;
  }
  Json details = {
      {"cases", counts},
      {"interrupted", summary.interrupted},
      {"measured", summary.measured},
      {"activity", machine::activity_between(environment, machine::capture_activity())}};
  details.update(supervisor.time_spent());
  journal.event("finished", std::move(details));
}

}  // namespace

int run_command(const Context& context, const Arguments& arguments) {
  Options options(
      "run", "[SUITE...]",
      "Verifies every implementation at every point and measures it. All suites without a name.");
  add_run_options(options);
  if (!options.parse(context, arguments)) return kFine;
  TraceOption trace(options);
  const ChosenPlan plan = chosen_plan(options, context);
  Json environment = machine::capture_environment(device_description());
  run_options(options, plan, environment, {});  // wrong words come before waiting
  if (options.get<bool>("dry-run")) return print_plan(plan);

  RunFile file(options, new_run_id());
  catch_interruptions();
  ConsoleProgress progress(isatty(STDERR_FILENO) != 0);
  const auto note = [&](const std::string& line) { progress.note(line); };
  const bool times = !options.get<bool>("profile");
  const auto lock = times ? hold_timing_lock(options, context, note) : nullptr;
  if (interruptions() > 0) return kInterrupted;
  const ScratchFolder scratch;
  environment = machine::capture_environment(device_description());  // its load, now
  run::RunOptions chosen = run_options(options, plan, environment, scratch.path());
  if (file.resumed()) run::refuse_another(file.history(), identity(plan, chosen, environment));
  record::Writer& writer = file.writer();
  chosen.run_id = file.run_id();
  run::Journal journal(writer, chosen.run_id);
  run::Supervisor supervisor(plan.part, chosen, journal, progress, file.history());
  const bool calibrate = times && !options.get<bool>("no-calibration");
  const Json calibration =
      start(context, plan, chosen, environment, file, calibrate, supervisor, journal, progress);
  const run::RunSummary summary = supervisor.run();
  finish(file.history(), journal, supervisor, environment, calibration, summary);
  if (file.resumed() && summary.measured == 0 && !summary.interrupted)
    progress.note("nothing is missing: every point and round is in the records");

  const report::SummaryOptions style{wants_colour(STDOUT_FILENO), terminal_width(STDOUT_FILENO)};
  fmt::print("{}\nrecords: {}\n", report::run_summary(record::load({file.path()}), style),
             file.path().string());
  trace.finish();
  return exit_code(summary, options.get<bool>("strict"));
}

}  // namespace ashlar::cli
