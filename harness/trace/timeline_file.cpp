// A timeline as Trace Event JSON, and back.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <istream>
#include <map>
#include <ostream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/trace/timeline.hpp"

namespace ashlar::trace {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kWriter = "ashlar";

std::string json_text(const std::string& text) {
  // Names come from anywhere; what is no UTF-8 becomes the replacement character.
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Microseconds with the nanoseconds behind the point.
std::string microseconds(std::int64_t ns) {
  return fmt::format("{}{}.{:03}", ns < 0 ? "-" : "", std::abs(ns) / 1000, std::abs(ns) % 1000);
}

class Writer {
 public:
  Writer(std::ostream& out, std::int64_t base_ns) : out_(out), base_ns_(base_ns) {}

  void process(const Process& process, std::size_t index) {
    metadata("process_name", process.pid, 0,
             fmt::format("{{\"name\":{}}}", json_text(process.name)));
    metadata("process_sort_index", process.pid, 0, fmt::format("{{\"sort_index\":{}}}", index));
    metadata("ashlar_process", process.pid, 0,
             fmt::format("{{\"role\":\"{}\",\"start\":{},\"dropped\":{},\"unmatched\":{}}}",
                         process.role == Role::supervisor ? "supervisor" : "worker",
                         process.start_ns - base_ns_, process.dropped, process.unmatched));
    for (std::size_t i = 0; i < process.lanes.size(); ++i) lane(process, process.lanes[i], i);
    for (std::size_t i = 0; i < process.started.size(); ++i) {
      started(process, process.started[i], i);
    }
    for (const Mark& mark : process.marks) {
      event(
          fmt::format("\"ph\":\"i\",\"s\":\"t\",\"name\":{},\"cat\":{},\"pid\":{},\"tid\":{},"
                      "\"ts\":{},\"args\":{{\"thread\":{}}}",
                      json_text(mark.name), json_text(mark.domain), process.pid,
                      lane_of(process, mark), time(mark.time_ns), mark.thread));
    }
  }

 private:
  /// The lane to draw a mark on: its thread's and domain's, else its thread's, else the first.
  static std::size_t lane_of(const Process& process, const Mark& mark) {
    std::size_t best = 0;
    for (std::size_t i = process.lanes.size(); i-- > 0;) {
      if (process.lanes[i].thread != mark.thread) continue;
      best = i;
      if (process.lanes[i].domain == mark.domain) break;
    }
    return best;
  }

  void lane(const Process& process, const Lane& lane, std::size_t tid) {
    std::string name = lane.thread_name;
    if (name.empty()) name = lane.thread == 0 ? "main" : fmt::format("thread {}", lane.thread);
    if (lane.domain != "ashlar") name += " (" + lane.domain + ")";
    metadata("thread_name", process.pid, tid, fmt::format("{{\"name\":{}}}", json_text(name)));
    metadata("thread_sort_index", process.pid, tid, fmt::format("{{\"sort_index\":{}}}", tid));
    metadata("ashlar_lane", process.pid, tid,
             fmt::format("{{\"thread\":{},\"thread_name\":{},\"domain\":{}}}", lane.thread,
                         json_text(lane.thread_name), json_text(lane.domain)));
    for (const Span& span : lane.spans) {
      event(fmt::format(
          "\"ph\":\"X\",\"name\":{},\"cat\":{},\"pid\":{},\"tid\":{},\"ts\":{},"
          "\"dur\":{}{}",
          json_text(span.name), json_text(lane.domain), process.pid, tid, time(span.start_ns),
          microseconds(span.end_ns - span.start_ns), arguments(span)));
    }
  }

  void started(const Process& process, const Started& started, std::size_t id) {
    const auto half = [&](const char* phase, std::int64_t time_ns, const std::string& rest) {
      event(
          fmt::format("\"ph\":\"{}\",\"name\":{},\"cat\":{},\"id2\":{{\"local\":\"{:#x}\"}},"
                      "\"pid\":{},\"tid\":0,\"ts\":{}{}",
                      phase, json_text(started.span.name), json_text(started.domain), id,
                      process.pid, time(time_ns), rest));
    };
    half("b", started.span.start_ns, arguments(started.span));
    half("e", started.span.end_ns, "");
  }

  static std::string arguments(const Span& span) {
    if (!span.payload && !span.unfinished) return "";
    std::string list;
    if (span.payload) list = fmt::format("\"payload\":{}", *span.payload);
    if (span.unfinished) list += fmt::format("{}\"unfinished\":true", list.empty() ? "" : ",");
    return ",\"args\":{" + list + "}";
  }

  void metadata(const char* name, int pid, std::size_t tid, const std::string& args) {
    event(fmt::format("\"ph\":\"M\",\"name\":\"{}\",\"pid\":{},\"tid\":{},\"args\":{}", name, pid,
                      tid, args));
  }

  void event(const std::string& fields) {
    out_ << (first_ ? "\n{" : ",\n{") << fields << '}';
    first_ = false;
  }

  std::string time(std::int64_t time_ns) const { return microseconds(time_ns - base_ns_); }

  std::ostream& out_;
  std::int64_t base_ns_;
  bool first_ = true;
};

std::int64_t nanoseconds(const Json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000);
}

/// Takes the events of a file one by one, so that the whole never is in memory as JSON.
class Reader {
 public:
  void take(const Json& event) {
    const std::string phase = event.at("ph");
    const int pid = event.at("pid");
    if (phase == "M") return metadata(process(pid), event);
    if (phase == "X") {
      Lane& lane = process(pid).lanes.at(event.at("tid").get<std::size_t>());
      lane.spans.push_back(span(event));
      lane.spans.back().end_ns = lane.spans.back().start_ns + nanoseconds(event.at("dur"));
    } else if (phase == "b") {
      process(pid).started.push_back({event.at("cat"), span(event)});
    } else if (phase == "e") {
      const std::string id = event.at("id2").at("local");
      const auto number = static_cast<std::size_t>(std::stoull(id, nullptr, 16));
      process(pid).started.at(number).span.end_ns = nanoseconds(event.at("ts"));
    } else if (phase == "i") {
      process(pid).marks.push_back({event.at("args").at("thread"), event.at("cat"),
                                    event.at("name"), nanoseconds(event.at("ts"))});
    }
  }
  Timeline timeline() { return std::move(timeline_); }

 private:
  Process& process(int pid) {
    const auto [found, fresh] = index_.try_emplace(pid, timeline_.processes.size());
    if (fresh) timeline_.processes.emplace_back().pid = pid;
    return timeline_.processes[found->second];
  }

  static Span span(const Json& event) {
    Span span;
    span.name = event.at("name");
    span.start_ns = nanoseconds(event.at("ts"));
    const Json args = event.value("args", Json::object());
    if (args.contains("payload")) span.payload = args.at("payload").get<std::int64_t>();
    span.unfinished = args.value("unfinished", false);
    return span;
  }

  static void metadata(Process& process, const Json& event) {
    const std::string name = event.at("name");
    const Json& args = event.at("args");
    if (name == "process_name") process.name = args.at("name");
    if (name == "ashlar_process") {
      process.role = args.at("role") == "supervisor" ? Role::supervisor : Role::worker;
      process.start_ns = args.at("start");
      process.dropped = args.at("dropped");
      process.unmatched = args.at("unmatched");
    }
    if (name == "ashlar_lane") {
      process.lanes.push_back({args.at("thread"), args.at("thread_name"), args.at("domain"), {}});
    }
  }

  Timeline timeline_;
  std::map<int, std::size_t> index_;
};

}  // namespace

void write_timeline(std::ostream& out, const Timeline& timeline) {
  std::int64_t base_ns = 0;
  if (!timeline.processes.empty()) {
    base_ns = std::ranges::min(timeline.processes, {}, &Process::start_ns).start_ns;
  }
  out << "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"writer\":\"" << kWriter
      << "\"},\"traceEvents\":[";
  Writer writer(out, base_ns);
  for (std::size_t i = 0; i < timeline.processes.size(); ++i) {
    writer.process(timeline.processes[i], i);
  }
  out << "\n]}\n";
}

Timeline read_timeline(std::istream& in) {
  Reader reader;
  try {
    const auto each = [&](int depth, Json::parse_event_t what, Json& parsed) {
      // The file, its list, an event of the list.
      if (what != Json::parse_event_t::object_end || depth != 2 || !parsed.contains("ph")) {
        return true;
      }
      reader.take(parsed);
      return false;
    };
    const Json file = Json::parse(in, each);
    const Json other = file.is_object() ? file.value("otherData", Json::object()) : Json::object();
    if (other.value("writer", std::string()) != kWriter || !file.contains("traceEvents")) {
      throw std::runtime_error("was not written by 'ashlar run --trace'");
    }
  } catch (const Json::parse_error& error) {
    throw std::runtime_error(fmt::format("is no JSON, at byte {}", error.byte));
  } catch (const Json::exception& error) {
    throw std::runtime_error(fmt::format("is no timeline of 'ashlar run': {}", error.what()));
  } catch (const std::logic_error&) {
    throw std::runtime_error("is no timeline of 'ashlar run': an event names a lane before it");
  }
  return reader.timeline();
}

}  // namespace ashlar::trace
