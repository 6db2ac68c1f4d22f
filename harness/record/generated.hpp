#pragma once
// Records with arbitrary contents, for tests.
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "harness/record/record.hpp"

namespace ashlar::record {

/// To find fields that do not come back.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  bool flag() { return number(2) == 1; }
  std::int64_t number(std::int64_t below) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
  }
  std::string text() {
    static const std::vector<std::string> kTexts = {
        "", "plain", "quote\" back\\slash", "line\nbreak\ttab", "\u00fcml\u00e4ut \u2265", "nan"};
    return kTexts.at(static_cast<std::size_t>(number(6)));
  }
  double real() {
    switch (number(6)) {
      case 0:
        return std::numeric_limits<double>::infinity();
      case 1:
        return -std::numeric_limits<double>::infinity();
      case 2:
        return 0.1 + static_cast<double>(number(1000)) / 7;
      case 3:
        return std::numeric_limits<double>::denorm_min();
      case 4:
        return -0.0;
      default:
        return std::numeric_limits<double>::max();
    }
  }
  template <class T, class Make>
  std::optional<T> maybe(Make make) {
    if (flag()) return std::nullopt;
    return T(make());
  }
  template <class T, class Make>
  std::vector<T> several(Make make) {
    std::vector<T> values(static_cast<std::size_t>(number(4)));
    for (T& value : values) value = T(make());
    return values;
  }
  std::map<std::string, double> numbers() {
    std::map<std::string, double> values;
    for (auto n = number(3); n > 0; --n) values["name" + std::to_string(n)] = real();
    return values;
  }
  Point point() {
    return Point({{"seqlen", number(5000)},
                  {"causal", flag()},
                  {"rate", 0.25 * static_cast<double>(number(9))},
                  {"dtype", "bf16"}});
  }
  Json json() { return flag() ? Json(nullptr) : Json{{"z", 1}, {"a", {1.5, "x", nullptr}}}; }
  Status status() { return static_cast<Status>(number(8)); }
  Exit exit() {
    return {maybe<int>([&] { return number(9); }), maybe<int>([&] { return number(9); }), flag()};
  }

  template <class R>
  void identity(R& r) {
    r.run_id = text();
    r.case_id = text();
    r.key = text();
    r.suite = text();
    r.experiment = text();
    r.point = point();
    r.implementation = text();
  }
  CaseRecord timed() {
    CaseRecord r;
    identity(r);
    r.plan_hash = text();
    r.tier = text();
    r.device = text();
    r.round = static_cast<int>(number(9));
    r.status = status();
    r.reason = maybe<std::string>([&] { return text(); });
    r.samples_ns = several<std::int64_t>([&] { return number(1'000'000'000'000); });
    r.cpu_ns = several<std::int64_t>([&] { return number(1'000'000'000'000); });
    r.batch = number(1000);
    r.warmups = static_cast<int>(number(9));
    r.stop_reason = maybe<std::string>([&] { return text(); });
    r.flags = several<std::string>([&] { return text(); });
    r.work = maybe<Work>([&] { return Work{real(), real(), text()}; });
    r.counters = numbers();
    r.metrics = numbers();
    r.prepare_ns = maybe<std::int64_t>([&] { return number(1000); });
    r.peak_extra_bytes = maybe<std::int64_t>([&] { return number(1000); });
    r.workspace_bytes = maybe<std::int64_t>([&] { return number(1000); });
    r.threads = static_cast<int>(number(9));
    r.exit = maybe<Exit>([&] { return exit(); });
    return r;
  }
  StudyRecord study() {
    StudyRecord r;
    identity(r);
    r.plan_hash = text();
    r.tier = text();
    r.device = text();
    r.seed = static_cast<std::uint64_t>(number(100));
    r.status = status();
    r.reason = maybe<std::string>([&] { return text(); });
    r.metrics = numbers();
    r.counters = numbers();
    const auto rows = static_cast<std::size_t>(number(4));
    for (const char* name : {"iteration", "epoch"}) {
      for (const char* column : {"z-first", "gap", "a-last"}) {
        std::vector<double> values(rows);
        for (double& value : values) value = real();
        r.curves[name].emplace_back(column, values);
      }
    }
    r.wall_ns = maybe<std::int64_t>([&] { return number(1000); });
    r.exit = maybe<Exit>([&] { return exit(); });
    return r;
  }
  CheckRecord check() {
    CheckRecord r;
    identity(r);
    r.round = static_cast<int>(number(9));
    r.control = flag();
    r.oracle = text();
    r.accepted = flag();
    r.norms = json();
    r.limit = json();
    r.mismatch = maybe<std::string>([&] { return text(); });
    return r;
  }
  RunRecord run() {
    RunRecord r;
    r.run_id = text();
    r.plan_hash = text();
    r.argv = several<std::string>([&] { return text(); });
    r.started = text();
    r.mode = text();
    r.seed = std::numeric_limits<std::uint64_t>::max() - static_cast<std::uint64_t>(number(9));
    r.threads = static_cast<int>(number(9));
    r.build = json();
    r.machine_id = text();
    r.machine = json();
    r.calibration = json();
    r.experiments = json();
    return r;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace ashlar::record
