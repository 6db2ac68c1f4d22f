// Writes a made-up run of any size, and a claim file about it, so that reading can be timed and
// tested: make-records FOLDER [POINTS IMPLEMENTATIONS ROUNDS], by default 1000 x 20 x 50 = a
// million case records of 15 samples. The same arguments give the same bytes.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "harness/record/record.hpp"

namespace {

using ashlar::model::Json;
using ashlar::model::Point;
using ashlar::record::CaseRecord;
using ashlar::record::Record;
using ashlar::record::RunRecord;

constexpr const char* kClaims = R"(suite = "made-up"

[[claim]]
id       = "level-2-is-faster-everywhere"
says     = "level 2 takes between 0.45 and 0.55 of the time of level 1, at each point"
source   = "made up"
reported = { value = 2, unit = "x" }
reach    = "direct"
because  = "made up"
[claim.check]
form       = "ratio"
experiment = "work"
metric     = "time"
of         = { implementation = "level-2" }
to         = { implementation = "level-1" }
over       = "all"
expect     = [0.45, 0.55]

[[claim]]
id       = "level-1-is-slower-on-average"
says     = "level 2 takes twice the time of level 4 in the geometric mean"
source   = "made up"
reported = { value = 2, unit = "x" }
reach    = "direct"
because  = "made up"
[claim.check]
form       = "ratio"
experiment = "work"
metric     = "rate"
of         = { implementation = "level-4" }
to         = { implementation = "level-2" }
over       = "geomean"
expect     = [1.9, 2.1]

[[claim]]
id       = "time-is-linear-in-size"
says     = "time grows linearly with the size"
source   = "made up"
reported = { value = 1, unit = "exponent" }
reach    = "direct"
because  = "made up"
[claim.check]
form       = "slope"
experiment = "work"
metric     = "time"
of         = { implementation = "level-1" }
along      = "size"
expect     = [0.95, 1.05]

[[claim]]
id       = "levels-are-ordered"
says     = "a higher level is faster"
source   = "made up"
reported = { text = "faster" }
reach    = "direct"
because  = "made up"
[claim.check]
form            = "ordering"
experiment      = "work"
metric          = "time"
implementations = ["level-4", "level-2", "level-1"]
)";

/// A word of the stream of one seed (SplitMix64).
std::uint64_t next(std::uint64_t& state) {
  std::uint64_t word = state += 0x9e3779b97f4a7c15ull;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ull;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebull;
  return word ^ (word >> 31);
}

/// In [0, 1).
double uniform(std::uint64_t& state) { return static_cast<double>(next(state) >> 11) * 0x1p-53; }

struct Shape {
  int points = 1000;
  int implementations = 20;
  int rounds = 50;
};

Point point_of(int index) {
  return Point({{"size", 1024 << index % 10},
                {"width", 8 * (1 + index / 10 % 10)},
                {"variant", index / 100}});
}

std::string name_of(int implementation) { return fmt::format("level-{}", 1 + implementation); }

RunRecord run_record(const Shape& shape) {
  RunRecord run;
  run.run_id = "20260704T101500Z-0000002a";
  run.plan_hash = "0123456789abcdef";
  run.argv = {"make-records"};
  run.started = "2026-07-04T10:15:00Z";
  run.mode = "full";
  run.seed = 1;
  run.threads = 2;
  run.machine_id = "made-up";
  Json implementations = Json::array();
  for (int i = 0; i < shape.implementations; ++i)
    implementations.push_back({{"name", name_of(i)},
                               {"tier", i == 0 ? "naive" : "optimized"},
                               {"device", "cpu"},
                               {"about", ""}});
  Json axes = Json::array();
  for (const char* name : {"size", "width", "variant"})
    axes.push_back({{"name", name}, {"unit", ""}, {"values", Json::array()}});
  run.experiments = Json::array({{{"suite", "made-up"},
                                  {"experiment", "work"},
                                  {"kind", "timed"},
                                  {"about", "made up"},
                                  {"axes", axes},
                                  {"implementations", implementations},
                                  {"metrics", Json::array()},
                                  {"baselines", {"level-1"}},
                                  {"figures", Json::array()}}});
  return run;
}

CaseRecord case_record(const RunRecord& run, int index, int implementation, int round) {
  CaseRecord one;
  one.run_id = run.run_id;
  one.plan_hash = run.plan_hash;
  one.suite = "made-up";
  one.experiment = "work";
  one.point = point_of(index);
  one.implementation = name_of(implementation);
  one.key = fmt::format("made-up/work/{}/{}", one.point.text(), one.implementation.str());
  one.case_id = ashlar::model::hex(ashlar::model::stable_hash(one.key));
  one.tier = implementation == 0 ? "naive" : "optimized";
  one.device = "cpu";
  one.round = round;
  one.batch = 1 + round % 3;
  one.warmups = 2;
  one.stop_reason = "converged";
  if (round % 10 == 3) one.flags = {"involuntary-switches"};
  one.work = ashlar::model::Work{2.0 * static_cast<double>(one.point.integer("size")), 64e3, "f32"};
  one.prepare_ns = 1000 + round;
  one.peak_extra_bytes = 4096;
  one.threads = 2;
  std::uint64_t state = ashlar::model::stable_hash(one.key) + static_cast<std::uint64_t>(round);
  const double process = 1 + 0.01 * uniform(state);
  const double time = 100.0 * static_cast<double>(one.point.integer("size")) / (1 + implementation);
  for (int i = 0; i < 15; ++i) {
    const double noise = 1 - 0.005 * std::log(1 - uniform(state));
    one.samples_ns.push_back(std::llround(time * process * noise));
    one.cpu_ns.push_back(std::llround(2 * time * process));
  }
  return one;
}

bool number_from(const char* text, int& number) {
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), number);
  return error == std::errc() && end == view.data() + view.size() && number > 0;
}

}  // namespace

int main(int argc, char** argv) {
  Shape shape;
  const bool numbers = argc != 5 || (number_from(argv[2], shape.points) &&
                                     number_from(argv[3], shape.implementations) &&
                                     number_from(argv[4], shape.rounds));
  if ((argc != 2 && argc != 5) || !numbers || shape.points > 1000) {
    fmt::print(stderr,
               "usage: make-records FOLDER [POINTS IMPLEMENTATIONS ROUNDS], at most 1000 points\n");
    return 3;
  }
  const std::string folder = argv[1];
  std::ofstream(folder + "/claims.toml") << kClaims;
  std::ofstream file(folder + "/made-up.jsonl", std::ios::binary);
  const RunRecord run = run_record(shape);
  file << ashlar::record::to_json(Record(run)).dump() << '\n';
  // As a run writes them: round after round, point after point.
  for (int round = 0; round < shape.rounds; ++round)
    for (int index = 0; index < shape.points; ++index)
      for (int i = 0; i < shape.implementations; ++i)
        file << ashlar::record::to_json(Record(case_record(run, index, i, round))).dump() << '\n';
  file.close();
  if (!file) {
    fmt::print(stderr, "make-records: cannot write in '{}'\n", folder);
    return 5;
  }
  return 0;
}
