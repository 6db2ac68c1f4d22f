// Experiment "lattice": half sweeps over red-black blocks and over combs on lattices of up to 16.8
// million nodes, where they are bound by memory.
#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "baselines/bcd/naive_lattice_cuda.hpp"
#include "impls/bcd/lattice_cuda.hpp"
#include "impls/bcd/lattice_reference.hpp"
#include "impls/bcd/lattice_solver.hpp"
#include "impls/bcd/solve.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/numbers.hpp"

namespace ashlar::bcd::suite {

namespace {

constexpr std::int64_t kHalfSweeps = 8;
constexpr double kLabelled = 0.04;  // as in D
constexpr std::int64_t kMostRules = 512;

struct LatticeTask {
  LatticeProblem lattice;
  LatticePartition partition = LatticePartition::red_black;
};

LatticeTask make_lattice_task(const Point& point, std::uint64_t seed) {
  const auto size = static_cast<Index>(point.integer("size"));
  return {random_lattice(size, size, kLabelled, 1, seed),
          point.word("method") == "comb" ? LatticePartition::combs : LatticePartition::red_black};
}

struct LatticeValues : Numbers {
  explicit LatticeValues(const LatticeTask& task)
      : Numbers(static_cast<std::size_t>(task.lattice.nodes())) {}
};

/// From the start state; only the half sweeps are timed.
class Sweeps : public Method<LatticeTask, LatticeValues> {
 public:
  void reset(const LatticeTask& task, LatticeValues&) override {
    solver().set_values(start_state(task.lattice).values);
  }
  bool in_place() const override { return true; }
  void fetch(LatticeValues& answer) override { solver_->get_values(answer.x); }

 protected:
  LatticeSolver& solver() { return *solver_; }
  std::unique_ptr<LatticeSolver> solver_;
};

class HostSweeps final : public Sweeps {
 public:
  explicit HostSweeps(LatticeTier tier) : tier_(tier) {}
  void prepare(const LatticeTask& task, LatticeValues&) override {
    solver_ = make_lattice_solver(task.lattice, task.partition, tier_);
  }
  void execute(const LatticeTask&, LatticeValues&, Stream) override { solver_->run(kHalfSweeps); }

 private:
  LatticeTier tier_;
};

class DeviceSweeps final : public Sweeps {
 public:
  enum class Kind { naive, f64, f32 };
  explicit DeviceSweeps(Kind kind) : kind_(kind) {}

  Support supports(const LatticeTask& task) const override {
    return Support::from(kind_ == Kind::naive
                             ? baselines::naive_lattice_cuda_unsupported()
                             : lattice_cuda_unsupported(task.lattice, task.partition));
  }
  void prepare(const LatticeTask& task, LatticeValues&) override {
    auto made = kind_ == Kind::naive
                    ? baselines::make_naive_cuda_lattice(task.lattice, task.partition)
                    : make_cuda_lattice(task.lattice, task.partition,
                                        kind_ == Kind::f32 ? DeviceReal::f32 : DeviceReal::f64);
    device_ = made.get();
    solver_ = std::move(made);
  }
  void execute(const LatticeTask&, LatticeValues&, Stream stream) override {
    device_->launch(kHalfSweeps, stream);
  }

 private:
  Kind kind_;
  CudaLattice* device_ = nullptr;
};

/// The rules of a general graph: a fixed partition whose blocks are forests, and message passing.
class GeneralRules final : public Method<LatticeTask, LatticeValues> {
 public:
  Support supports(const LatticeTask& task) const override {
    return task.lattice.rows <= kMostRules
               ? Support()
               : Support::no("the general rules hold a matrix; up to 512 x 512 here");
  }
  void prepare(const LatticeTask& task, LatticeValues&) override {
    problem_ = std::make_unique<Problem>(make_lattice(labelled_nodes(task.lattice)));
    labels_ = start_state(task.lattice).values;
    Rule rule;
    rule.partition =
        task.partition == LatticePartition::combs ? Partition::trees : Partition::red_black;
    rule.selection = Selection::cyclic;
    rule.update = Update::message_passing;
    parts_ = make_parts(*problem_, rule);
  }
  bool in_place() const override { return true; }
  void reset(const LatticeTask&, LatticeValues&) override {
    parts_.objective->set_x(std::vector<double>(problem_->linear.size()));
  }
  void execute(const LatticeTask&, LatticeValues&, Stream) override {
    iterate(parts_, kHalfSweeps);
  }
  void fetch(LatticeValues& answer) override {
    answer.x = labels_;
    const auto x = parts_.objective->x();
    const auto& nodes = problem_->lattice->nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) answer.x[nodes[i]] = x[i];
  }

 private:
  std::unique_ptr<Problem> problem_;
  std::vector<double> labels_;
  Parts parts_;
};

Expected plain_half_sweeps(const LatticeTask& task) {
  LatticeState state = start_state(task.lattice);
  for (std::int64_t k = 0; k < kHalfSweeps; ++k)
    reference_half_sweep(task.lattice, task.partition, static_cast<int>(k % 2), state.values);
  return {{"x", {}, std::move(state.values)}};
}

/// Tiles of a comb on a device leave out what has faded below half a unit in the last place.
Tolerances lattice_tolerance(const Point&) { return {{"x", {.relative_l2 = 1e-6}}}; }

/// What the last half sweep minimised over has no slope left.
std::optional<std::string> last_half_is_solved(const LatticeTask& task,
                                               const std::vector<TensorView>& answer) {
  const auto* values = static_cast<const double*>(answer.front().data);
  const std::span<const double> x(values, static_cast<std::size_t>(task.lattice.nodes()));
  const double slope = residual_of(task.lattice, x, task.partition, (kHalfSweeps - 1) % 2);
  if (slope <= 1e-4) return std::nullopt;
  return fmt::format("a slope of {:.3g} is left on the half that was solved last", slope);
}

void one_half_less(const LatticeTask& task, LatticeValues& answer) {
  LatticeState state = start_state(task.lattice);
  for (std::int64_t k = 0; k + 1 < kHalfSweeps; ++k)
    reference_half_sweep(task.lattice, task.partition, static_cast<int>(k % 2), state.values);
  answer.x = std::move(state.values);
}

/// Section 6 of the fact sheet: bytes per unknown and half sweep, half of the nodes being unknowns
/// of it.
Work lattice_work(const Point& point) {
  const double nodes = point.number("size") * point.number("size");
  const bool comb = point.word("method") == "comb";
  return {kHalfSweeps * nodes / 2 * (comb ? 12 : 6), kHalfSweeps * nodes / 2 * (comb ? 57 : 25),
          "f32"};
}

auto on_host(LatticeTier tier) {
  return [tier] { return std::make_unique<HostSweeps>(tier); };
}
auto on_device(DeviceSweeps::Kind kind) {
  return [kind] { return std::make_unique<DeviceSweeps>(kind); };
}

}  // namespace

void declare_lattice(model::Suite& suite) {
  suite.experiment<LatticeTask, LatticeValues>("lattice")
      .about("Eight half sweeps over a square lattice, a twenty-fifth of it labelled")
      .axis("size", {256, 512, 1024}, "nodes")
      .in(Mode::quick, {256})
      .in(Mode::gpu, {512, 1024, 2048, 4096})
      .axis("method", {"red-black", "comb"})
      .problem(make_lattice_task)
      .work(lattice_work)
      .oracle("plain loops", plain_half_sweeps, lattice_tolerance)
      .invariant("last half solved", last_half_is_solved)
      .add(Tier::naive, "naive", [] { return std::make_unique<GeneralRules>(); },
           {.about = "the rules of a general graph"})
      .add(Tier::reference, "reference", on_host(LatticeTier::reference))
      .add(Tier::optimized, "optimized", on_host(LatticeTier::optimized))
      .add(Tier::naive, "naive-cuda", on_device(DeviceSweeps::Kind::naive),
           {.device = Device::cuda})
      .add(Tier::cuda, "cuda", on_device(DeviceSweeps::Kind::f64), {.device = Device::cuda})
      .add(Tier::cuda, "cuda-f32", on_device(DeviceSweeps::Kind::f32), {.device = Device::cuda})
      .control("one-half-less", one_half_less)
      .baselines({"reference", "naive-cuda"})
      .figure({"time", "time", "size", {"method"}, {}, "Eight half sweeps over a lattice"});
}

}  // namespace ashlar::bcd::suite
