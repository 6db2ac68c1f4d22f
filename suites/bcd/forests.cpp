// Experiment "forest-solve": what an exact solve of a forest block costs by its size. The paper
// claims O(|b|) against O(|b|^3) and times neither.
#include <algorithm>
#include <cmath>
#include <utility>

#include "baselines/bcd/dense.hpp"
#include "baselines/bcd/quadratic_peers.hpp"
#include "impls/bcd/cuda_forest.hpp"
#include "impls/bcd/forest.hpp"
#include "impls/core/random.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/numbers.hpp"

namespace ashlar::bcd::suite {

namespace {

constexpr Index kNear = 16;
constexpr std::int64_t kMostDense = 2048;

/// A tree whose nodes hang on one of the sixteen before: branches, and memory that is near, as in a
/// lattice.
struct ForestProblem {
  Problem problem;             // M and the right side
  std::vector<Index> parents;  // -1 for node 0

  const SymmetricMatrix& matrix() const { return *problem.matrix; }
  const std::vector<double>& rhs() const { return problem.linear; }
};

double drawn(std::uint64_t seed, std::uint32_t stream, std::uint64_t i) {
  return core::random_element(core::Distribution::normal, seed, stream, i);
}

ForestProblem make_forest_problem(const Point& point, std::uint64_t seed) {
  const auto nodes = static_cast<Index>(point.integer("nodes"));
  ForestProblem problem;
  problem.parents.assign(static_cast<std::size_t>(nodes), -1);
  SymmetricMatrix matrix;
  std::vector<std::vector<std::pair<Index, double>>> edges(static_cast<std::size_t>(nodes));
  for (Index i = 1; i < nodes; ++i) {
    const double share =
        core::random_element(core::Distribution::uniform, seed, 0, static_cast<std::uint64_t>(i));
    const Index reach = std::min(i, kNear);
    const Index parent = i - 1 - static_cast<Index>(share * reach);
    problem.parents[i] = parent;
    const double weight = drawn(seed, 1, static_cast<std::uint64_t>(i));
    edges[i].emplace_back(parent, weight);
    edges[parent].emplace_back(i, weight);
  }
  matrix.rest.starts.push_back(0);
  for (Index i = 0; i < nodes; ++i) {
    double sum = 0.1;
    std::sort(edges[i].begin(), edges[i].end());
    for (const auto& [other, weight] : edges[i]) {
      matrix.rest.indices.push_back(other);
      matrix.rest.values.push_back(weight);
      sum += std::abs(weight);
    }
    matrix.rest.starts.push_back(static_cast<std::int64_t>(matrix.rest.indices.size()));
    matrix.diagonal.push_back(sum);
    problem.problem.linear.push_back(drawn(seed, 2, static_cast<std::uint64_t>(i)));
  }
  problem.problem.loss = Loss::quadratic;
  problem.problem.matrix = std::make_shared<const SymmetricMatrix>(std::move(matrix));
  return problem;
}

struct Solution : Numbers {
  explicit Solution(const ForestProblem& problem) : Numbers(problem.rhs().size()) {}
};

/// Elimination in long double along the tree as it was drawn: parents come before their children.
Expected eliminate(const ForestProblem& problem) {
  const auto nodes = static_cast<Index>(problem.parents.size());
  std::vector<long double> pivots(problem.matrix().diagonal.begin(),
                                  problem.matrix().diagonal.end());
  std::vector<long double> x(problem.rhs().begin(), problem.rhs().end());
  const auto edge = [&](Index i) {
    const auto indices = problem.matrix().rest.indices_of(i);
    const auto at = std::find(indices.begin(), indices.end(), problem.parents[i]);
    return static_cast<long double>(problem.matrix().rest.values_of(i)[at - indices.begin()]);
  };
  for (Index i = nodes - 1; i > 0; --i) {
    const long double share = edge(i) / pivots[i];
    pivots[problem.parents[i]] -= share * edge(i);
    x[problem.parents[i]] -= share * x[i];
  }
  x[0] /= pivots[0];
  for (Index i = 1; i < nodes; ++i) x[i] = (x[i] - edge(i) * x[problem.parents[i]]) / pivots[i];
  return {{"x", {}, {x.begin(), x.end()}}};
}

Tolerances forest_tolerance(const Point&) { return {{"x", {.relative_l2 = 1e-12}}}; }

/// Finds the order and solves: nothing of the block is known beforehand, as in a greedy forest.
class MessagePassing final : public Method<ForestProblem, Solution> {
 public:
  void prepare(const ForestProblem& problem, Solution&) override {
    finder_ = std::make_unique<ForestFinder>(problem.matrix());
    block_ = all_of(problem.matrix().size());
  }
  void execute(const ForestProblem& problem, Solution& answer, Stream) override {
    finder_->find(block_, order_);
    std::copy(problem.rhs().begin(), problem.rhs().end(), answer.x.begin());
    solve(order_, answer.x, scratch_);
  }

 private:
  std::unique_ptr<ForestFinder> finder_;
  std::vector<Index> block_;
  ForestOrder order_;
  std::vector<double> scratch_;
};

/// The order was found before: a block of a fixed partition.
class KnownOrder final : public Method<ForestProblem, Solution> {
 public:
  void prepare(const ForestProblem& problem, Solution&) override {
    ForestFinder(problem.matrix()).find(all_of(problem.matrix().size()), order_);
  }
  void execute(const ForestProblem& problem, Solution& answer, Stream) override {
    std::copy(problem.rhs().begin(), problem.rhs().end(), answer.x.begin());
    solve(order_, answer.x, scratch_);
  }

 private:
  ForestOrder order_;
  std::vector<double> scratch_;
};

/// As KnownOrder, with the order contracted to rounds; right side and answer are on the device.
class DeviceRounds final : public Method<ForestProblem, Solution> {
 public:
  Support supports(const ForestProblem&) const override {
    return Support::from(cuda_forest_unsupported());
  }
  void prepare(const ForestProblem& problem, Solution&) override {
    ForestOrder order;
    ForestFinder(problem.matrix()).find(all_of(problem.matrix().size()), order);
    forest_ = std::make_unique<CudaForest>(order);
    const std::size_t bytes = problem.rhs().size() * sizeof(double);
    right_ = core::cuda::DeviceBuffer(bytes);
    right_.copy_in(problem.rhs().data(), bytes);
    x_ = core::cuda::DeviceBuffer(bytes);
  }
  void execute(const ForestProblem&, Solution&, Stream stream) override {
    forest_->launch(static_cast<const double*>(right_.data()), static_cast<double*>(x_.data()), 1,
                    stream);
  }
  void poison() override { x_.fill(0xff); }
  void fetch(Solution& answer) override { x_.copy_out(answer.x.data(), x_.bytes()); }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.counters["rounds"] = forest_->rounds();
    return outcome;
  }

 private:
  std::unique_ptr<CudaForest> forest_;
  core::cuda::DeviceBuffer right_, x_;
};

class DenseCholesky final : public Method<ForestProblem, Solution> {
 public:
  Support supports(const ForestProblem& problem) const override {
    return problem.rhs().size() <= kMostDense
               ? Support()
               : Support::no("a dense factorisation of more than 2048 nodes takes seconds");
  }
  void execute(const ForestProblem& problem, Solution& answer, Stream) override {
    baselines::solve_dense(problem.matrix(), problem.rhs(), answer.x);
  }
};

/// Ordering, analysis, factorisation and solution.
class SparseCholesky final : public Method<ForestProblem, Solution> {
 public:
  void prepare(const ForestProblem& problem, Solution&) override {
    peer_ = baselines::make_quadratic_peer(baselines::QuadraticSolver::eigen_ldlt, problem.problem);
  }
  void execute(const ForestProblem&, Solution& answer, Stream) override {
    peer_->solve(answer.x, 0);
  }

 private:
  std::unique_ptr<baselines::QuadraticPeer> peer_;
};

void last_edge_forgotten(const ForestProblem& problem, Solution& answer) {
  const auto last = static_cast<Index>(problem.parents.size()) - 1;
  const Index parent = problem.parents[last];
  SymmetricMatrix matrix = problem.matrix();
  const auto indices = matrix.rest.indices_of(parent);
  const auto at = std::find(indices.begin(), indices.end(), last) - indices.begin();
  matrix.rest.values[matrix.rest.starts[parent] + at] = 0;
  matrix.rest.values[matrix.rest.starts[last]] = 0;
  ForestProblem other = problem;
  other.problem.matrix = std::make_shared<const SymmetricMatrix>(std::move(matrix));
  MessagePassing method;
  method.prepare(other, answer);
  method.execute(other, answer, nullptr);
}

/// Three operations per edge up and three down; reads the edges and the diagonal, and the right
/// side and the pivots twice.
Work forest_work(const Point& point) {
  const double nodes = point.number("nodes");
  return {6 * nodes, nodes * (2 * 12 + 8 + 4 * 8), "f32"};
}

}  // namespace

void declare_forests(model::Suite& suite) {
  suite.experiment<ForestProblem, Solution>("forest-solve")
      .about("An exact solve of a block that induces a tree")
      .axis("nodes", {256, 512, 1024, 2048, 16384, 131072, 1048576}, "nodes")
      .in(Mode::quick, {256, 512, 1024})
      .in(Mode::gpu, {1024, 16384, 131072, 1048576, 4194304})
      .problem(make_forest_problem)
      .work(forest_work)
      .oracle("elimination in long double", eliminate, forest_tolerance)
      .add(Tier::naive, "dense-cholesky", [] { return std::make_unique<DenseCholesky>(); })
      .add(Tier::peer, "sparse-cholesky", [] { return std::make_unique<SparseCholesky>(); },
           {.about = "Eigen's SimplicialLDLT with its own order"})
      .add(Tier::reference, "message-passing", [] { return std::make_unique<MessagePassing>(); },
           {.about = "finds the order of elimination each time"})
      .add(Tier::optimized, "known-order", [] { return std::make_unique<KnownOrder>(); },
           {.about = "the order of elimination is that of a fixed block"})
      .add(Tier::cuda, "cuda", [] { return std::make_unique<DeviceRounds>(); },
           {.about = "rounds of tree contraction, those of a fixed block", .device = Device::cuda})
      .control("last-edge-forgotten", last_edge_forgotten)
      .baselines({"dense-cholesky"})
      .figure({"time", "time", "nodes", {}, {}, "Exact solve of a forest block"});
}

}  // namespace ashlar::bcd::suite
