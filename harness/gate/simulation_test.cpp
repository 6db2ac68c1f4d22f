// The whole way from runs to verdicts on simulated machines: drift, other processes, layouts of
// processes. What the gate's design promises must hold where everything is known.
#include <cmath>
#include <map>

#include <catch2/catch.hpp>

#include "harness/gate/comparison.hpp"
#include "harness/statistics/random.hpp"

using namespace ashlar;
using namespace ashlar::gate;

namespace {

/// What a machine does to a run of `true_ns`.
struct Noise {
  double jitter = 0.003;      // log-normal, of every run
  double hit_share = 0;       // of runs that another process lengthens ...
  double hit_size = 1;        // ... by up to this factor more
  double drift = 0;           // of the machine's speed, ln, from the first run to the last
  double layout = 0;          // of each process, ln, normal
  double second_process = 0;  // of the process that was started second, ln
};

class Machine {
 public:
  Machine(const Noise& noise, std::uint64_t seed) : noise_(noise), random_(seed) {}

  double uniform() { return static_cast<double>(random_.next() >> 11) * 0x1p-53; }
  double normal() {
    return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(2 * M_PI * uniform());
  }
  double run(double true_ns) {
    constexpr double kRuns = 2000;  // of a drift from one end to the other and back
    const double phase = static_cast<double>(runs_++) / kRuns;
    double ns =
        true_ns * std::exp(noise_.jitter * normal() + noise_.drift * std::sin(M_PI * phase));
    if (uniform() < noise_.hit_share) ns *= 1 + noise_.hit_size * uniform();
    return ns;
  }
  const Noise& noise() const { return noise_; }

 private:
  Noise noise_;
  statistics::SplitMix64 random_;
  std::size_t runs_ = 0;
};

class SimulatedSide final : public Side {
 public:
  SimulatedSide(Machine& machine, double true_ns) : machine_(machine), true_ns_(true_ns) {}
  Taken sample() override {
    const double ns = machine_.run(true_ns_);
    return {{ns, ns}, false};
  }

 private:
  Machine& machine_;
  double true_ns_;
};

class SimulatedAnchor final : public Anchor {
 public:
  explicit SimulatedAnchor(Machine& machine) : machine_(machine) {}
  Times run() override {
    const double ns = machine_.run(2e5);
    return {ns, ns};
  }

 private:
  Machine& machine_;
};

class SimulatedPairs final : public Pairs {
 public:
  SimulatedPairs(const Noise& noise, double change, std::uint64_t seed)
      : machine_(noise, seed), change_(change) {}

  std::vector<PairData> visit(const std::vector<std::size_t>& cases, int groups) override {
    ++visits_;
    std::vector<PairData> data(cases.size());
    const bool head_second = visits_ % 2 == 1;
    for (PairData& pair : data) {
      const auto true_ns = [&](bool head) {
        const bool second = head == head_second;
        return 1e6 * std::exp((head ? change_ : 0) + machine_.noise().layout * machine_.normal() +
                              (second ? machine_.noise().second_process : 0));
      };
      SimulatedSide base(machine_, true_ns(false));
      SimulatedSide head(machine_, true_ns(true));
      SimulatedAnchor anchor(machine_);
      for (int group = 0; group < groups; ++group)
        take_group(base, head, anchor, Metric::cpu_time, 5, machine_.uniform() < 0.5, pair);
    }
    return data;
  }
  Metric metric(std::size_t) const override { return Metric::cpu_time; }
  std::optional<std::string> unquiet() const override { return std::nullopt; }
  bool time_left() const override { return true; }
  bool stopping() const override { return false; }

 private:
  Machine machine_;
  double change_;
  int visits_ = 0;
};

std::map<Verdict, int> simulate(const Noise& noise, double change, double margin, int comparisons) {
  std::map<Verdict, int> counts;
  for (int i = 0; i < comparisons; ++i) {
    SimulatedPairs pairs(noise, change, static_cast<std::uint64_t>(i) + 1);
    Effort effort;
    effort.margin = margin;
    effort.seed = static_cast<std::uint64_t>(i);
    ++counts[compare(pairs, {"case " + std::to_string(i)}, effort).cases[0].verdict];
  }
  return counts;
}

const double kSimulated = std::log(1.05);
constexpr int kComparisons = 200;

const Noise kQuiet{};
const Noise kDrifting{.drift = 0.3};
const Noise kContended{.jitter = 0.01, .hit_share = 0.4, .hit_size = 2};
const Noise kLayouts{.layout = 0.01};
const Noise kSecond{.second_process = 0.02};

}  // namespace

TEST_CASE("no simulated machine makes the gate call equal programs slower, and most are the same") {
  for (const Noise& noise : {kQuiet, kDrifting, kContended, kLayouts, kSecond}) {
    auto counts = simulate(noise, 0, kSimulated, kComparisons);
    INFO("drift " << noise.drift << ", hits " << noise.hit_share << ", layout " << noise.layout
                  << ", second " << noise.second_process);
    CHECK(counts[Verdict::slower] == 0);
    CHECK(counts[Verdict::faster] <= 1);
    CHECK(counts[Verdict::same] >= kComparisons * 8 / 10);
  }
}

TEST_CASE("slow-downs are found: ten per cent nearly always, five mostly, at a margin of three") {
  const double margin = std::log(1.03);
  for (const Noise& noise : {kQuiet, kDrifting}) {
    CHECK(simulate(noise, std::log(1.10), margin, 50)[Verdict::slower] >= 47);
    CHECK(simulate(noise, std::log(1.05), margin, 50)[Verdict::slower] >= 40);
  }
  CHECK(simulate(kLayouts, std::log(1.10), margin, 50)[Verdict::slower] >= 40);
}

TEST_CASE("a slow-down within the margin fails nobody") {
  CHECK(simulate(kQuiet, std::log(1.03), kSimulated, 50)[Verdict::slower] == 0);
}
