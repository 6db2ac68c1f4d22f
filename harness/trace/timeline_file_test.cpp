#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "harness/trace/summary.hpp"

namespace ashlar::trace {
namespace {

using Json = nlohmann::json;

Timeline escaped() {
  Process supervisor;
  supervisor.pid = 10;
  supervisor.role = Role::supervisor;
  supervisor.name = "supervisor";
  supervisor.lanes = {{0, "", "ashlar", {{"plan", 1'000, 2'001, {}, false}}}};
  Process worker;
  worker.pid = 11;
  worker.name = "worker: \"quoted\"\n\\ and \x01";
  worker.start_ns = 500;
  worker.lanes = {{0,
                   "",
                   "ashlar",
                   {{"a/b, c=\"1\"\t\xc3\xa9", 1'000, 9'007'199'254'740'993, -3, false},
                    {"inner", 1'500, 1'501, {}, true}}},
                  {2, "named", "cuBLAS", {{"gemm", 3, 4, {}, false}}}};
  worker.started = {{"ashlar", {"transfer", 20, 30, 7, false}},
                    {"ashlar", {"open", 21, 30, {}, true}}};
  worker.marks = {{2, "cuBLAS", "here", 25}};
  worker.dropped = 3;
  worker.unmatched = 4;
  return {{supervisor, worker}};
}

std::string written(const Timeline& timeline) {
  std::ostringstream out;
  write_timeline(out, timeline);
  return out.str();
}

Timeline read(const std::string& text) {
  std::istringstream in(text);
  return read_timeline(in);
}

}  // namespace

TEST_CASE("a timeline comes back from its file as it was, and so does its table") {
  const Timeline before = escaped();
  const Timeline after = read(written(before));
  REQUIRE(after.processes.size() == 2);
  CHECK(after.processes[0] == before.processes[0]);
  // Times that long lose their last nanosecond to the double in between; nothing else does.
  Process expected = before.processes[1];
  const std::int64_t end = after.processes[1].lanes.at(0).spans.at(0).end_ns;
  CHECK(std::abs(end - expected.lanes[0].spans[0].end_ns) <= 1000);
  expected.lanes[0].spans[0].end_ns = end;
  CHECK(after.processes[1] == expected);
  CHECK(summary_text(after) == summary_text(before));
}

TEST_CASE("the file is Trace Event JSON: metadata, complete events in microseconds, pairs, marks") {
  const Json file = Json::parse(written(escaped()));
  std::map<std::string, int> phases;
  for (const Json& event : file.at("traceEvents")) {
    const std::string phase = event.at("ph");
    ++phases[phase];
    CHECK(event.at("pid").is_number_integer());
    CHECK(event.at("tid").is_number_integer());
    if (phase == "M") continue;
    CHECK(event.at("ts").is_number());
    CHECK(event.at("cat").is_string());
    if (event.at("name") != "plan") continue;
    CHECK(event.at("ts") == 1.0);
    CHECK(event.at("dur") == 1.001);
  }
  CHECK(phases ==
        std::map<std::string, int>{{"M", 2 * 3 + 3 * 3}, {"X", 4}, {"b", 2}, {"e", 2}, {"i", 1}});
  bool named = false;
  for (const Json& event : file.at("traceEvents")) {
    if (event.at("name") != "process_name" || event.at("pid") != 11) continue;
    named = event.at("args").at("name") == escaped().processes[1].name;
  }
  CHECK(named);
}

TEST_CASE("names that are no UTF-8 do not break the file") {
  Timeline timeline = escaped();
  timeline.processes[0].lanes[0].spans[0].name = "\xff\xfe cut \xc3";
  CHECK(read(written(timeline)).processes[0].lanes.at(0).spans.at(0).name ==
        "\xef\xbf\xbd\xef\xbf\xbd cut \xef\xbf\xbd");
}

TEST_CASE("times count from the first process") {
  Timeline timeline = escaped();
  for (Process& process : timeline.processes) process.start_ns += 1'000'000'000;
  for (Process& process : timeline.processes) {
    for (Lane& lane : process.lanes) {
      for (Span& span : lane.spans) {
        span.start_ns += 1'000'000'000;
        span.end_ns += 1'000'000'000;
      }
    }
  }
  CHECK(read(written(timeline)).processes[0] == escaped().processes[0]);
}

TEST_CASE("other files are refused with the reason") {
  using Catch::Contains;
  CHECK_THROWS_WITH(read(""), Contains("is no JSON"));
  CHECK_THROWS_WITH(read("{\"traceEvents\":["), Contains("is no JSON, at byte"));
  CHECK_THROWS_WITH(read("[1, 2]"), Contains("was not written by"));
  CHECK_THROWS_WITH(read("{\"traceEvents\":[]}"), Contains("was not written by"));
  CHECK_THROWS_WITH(read("{\"traceEvents\":[{\"ph\":\"X\",\"pid\":1,\"tid\":5}]}"),
                    Contains("is no timeline"));
  CHECK_THROWS_WITH(read("{\"traceEvents\":[{\"ph\":1}]}"), Contains("is no timeline"));
  std::string cut = written(escaped());
  cut.resize(cut.size() / 2);
  CHECK_THROWS_WITH(read(cut), Contains("is no JSON"));
}

}  // namespace ashlar::trace
