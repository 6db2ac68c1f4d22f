#include "harness/trace/summary.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

namespace ashlar::trace {

namespace {

constexpr std::size_t kWidestName = 60;

using Key = std::tuple<Role, std::string, std::string, bool>;  // side, domain, name, started

void add_lane(const Lane& lane, Role role, std::map<Key, RangeTotal>& all) {
  const std::vector<std::int64_t> exclusive = exclusive_ns(lane.spans);
  std::map<std::string, std::int64_t> counted_until;  // by name
  for (std::size_t i = 0; i < lane.spans.size(); ++i) {
    const Span& span = lane.spans[i];
    RangeTotal& total = all[{role, lane.domain, span.name, false}];
    ++total.count;
    total.exclusive_ns = total.exclusive_ns.value_or(0) + exclusive[i];
    total.unfinished += span.unfinished ? 1 : 0;
    const auto [until, first] = counted_until.try_emplace(span.name, span.end_ns);
    if (!first && span.end_ns <= until->second) continue;
    until->second = span.end_ns;
    total.inclusive_ns += span.end_ns - span.start_ns;
  }
}

std::string cut(const std::string& name) {
  if (name.size() <= kWidestName) return name;
  std::size_t end = kWidestName - 3;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0U) == 0x80U) --end;
  return name.substr(0, end) + "...";
}

std::string milliseconds(std::int64_t ns) {
  return fmt::format("{:.3f}", static_cast<double>(ns) * 1e-6);
}

std::string line_of(const RangeTotal& total, std::int64_t all_ns) {
  std::string name = cut(total.name);
  if (total.domain != "ashlar") name += fmt::format(" ({})", total.domain);
  const bool nests = total.exclusive_ns.has_value();
  const double share = all_ns > 0 && nests ? 100.0 * static_cast<double>(*total.exclusive_ns) /
                                                 static_cast<double>(all_ns)
                                           : 0.0;
  return fmt::format(
      "{:>9} {:>13} {:>13} {:>7}  {}{}\n", total.count, milliseconds(total.inclusive_ns),
      nests ? milliseconds(*total.exclusive_ns) : "-", nests ? fmt::format("{:.1f} %", share) : "-",
      name, total.unfinished > 0 ? fmt::format(" [{} never ended]", total.unfinished) : "");
}

std::string side_text(const std::vector<RangeTotal>& all, Role role, std::size_t rows) {
  std::vector<const RangeTotal*> own;
  std::int64_t sum_ns = 0;
  for (const RangeTotal& total : all) {
    if (total.role != role) continue;
    own.push_back(&total);
    sum_ns += total.exclusive_ns.value_or(0);
  }
  if (own.empty()) return "";
  const std::size_t shown = rows == 0 ? own.size() : std::min(rows, own.size());
  std::string text =
      fmt::format("{:>9} {:>13} {:>13} {:>7}  {}\n", "count", "inclusive ms", "exclusive ms",
                  "share", role == Role::supervisor ? "supervisor" : "workers");
  for (std::size_t i = 0; i < shown; ++i) text += line_of(*own[i], sum_ns);
  if (shown < own.size()) text += fmt::format("{:>9} more\n", own.size() - shown);
  return text;
}

}  // namespace

std::vector<RangeTotal> totals(const Timeline& timeline) {
  std::map<Key, RangeTotal> all;
  for (const Process& process : timeline.processes) {
    for (const Lane& lane : process.lanes) add_lane(lane, process.role, all);
    for (const Started& started : process.started) {
      RangeTotal& total = all[{process.role, started.domain, started.span.name, true}];
      ++total.count;
      total.inclusive_ns += started.span.end_ns - started.span.start_ns;
      total.unfinished += started.span.unfinished ? 1 : 0;
    }
  }
  std::vector<RangeTotal> list;
  for (auto& [key, total] : all) {
    std::tie(total.role, total.domain, total.name, std::ignore) = key;
    list.push_back(std::move(total));
  }
  std::ranges::stable_sort(list, [](const RangeTotal& a, const RangeTotal& b) {
    if (a.role != b.role) return a.role < b.role;
    return a.exclusive_ns.value_or(-1) > b.exclusive_ns.value_or(-1);
  });
  return list;
}

std::string summary_text(const Timeline& timeline, std::size_t rows) {
  const std::vector<RangeTotal> all = totals(timeline);
  std::string text = side_text(all, Role::supervisor, rows);
  const std::string workers = side_text(all, Role::worker, rows);
  if (!text.empty() && !workers.empty()) text += '\n';
  text += workers;
  if (text.empty()) text = "no ranges were recorded\n";
  std::uint64_t dropped = 0;
  std::uint64_t unmatched = 0;
  for (const Process& process : timeline.processes) {
    dropped += process.dropped;
    unmatched += process.unmatched;
  }
  if (dropped > 0) {
    text += fmt::format("{} ranges are missing: more than a trace holds; choose fewer cases\n",
                        dropped);
  }
  if (unmatched > 0) text += fmt::format("{} ends of ranges that nobody began\n", unmatched);
  return text;
}

}  // namespace ashlar::trace
