// Experiment "forest-sweep": one exact minimisation over every block of a partition of a graph into
// forests, on graphs like E' of up to a million points. The paper's figure 6 has its iterations,
// and no times.
#include <algorithm>
#include <utility>

#include "baselines/bcd/factor_sweeps.hpp"
#include "impls/bcd/cuda_forest.hpp"
#include "impls/bcd/data.hpp"
#include "impls/bcd/forest_sweeps.hpp"
#include "impls/bcd/optimized.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/numbers.hpp"

namespace ashlar::bcd::suite {

namespace {

constexpr std::size_t kMostInDenseBlock = 2048;

struct SweepTask {
  Problem problem;
  Blocks blocks;              // all unknowns, in the order of the sweep
  std::vector<double> start;  // x before it

  std::int64_t block_count() const { return static_cast<std::int64_t>(blocks.size()); }
};

/// Cyclic message passing over a partition into trees, nodes by L_i descending.
Rule sweep_rule() {
  Rule rule;
  rule.partition = Partition::trees;
  rule.selection = Selection::cyclic;
  rule.update = Update::message_passing;
  return rule;
}

SweepTask make_sweep_task(const Point& point, std::uint64_t seed) {
  SweepTask task;
  task.problem =
      make_moons(static_cast<std::uint32_t>(seed), static_cast<Index>(point.integer("nodes") / 2));
  task.blocks = make_blocks(sweep_rule(), *make_reference_objective(task.problem));
  const auto size = static_cast<std::uint64_t>(task.problem.size());
  for (std::uint64_t i = 0; i < size; ++i)
    task.start.push_back(core::random_element(core::Distribution::normal, seed, 0, i));
  return task;
}

struct Swept : Numbers {
  explicit Swept(const SweepTask& task) : Numbers(task.start.size()) {}
};

/// All in place: only the sweep is timed.
class Sweep : public Method<SweepTask, Swept> {
 public:
  void prepare(const SweepTask& task, Swept&) override {
    blocks_ = static_cast<double>(task.blocks.size());
    make(task);
  }
  bool in_place() const override { return true; }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.counters["blocks"] = blocks_;
    return outcome;
  }

 protected:
  virtual void make(const SweepTask& task) = 0;

 private:
  double blocks_ = 0;
};

class RuleSweep final : public Sweep {
 public:
  explicit RuleSweep(bool keeps_gradient) : keeps_gradient_(keeps_gradient) {}

  void reset(const SweepTask& task, Swept&) override { parts_.objective->set_x(task.start); }
  void execute(const SweepTask& task, Swept&, Stream) override {
    iterate(parts_, task.block_count());
  }
  void fetch(Swept& answer) override {
    const auto x = parts_.objective->x();
    std::copy(x.begin(), x.end(), answer.x.begin());
  }

 private:
  void make(const SweepTask& task) override {
    parts_ = keeps_gradient_ ? make_optimized_parts(task.problem, sweep_rule())
                             : make_parts(task.problem, sweep_rule());
  }

  bool keeps_gradient_;
  Parts parts_;
};

class HostForestSweep final : public Sweep {
 public:
  void reset(const SweepTask& task, Swept&) override { sweeps_->set_x(task.start); }
  void execute(const SweepTask& task, Swept&, Stream) override { sweeps_->run(task.block_count()); }
  void fetch(Swept& answer) override { sweeps_->get_x(answer.x); }

 private:
  void make(const SweepTask& task) override {
    sweeps_ = std::make_unique<ForestSweeps>(task.problem, task.blocks, core::thread_count());
  }

  std::unique_ptr<ForestSweeps> sweeps_;
};

class DeviceForestSweep final : public Sweep {
 public:
  Support supports(const SweepTask&) const override {
    return Support::from(cuda_forest_unsupported());
  }
  void reset(const SweepTask& task, Swept&) override { sweeps_->set_x(task.start); }
  void execute(const SweepTask& task, Swept&, Stream stream) override {
    sweeps_->launch(task.block_count(), stream);
  }
  void fetch(Swept& answer) override { sweeps_->get_x(answer.x); }

 private:
  void make(const SweepTask& task) override {
    sweeps_ = std::make_unique<CudaForestSweeps>(task.problem, task.blocks);
  }

  std::unique_ptr<CudaForestSweeps> sweeps_;
};

/// Each block's system factorised anew when the sweep comes to it.
class FactorSweep final : public Sweep {
 public:
  explicit FactorSweep(baselines::BlockFactor factor) : factor_(factor) {}

  Support supports(const SweepTask& task) const override {
    const bool small = std::all_of(task.blocks.begin(), task.blocks.end(), [](const auto& block) {
      return block.size() <= kMostInDenseBlock;
    });
    return small || factor_ != baselines::BlockFactor::dense
               ? Support()
               : Support::no("a dense factorisation of more than 2048 nodes takes seconds");
  }
  void reset(const SweepTask& task, Swept& answer) override { answer.x = task.start; }
  void execute(const SweepTask&, Swept& answer, Stream) override { sweeps_->sweep(answer.x); }

 private:
  void make(const SweepTask& task) override {
    sweeps_ = std::make_unique<baselines::FactorSweeps>(task.problem, task.blocks, factor_);
  }

  baselines::BlockFactor factor_;
  std::unique_ptr<baselines::FactorSweeps> sweeps_;
};

/// M_bb x_b = c_b - M_{b,rest} x_rest by elimination along trees that a walk from any node finds.
void eliminate_block(const SymmetricMatrix& matrix, std::span<const double> linear, Block block,
                     std::vector<Index>& owner, std::vector<long double>& x) {
  // In the order of the walk: a parent's place in it, and the edge to it.
  struct Met {
    Index node;
    Index parent;
    long double edge;
    long double pivot;
    long double right;
  };
  constexpr Index kOutside = -1, kNotMet = -2;
  for (const Index node : block) owner[node] = kNotMet;
  std::vector<Met> met;
  for (const Index root : block) {
    if (owner[root] != kNotMet) continue;
    auto next = met.size();
    owner[root] = static_cast<Index>(next);
    met.push_back({root, -1, 0, 0, 0});
    for (; next < met.size(); ++next) {
      const Index node = met[next].node;
      long double right = linear[node];
      const auto indices = matrix.rest.indices_of(node);
      const auto values = matrix.rest.values_of(node);
      for (std::size_t e = 0; e < indices.size(); ++e) {
        const Index other = indices[e];
        if (owner[other] == kOutside) {
          right -= values[e] * x[other];
        } else if (owner[other] == kNotMet) {
          owner[other] = static_cast<Index>(met.size());
          met.push_back({other, static_cast<Index>(next), values[e], 0, 0});
        }
      }
      met[next].pivot = matrix.diagonal[node];
      met[next].right = right;
    }
  }
  for (std::size_t i = met.size(); i-- > 0;) {
    if (met[i].parent < 0) continue;
    Met& parent = met[static_cast<std::size_t>(met[i].parent)];
    const long double share = met[i].edge / met[i].pivot;
    parent.pivot -= share * met[i].edge;
    parent.right -= share * met[i].right;
  }
  for (const Met& one : met) {
    const long double above =
        one.parent < 0 ? 0 : one.edge * x[met[static_cast<std::size_t>(one.parent)].node];
    x[one.node] = (one.right - above) / one.pivot;
  }
  for (const Index node : block) owner[node] = kOutside;
}

Expected eliminate_in_turn(const SweepTask& task) {
  std::vector<long double> x(task.start.begin(), task.start.end());
  std::vector<Index> owner(task.start.size(), -1);
  for (const std::vector<Index>& block : task.blocks)
    eliminate_block(*task.problem.matrix, task.problem.linear, block, owner, x);
  return {{"x", {}, {x.begin(), x.end()}}};
}

Tolerances sweep_tolerance(const Point&) { return {{"x", {.relative_l2 = 1e-12}}}; }

void reference_blocks(const Problem& problem, const SweepTask& task, std::int64_t blocks,
                      Swept& answer) {
  Parts parts = make_parts(problem, sweep_rule());
  parts.objective->set_x(task.start);
  iterate(parts, blocks);
  const auto x = parts.objective->x();
  std::copy(x.begin(), x.end(), answer.x.begin());
}

void last_block_forgotten(const SweepTask& task, Swept& answer) {
  reference_blocks(task.problem, task, task.block_count() - 1, answer);
}

/// The first edge between two nodes of the first block: M_ij and M_ji are 0.
void edge_forgotten(const SweepTask& task, Swept& answer) {
  SymmetricMatrix matrix = *task.problem.matrix;
  const std::vector<Index>& block = task.blocks.front();
  const auto entry_at = [&](Index line, Index other) {
    const auto indices = matrix.rest.indices_of(line);
    const auto at = std::find(indices.begin(), indices.end(), other) - indices.begin();
    return matrix.rest.starts[line] + at;
  };
  const auto forget_one = [&] {
    for (const Index node : block) {
      for (const Index other : matrix.rest.indices_of(node)) {
        if (!std::binary_search(block.begin(), block.end(), other)) continue;
        matrix.rest.values[entry_at(node, other)] = 0;
        matrix.rest.values[entry_at(other, node)] = 0;
        return;
      }
    }
  };
  forget_one();
  Problem problem = task.problem;
  problem.matrix = std::make_shared<const SymmetricMatrix>(std::move(matrix));
  reference_blocks(problem, task, task.block_count(), answer);
}

/// Entries and edges per node as 131072 points have them. A sweep reads the rows outside of their
/// blocks once; the edges inside, a parent's place and a share, up and down; the right side and the
/// pivot once; and it writes and reads what is sent up, and x.
Work sweep_work(const Point& point) {
  constexpr double kUnknown = 0.95, kOutsideEntries = 4.15, kEdgesInside = 0.76;
  const double nodes = kUnknown * point.number("nodes");
  return {nodes * (2 * kOutsideEntries + 6 * kEdgesInside),
          nodes * (12 * kOutsideEntries + 2 * 12 * kEdgesInside + 2 * 8 + 4 * 8), "f32"};
}

template <class Made>
auto sweep(auto... options) {
  return [=] { return std::make_unique<Made>(options...); };
}

}  // namespace

void declare_forest_sweep(model::Suite& suite) {
  suite.experiment<SweepTask, Swept>("forest-sweep")
      .about("One exact update of every block of a partition of two moons' neighbours into forests")
      .axis("nodes", {2048, 16384, 131072}, "nodes")
      .in(Mode::quick, {256})
      .in(Mode::gpu, {16384, 131072, 1048576})
      .problem(make_sweep_task)
      .work(sweep_work)
      .oracle("elimination in long double, block after block", eliminate_in_turn, sweep_tolerance)
      .add(Tier::naive, "dense-cholesky", sweep<FactorSweep>(baselines::BlockFactor::dense),
           {.about = "a dense factorisation of every block"})
      .add(Tier::peer, "sparse-cholesky", sweep<FactorSweep>(baselines::BlockFactor::eigen_ldlt),
           {.about = "Eigen's SimplicialLDLT of every block"})
      .add(Tier::reference, "reference", sweep<RuleSweep>(false))
      .add(Tier::optimized, "kept-gradient", sweep<RuleSweep>(true),
           {.about = "the optimized tier's objective under the same rules"})
      .add(Tier::optimized, "optimized", sweep<HostForestSweep>(),
           {.about = "rows in the order of elimination"})
      .add(Tier::cuda, "cuda", sweep<DeviceForestSweep>(),
           {.about = "rounds of tree contraction, one launch", .device = Device::cuda})
      .control("last-block-forgotten", last_block_forgotten)
      .control("edge-forgotten", edge_forgotten)
      .baselines({"reference"})
      .figure({"time", "time", "nodes", {}, {}, "A sweep over the forests of a graph"});
}

}  // namespace ashlar::bcd::suite
