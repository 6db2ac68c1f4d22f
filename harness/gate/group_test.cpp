#include "harness/gate/group.hpp"

#include <string>

#include <catch2/catch.hpp>

#include "harness/gate/anchor.hpp"

using namespace ashlar::gate;

namespace {

/// Writes down who is run, and gives times from a list, the last one for ever.
class Scripted final : public Side {
 public:
  Scripted(char name, std::string& log, std::vector<double> wall_ns)
      : name_(name), log_(log), wall_ns_(std::move(wall_ns)) {}
  Taken sample() override {
    log_ += name_;
    const double wall_ns = wall_ns_[std::min(next_++, wall_ns_.size() - 1)];
    return {{wall_ns, wall_ns / 2}, wall_ns > 1000};
  }

 private:
  char name_;
  std::string& log_;
  std::vector<double> wall_ns_;
  std::size_t next_ = 0;
};

class ScriptedAnchor final : public Anchor {
 public:
  explicit ScriptedAnchor(std::string& log) : log_(log) {}
  Times run() override {
    log_ += '.';
    ++runs_;
    return {100.0 + runs_, 200.0 + runs_};
  }

 private:
  std::string& log_;
  double runs_ = 0;
};

std::string order_of(int runs, bool head_first) {
  std::string log;
  Scripted base('A', log, {1});
  Scripted head('B', log, {1});
  std::string anchors;
  ScriptedAnchor anchor(anchors);
  PairData pair;
  take_group(base, head, anchor, Metric::wall_time, runs, head_first, pair);
  return log;
}

}  // namespace

TEST_CASE("runs alternate base, head, head, base; the first side is chosen") {
  CHECK(order_of(3, false) == "ABBAAB");
  CHECK(order_of(3, true) == "BAABBA");
  CHECK(order_of(4, false) == "ABBAABBA");
}

TEST_CASE("a group is the least of each side by its metric, the anchor before each run") {
  std::string log;
  Scripted base('A', log, {40, 30, 5000});
  Scripted head('B', log, {70, 90, 60});
  ScriptedAnchor anchor(log);
  PairData pair;
  take_group(base, head, anchor, Metric::wall_time, 3, false, pair);
  CHECK(log == ".A.B.B.A.A.B");
  REQUIRE(pair.groups.size() == 1);
  CHECK(pair.groups[0].base_ns == 30);
  CHECK(pair.groups[0].head_ns == 60);
  CHECK(pair.groups[0].anchor_base_ns == 101);
  CHECK(pair.groups[0].anchor_head_ns == 102);
  CHECK(pair.samples == 6);
  CHECK(pair.switched == 1);
  take_group(base, head, anchor, Metric::cpu_time, 3, false, pair);
  REQUIRE(pair.groups.size() == 2);
  CHECK(pair.groups[1].head_ns == 30);
  CHECK(pair.groups[1].anchor_base_ns == 207);
}

TEST_CASE("the anchor works the same amount every time, and as long as it was asked to") {
  WorkAnchor anchor(100'000);
  const std::int64_t steps = anchor.steps();
  CHECK(steps > 100);
  CHECK(anchor.run().cpu_ns > 0);
  CHECK(anchor.steps() == steps);
  CHECK(cpu_clock_step_ns() > 0);
}
