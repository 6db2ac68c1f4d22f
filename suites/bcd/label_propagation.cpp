// Experiment "label-propagation": time to a relative gap of 1e-8 on graphs, against direct solvers
// and conjugate gradients. The paper compares block rules with one another alone.
#include <stdexcept>

#include "baselines/bcd/calibration.hpp"
#include "baselines/bcd/quadratic_peers.hpp"
#include "impls/bcd/data.hpp"
#include "impls/bcd/digits.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/tasks.hpp"

namespace ashlar::bcd::suite {

namespace {

using baselines::QuadraticSolver;
Problem make_graph(const std::string& data) {
  if (data == "D") return make_d();
  if (data == "E") return make_e_prime();
  if (data == "lattice-256") return make_lattice(256, 256, 256 * 256 / 25, 1);
  if (data == "digits") return make_digits(read_digits(find_digits().value()));
  throw std::invalid_argument("no graph '" + data + "'");
}

Task make_graph_task(const Point& point, std::uint64_t) {
  return make_task(make_graph(point.word("data")));
}

class PeerMethod final : public Method<Task, TaskAnswer> {
 public:
  explicit PeerMethod(QuadraticSolver solver) : solver_(solver) {}

  Support supports(const Task&) const override {
    return Support::from(baselines::unsupported(solver_));
  }
  void prepare(const Task& task, TaskAnswer& answer) override {
    peer_ = baselines::make_quadratic_peer(solver_, *task.problem);
    if (!baselines::is_iterative(solver_)) return;
    const auto objective = make_reference_objective(*task.problem);
    tolerance_ = baselines::loosest_tolerance(
                     [&](double tolerance) {
                       peer_->solve(answer.x, tolerance);
                       objective->set_x(answer.x);
                       return objective->gap(task.optimum);
                     },
                     task.gap())
                     .tolerance;
  }
  void execute(const Task&, TaskAnswer& answer, Stream) override {
    outcome_ = peer_->solve(answer.x, tolerance_);
  }
  Outcome outcome() const override {
    Outcome outcome;
    outcome.counters["iterations"] = static_cast<double>(outcome_.iterations);
    outcome.counters["factor_entries"] = static_cast<double>(outcome_.factor_entries);
    return outcome;
  }

 private:
  QuadraticSolver solver_;
  std::unique_ptr<baselines::QuadraticPeer> peer_;
  double tolerance_ = 0;
  baselines::QuadraticOutcome outcome_;
};

auto peer(QuadraticSolver solver) {
  return [solver] { return std::make_unique<PeerMethod>(solver); };
}

auto blocks(Partition partition, Selection selection) {
  Rule rule;
  rule.partition = partition;
  rule.selection = selection;
  rule.update = Update::message_passing;
  return [rule] { return make_rule_method(rule); };
}

void labels_forgotten(const Task& task, TaskAnswer& answer) {
  for (std::size_t i = 0; i < answer.x.size(); ++i)
    answer.x[i] = task.problem->linear[i] == 0 ? 0 : task.optimum.x[i];
}

/// One look at the matrix and four vectors.
model::Work one_product(const Point& point) {
  const std::string& data = point.word("data");
  const double size = data == "lattice-256" ? 62915 : data == "D" ? 2400 : 1800;
  const double entries = size * (data == "D" || data == "lattice-256" ? 5 : 8);
  return {2 * entries, 12 * entries + 32 * size, "f32"};
}

std::vector<std::string> graph_worker(const char* name) {
  return {"python3", "baselines/bcd/lattice_peers.py", name};
}

}  // namespace

void declare_label_propagation(model::Suite& suite) {
  suite.experiment<Task, TaskAnswer>("label-propagation")
      .about("Quadratics on graphs to a relative gap of 1e-8, from a cold start")
      .axis("data", {"D", "E", "digits", "lattice-256"})
      .in(Mode::quick, {"D"})
      .keep([](const Point& point, Mode) {
        return point.word("data") != "digits" || find_digits().has_value();
      })
      .problem(make_graph_task)
      .inputs(task_inputs)
      .work(one_product)
      .oracle("a sparse factorisation with refinement", task_optimum, task_tolerance)
      .invariant("gap", gap_reached)
      .add(Tier::optimized, "greedy-tree", blocks(Partition::variable, Selection::greedy_tree))
      .add(Tier::optimized, "tree-partitions", blocks(Partition::trees, Selection::cyclic))
      .add(Tier::optimized, "red-black", blocks(Partition::red_black, Selection::cyclic))
      .add(Tier::peer, "eigen-ldlt", peer(QuadraticSolver::eigen_ldlt))
      .add(Tier::peer, "cholmod", peer(QuadraticSolver::cholmod_simplicial))
      .add(Tier::peer, "cholmod-supernodal", peer(QuadraticSolver::cholmod_supernodal))
      .add(Tier::peer, "cg", peer(QuadraticSolver::eigen_cg_jacobi),
           {.about = "conjugate gradients, preconditioned by the diagonal"})
      .add(Tier::peer, "cg-cholesky", peer(QuadraticSolver::eigen_cg_cholesky),
           {.about = "conjugate gradients, preconditioned by an incomplete Cholesky factorisation"})
      .external(Tier::peer, "petsc-gamg", graph_worker("petsc-gamg"), {.slow_start = true})
      .external(Tier::peer, "petsc-sor", graph_worker("petsc-sor"), {.slow_start = true})
      .external(Tier::peer, "pyamg", graph_worker("pyamg"), {.slow_start = true})
      .control("labels-forgotten", labels_forgotten)
      .baselines({"eigen-ldlt"})
      .figure({"time", "time", "data", {}, {}, "Time to a relative gap of 1e-8 on graphs"});
}

}  // namespace ashlar::bcd::suite
