// From the events of a process to its lanes.
#include <algorithm>
#include <map>
#include <set>

#include "harness/trace/timeline.hpp"

namespace ashlar::trace {

namespace {

std::int64_t last_time(const SpillFile& spill) {
  std::int64_t last = spill.start_ns;
  for (const SpillThread& thread : spill.threads) {
    for (const SpillEvent& event : thread.events) last = std::max(last, event.time_ns);
  }
  return last;
}

std::map<std::uint16_t, std::string> domain_names(const SpillFile& spill) {
  std::map<std::uint16_t, std::string> names{{std::uint16_t{0}, "default"}};
  for (const SpillThread& thread : spill.threads) {
    for (const SpillEvent& event : thread.events) {
      if (event.kind == EventKind::domain) names[event.domain] = event.text;
    }
  }
  return names;
}

class ProcessBuilder {
 public:
  explicit ProcessBuilder(const SpillFile& spill)
      : names_(domain_names(spill)), last_ns_(last_time(spill)) {
    process_.pid = spill.pid;
    process_.role = spill.role;
    process_.start_ns = spill.start_ns;
    process_.dropped = spill.dropped;
    for (const SpillThread& thread : spill.threads) add(thread);
    finish_started();
  }
  Process take() { return std::move(process_); }

 private:
  struct Open {
    Lane lane;
    std::vector<std::size_t> stack;  // spans that are open, the innermost last
  };

  std::string domain(std::uint16_t number) const {
    const auto found = names_.find(number);
    return found != names_.end() ? found->second : "domain " + std::to_string(number);
  }

  void add(const SpillThread& thread) {
    std::map<std::uint16_t, Open> lanes;
    std::string name;
    std::int64_t end_ns = last_ns_;
    for (const SpillEvent& event : thread.events) {
      switch (event.kind) {
        case EventKind::push: {
          Open& own = lanes[event.domain];
          own.stack.push_back(own.lane.spans.size());
          Span& span = own.lane.spans.emplace_back();
          span.name = event.text;
          span.start_ns = event.time_ns;
          if (event.has_payload) span.payload = static_cast<std::int64_t>(event.value);
          break;
        }
        case EventKind::pop:
          pop(lanes[event.domain], event.time_ns);
          break;
        case EventKind::start:
          started_[event.value] = process_.started.size();
          process_.started.push_back(
              {domain(event.domain), {event.text, event.time_ns, last_ns_, {}, true}});
          break;
        case EventKind::finish:
          finished_.emplace_back(event.value, event.time_ns);
          break;
        case EventKind::mark:
          process_.marks.push_back(
              {thread.serial, domain(event.domain), event.text, event.time_ns});
          break;
        case EventKind::thread_name:
          name = event.text;
          break;
        case EventKind::thread_end:
          end_ns = event.time_ns;
          break;
        case EventKind::domain:
        case EventKind::thread:
          break;
      }
    }
    for (auto& [number, own] : lanes) close(thread, number, own, name, end_ns);
  }

  void pop(Open& own, std::int64_t time_ns) {
    if (own.stack.empty()) {
      ++process_.unmatched;
      return;
    }
    own.lane.spans[own.stack.back()].end_ns = time_ns;
    own.stack.pop_back();
  }

  void close(const SpillThread& thread, std::uint16_t number, Open& own, const std::string& name,
             std::int64_t end_ns) {
    for (const std::size_t index : own.stack) {
      own.lane.spans[index].end_ns = end_ns;
      own.lane.spans[index].unfinished = true;
    }
    if (own.lane.spans.empty()) return;
    own.lane.thread = thread.serial;
    own.lane.thread_name = name;
    own.lane.domain = domain(number);
    process_.lanes.push_back(std::move(own.lane));
  }

  /// The thread that ends a range may have been read before the one that started it.
  void finish_started() {
    for (const auto& [id, time_ns] : finished_) {
      const auto found = started_.find(id);
      if (found == started_.end()) {
        ++process_.unmatched;
        continue;
      }
      Span& span = process_.started[found->second].span;
      span.end_ns = time_ns;
      span.unfinished = false;
      started_.erase(found);
    }
  }

  std::map<std::uint16_t, std::string> names_;
  std::int64_t last_ns_;
  Process process_;
  std::map<std::uint64_t, std::size_t> started_;
  std::vector<std::pair<std::uint64_t, std::int64_t>> finished_;
};

std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  if (names.size() > kMost) text += ", ...";
  return text;
}

/// "worker: suite/experiment point" from the outermost ranges of its first lane, and the ranges
/// within when all are one.
std::string name_of(const Process& process) {
  if (process.role == Role::supervisor) return "supervisor";
  if (process.lanes.empty()) return "worker";
  const std::vector<Span>& spans = process.lanes.front().spans;
  const std::vector<int> depth = depths(spans);
  std::vector<std::string> outer;
  std::vector<std::string> inner;
  const auto note = [](std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (depth[i] == 0) note(outer, spans[i].name);
    if (depth[i] == 1) note(inner, spans[i].name);
  }
  std::string name = "worker: " + joined(outer);
  if (outer.size() == 1 && inner.size() == 1) name += " " + inner.front();
  return name;
}

std::size_t ranges_in(const Process& process) {
  std::size_t count = process.started.size() + process.marks.size();
  for (const Lane& lane : process.lanes) count += lane.spans.size();
  return count;
}

/// Two processes of a long run may have had one number; viewers would draw them as one.
void make_pids_unique(std::vector<Process>& processes) {
  constexpr int kAboveAnyPid = 1 << 22;
  std::set<int> used;
  for (Process& process : processes) {
    while (!used.insert(process.pid).second) process.pid += kAboveAnyPid;
  }
}

}  // namespace

Process process_of(const SpillFile& spill) {
  Process process = ProcessBuilder(spill).take();
  process.name = name_of(process);
  return process;
}

Timeline collect(const std::filesystem::path& folder, std::size_t most) {
  Timeline timeline;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    try {
      timeline.processes.push_back(process_of(read_spill(entry.path())));
    } catch (const std::runtime_error&) {
      continue;  // a process that was killed before it wrote the file's first page
    }
  }
  std::ranges::sort(timeline.processes, {}, [](const Process& process) {
    return std::tuple(process.role, process.start_ns, process.pid);
  });
  std::size_t total = 0;
  for (Process& process : timeline.processes) {
    const std::size_t count = ranges_in(process);
    if (total + count > most) {
      process.lanes.clear();
      process.started.clear();
      process.marks.clear();
      process.dropped += count;
    } else {
      total += count;
    }
  }
  make_pids_unique(timeline.processes);
  return timeline;
}

namespace {

/// Leaves those open that hold a span which starts at `start_ns`. What nobody ended was open to the
/// very end, where its last ranges may begin and end in one instant.
void leave_holders(std::span<const Span> lane, std::vector<std::size_t>& open,
                   std::int64_t start_ns) {
  while (!open.empty() && !lane[open.back()].unfinished && lane[open.back()].end_ns <= start_ns)
    open.pop_back();
}

}  // namespace

std::vector<std::int64_t> exclusive_ns(std::span<const Span> lane) {
  std::vector<std::int64_t> exclusive;
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < lane.size(); ++i) {
    const std::int64_t inclusive = lane[i].end_ns - lane[i].start_ns;
    exclusive.push_back(inclusive);
    leave_holders(lane, open, lane[i].start_ns);
    if (!open.empty()) exclusive[open.back()] -= inclusive;
    open.push_back(i);
  }
  return exclusive;
}

std::vector<int> depths(std::span<const Span> lane) {
  std::vector<int> depth;
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < lane.size(); ++i) {
    leave_holders(lane, open, lane[i].start_ns);
    depth.push_back(static_cast<int>(open.size()));
    open.push_back(i);
  }
  return depth;
}

}  // namespace ashlar::trace
