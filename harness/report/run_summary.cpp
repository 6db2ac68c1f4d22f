#include "harness/report/run_summary.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/text.hpp"
#include "harness/report/view.hpp"

namespace ashlar::report {

using model::Json;
using record::Status;

namespace {

struct Entry {
  std::string what;
  std::string reason;
};

/// What became of the cases of one run.
struct Tally {
  std::map<Status, std::size_t> counts;
  std::map<Status, std::vector<Entry>> failures;
  std::size_t total = 0;

  template <class SomeCell>
  void add(const SomeCell& cell) {
    ++total;
    ++counts[cell.status];
    // What was dropped with its whole point is listed by the point's event.
    const bool with_point =
        cell.status == Status::dropped &&
        (cell.reason.starts_with("budget") || cell.reason.starts_with("interrupted"));
    if (cell.status != Status::ok && cell.status != Status::unsupported && !with_point)
      failures[cell.status].push_back({cell.key, cell.reason});
  }
};

constexpr Status kOrder[] = {Status::ok,      Status::unsupported, Status::wrong,
                             Status::crashed, Status::timeout,     Status::out_of_memory,
                             Status::failed,  Status::dropped};

Colour colour_of(Status status) {
  if (status == Status::ok) return Colour::green;
  if (status == Status::unsupported) return Colour::grey;
  return status == Status::dropped ? Colour::yellow : Colour::red;
}

std::string counts_text(const Tally& tally, const std::string& noun, bool colour) {
  std::vector<std::string> parts;
  for (const Status status : kOrder) {
    const auto found = tally.counts.find(status);
    if (found == tally.counts.end()) continue;
    parts.push_back(
        paint(fmt::format("{} {}", found->second, word_of(status)), colour_of(status), colour));
  }
  return fmt::format("{}: {}\n", count_of(tally.total, noun), fmt::join(parts, ", "));
}

std::string listed(const std::string& title, const std::vector<Entry>& entries,
                   const SummaryOptions& options) {
  std::string out = title + ":\n";
  const std::size_t shown = std::min(entries.size(), options.most_listed);
  for (std::size_t i = 0; i < shown; ++i) {
    out += "  " + entries[i].what + "\n";
    if (entries[i].reason.empty()) continue;
    for (const std::string& line :
         wrap(entries[i].reason, std::max<std::size_t>(20, options.width - 4)))
      out += "    " + line + "\n";
  }
  if (shown < entries.size()) out += fmt::format("  and {} more\n", entries.size() - shown);
  return out;
}

std::string text_of(const Json& details, const char* name) {
  const auto found = details.find(name);
  return found != details.end() && found->is_string() ? found->get<std::string>() : "";
}

/// Which point and round an event speaks of.
std::string place_of(const Json& details) {
  std::string place;
  for (const char* field : {"suite", "experiment", "point", "round"})
    place += (details.contains(field) ? details.at(field).dump() : "") + " ";
  return place;
}

/// Points that were left out altogether; later rounds that were are only counted. What a resumed
/// run measured after all is in neither.
struct Dropped {
  explicit Dropped(const RunView& run) {
    std::set<std::string> finished;
    for (const auto* event : run.events) {
      if (event->event == "point-finished") finished.insert(place_of(event->details));
    }
    for (const auto* event : run.events) {
      if (event->event == "dropped" && !finished.contains(place_of(event->details)))
        add(event->details);
    }
  }

  std::vector<Entry> points;
  std::map<std::string, std::size_t> later_rounds;  // by their reason

  void add(const Json& details) {
    if (!details.is_object()) {
      points.push_back({details.dump(), ""});
      return;
    }
    const auto round = details.find("round");
    if (round != details.end() && round->is_number_integer() && round->get<int>() > 0) {
      ++later_rounds[text_of(details, "why")];
    } else {
      const std::string what = text_of(details, "what");
      points.push_back({what.empty() ? details.dump() : what, text_of(details, "why")});
    }
  }
  std::string later_text() const {
    std::string out;
    for (const auto& [why, count] : later_rounds) {
      out += count_of(count, "later round") + " dropped";
      out += why.empty() ? "\n" : ": " + why + "\n";
    }
    return out;
  }
};

std::string controls_text(const record::RecordSet& records, const std::string& run_id,
                          const SummaryOptions& options) {
  std::size_t rejected = 0;
  std::vector<Entry> accepted;
  for (const auto& check : records.checks) {
    if (check.run_id != run_id || !check.control) continue;
    if (check.accepted) {
      accepted.push_back({check.key, fmt::format("oracle {} accepted it", check.oracle)});
    } else {
      ++rejected;
    }
  }
  std::string out;
  if (rejected > 0)
    out += fmt::format("{} rejected, as it must be\n", count_of(rejected, "negative control"));
  if (!accepted.empty())
    out += listed(paint("negative controls that were accepted (a fault of the harness)",
                        Colour::red, options.colour),
                  accepted, options);
  return out;
}

/// Why points got no further rounds: how many are tight, and the least certain of the others.
std::string rounds_text(const RunView& run) {
  std::map<std::string, const Json*> last;  // a resumed run says it again
  for (const auto* event : run.events) {
    if (event->event == "rounds") last[place_of(event->details)] = &event->details;
  }
  std::map<std::string, std::size_t> reasons;
  const Json* widest = nullptr;
  const auto half = [](const Json& details) {
    const auto found = details.find("half_width");
    return found != details.end() && found->is_number() ? found->get<double>() : -1.0;
  };
  for (const auto& [place, details] : last) {
    const std::string reason = text_of(*details, "reason");
    ++reasons[reason];
    const bool loose = reason != "tight" && half(*details) >= 0;
    if (loose && (widest == nullptr || half(*details) > half(*widest))) widest = details;
  }
  if (reasons.empty()) return "";
  std::vector<std::string> parts;
  for (const auto& [reason, count] : reasons) parts.push_back(fmt::format("{} {}", count, reason));
  std::string out = fmt::format("{} ended their rounds: {}", count_of(last.size(), "point"),
                                fmt::join(parts, ", "));
  if (widest != nullptr) {
    const std::string point =
        widest->contains("point") ? model::Point::from_json(widest->at("point")).text() : "";
    out += fmt::format("; least certain: {} over {} at {} {}, ±{} %",
                       text_of(*widest, "implementation"), text_of(*widest, "baseline"),
                       text_of(*widest, "experiment"), point, number(100 * half(*widest), 2));
  }
  return out + "\n";
}

/// Of a resumed run the time that was measured, without the pauses.
std::string parts_text(const RunView& run) {
  std::size_t resumed = 0;
  double elapsed = 0;
  for (const auto* event : run.events) {
    if (event->event == "resumed") ++resumed;
    if (event->event == "finished" && event->details.is_object())
      elapsed = event->details.value("elapsed_s", 0.0);
  }
  if (resumed == 0) return "";
  return fmt::format("measured for {} s, resumed {}\n", number(elapsed, 3),
                     resumed == 1 ? "once" : fmt::format("{} times", resumed));
}

bool interrupted(const RunView& run) {
  bool now = false;
  for (const auto* event : run.events) {
    if (event->event == "interrupted") now = true;
    if (event->event == "resumed") now = false;
  }
  return now;
}

/// To the last event; the file itself does not say when the last case ended.
std::string wall_text(const RunView& run) {
  if (run.run == nullptr || run.events.empty()) return "";
  const auto seconds = seconds_between(run.run->started, run.events.back()->time);
  if (!seconds) return "";
  if (*seconds < 120) return fmt::format("wall time {} s\n", number(*seconds, 3));
  return fmt::format("wall time {} min {} s\n", static_cast<long>(*seconds) / 60,
                     static_cast<long>(*seconds) % 60);
}

std::string one_run(const record::RecordSet& records, const RunView& run,
                    const SummaryOptions& options) {
  Tally cases;
  Tally studies;
  for (const TimedView& timed : run.timed) {
    for (const Row& row : timed.rows) {
      for (const Cell& cell : row.cells) cases.add(cell);
    }
  }
  for (const StudyView& study : run.studies) {
    for (const StudyRow& row : study.rows) {
      for (const StudyCell& cell : row.cells) studies.add(cell);
    }
  }
  std::string out;
  if (cases.total > 0) out += counts_text(cases, "case", options.colour);
  if (studies.total > 0) out += counts_text(studies, "study case", options.colour);
  if (cases.total + studies.total == 0) out += "no case was executed\n";
  const Dropped dropped(run);
  for (const Status status : kOrder) {
    std::vector<Entry> entries = cases.failures[status];
    const auto& more = studies.failures[status];
    entries.insert(entries.end(), more.begin(), more.end());
    if (status == Status::dropped)
      entries.insert(entries.end(), dropped.points.begin(), dropped.points.end());
    if (entries.empty()) continue;
    out += listed(paint(word_of(status), colour_of(status), options.colour), entries, options);
  }
  out += dropped.later_text();
  out += rounds_text(run);
  if (interrupted(run))
    out += "interrupted: the records so far are kept; --resume measures the missing ones\n";
  out += controls_text(records, run.run_id, options);
  const std::string parts = parts_text(run);
  return out + (parts.empty() ? wall_text(run) : parts);
}

}  // namespace

std::optional<double> seconds_between(const std::string& from, const std::string& to) {
  const auto parse = [](const std::string& text) -> std::optional<double> {
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int hour = 0;
    int minute = 0;
    double second = 0;
    if (std::sscanf(text.c_str(), "%d-%u-%uT%d:%d:%lf", &year, &month, &day, &hour, &minute,
                    &second) != 6)
      return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                           std::chrono::day(day)};
    if (!date.ok()) return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return static_cast<double>(days) * 86400 + hour * 3600 + minute * 60 + second;
  };
  const auto start = parse(from);
  const auto end = parse(to);
  if (!start || !end) return std::nullopt;
  return *end - *start;
}

std::string run_summary(const record::RecordSet& records, const SummaryOptions& options) {
  const std::vector<RunView> runs = view(records);
  if (runs.empty()) return "the records hold no run\n";
  std::string out;
  for (const RunView& run : runs) {
    if (runs.size() > 1) out += run_text(run) + "\n";
    out += one_run(records, run, options);
  }
  for (const std::string& warning : records.warnings) out += "warning: " + warning + "\n";
  return out;
}

}  // namespace ashlar::report
