// Experiments "iteration" and "gradient": what an iteration costs in each tier. The paper counts
// iterations alone.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "baselines/bcd/naive.hpp"
#include "baselines/bcd/naive_cuda.hpp"
#include "impls/bcd/optimized.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/numbers.hpp"
#include "suites/bcd/oracle.hpp"
#include "suites/bcd/problem.hpp"
#include "suites/bcd/ten_iterations.hpp"

namespace ashlar::bcd::suite {

namespace {

struct NamedChoice {
  const char* name;
  Partition partition;
  Selection selection;
  Update update;
};
constexpr NamedChoice kChoices[] = {
    {"gs-vb-lb", Partition::variable, Selection::gs, Update::lipschitz_block},
    {"gs-fb-lb", Partition::sort, Selection::gs, Update::lipschitz_block},
    {"gsd-vb-hb", Partition::variable, Selection::gsd, Update::matrix},
    {"cyclic-fb-lb", Partition::sort, Selection::cyclic, Update::lipschitz_block},
};

IterationProblem make_iteration_problem(const Point& point, std::uint64_t seed) {
  IterationProblem problem{make_rule_problem(point, seed), {}};
  const std::string& name = point.word("rule");
  const auto* choice = std::find_if(std::begin(kChoices), std::end(kChoices),
                                    [&](const NamedChoice& one) { return name == one.name; });
  if (choice == std::end(kChoices)) throw std::invalid_argument("no rule '" + name + "'");
  problem.rule.partition = choice->partition;
  problem.rule.selection = choice->selection;
  problem.rule.update = choice->update;
  problem.rule.block_size = problem.at.block_size;
  problem.rule.seed = seed;
  return problem;
}

Parts naive_parts(const IterationProblem& problem) {
  return make_parts(baselines::make_naive_objective(problem.at.data->problem), problem.rule);
}
Parts naive_cuda_parts(const IterationProblem& problem) {
  return make_parts(baselines::make_naive_cuda_objective(problem.at.data->problem), problem.rule);
}
auto iterations_by(MakeParts make, WhyNot why_not = nullptr) {
  return [=] { return make_iterations(make, why_not); };
}

/// Of the selection's gradient alone: at least one pass per iteration in rules that look at all of
/// it.
Work iteration_work(const Point& point) {
  constexpr double kEntries = 691366;          // of A and B
  constexpr double kEntriesOfC = 69000;        // times 50 classes
  constexpr double kEntriesOfD = 9408 + 2400;  // edges, both ways, and the diagonal
  const std::string& data = point.word("data");
  const double entries = data == "C" ? kEntriesOfC : data == "D" ? kEntriesOfD : kEntries;
  return {kIterations * 2 * entries * (data == "C" ? 50 : 1), kIterations * 12 * entries, "f32"};
}

// ---- One gradient

struct GradientProblem {
  std::shared_ptr<const DataSet> data;
  std::vector<double> x;
};

GradientProblem make_gradient_problem(const Point& point, std::uint64_t seed) {
  GradientProblem problem;
  problem.data = data_set(point.word("data"), seed);
  problem.x.resize(static_cast<std::size_t>(problem.data->problem.size()));
  for (std::size_t i = 0; i < problem.x.size(); ++i)
    problem.x[i] = 1e-2 * core::random_element(core::Distribution::normal, seed, 0, i);
  return problem;
}

struct Gradient {
  explicit Gradient(const GradientProblem& problem) : g(problem.x.size()) {}
  std::vector<TensorView> tensors() {
    return {{"g", model::ElementType::f64, {static_cast<std::int64_t>(g.size())}, g.data()}};
  }
  std::vector<double> g;
};

using MakeObjective = std::unique_ptr<Objective> (*)(const GradientProblem&);

/// The gradient at another x than before: what was kept of the last one does not help.
class FullGradient final : public Method<GradientProblem, Gradient> {
 public:
  FullGradient(MakeObjective make, bool shares_matrix)
      : make_(make), shares_matrix_(shares_matrix) {}
  void prepare(const GradientProblem& problem, Gradient&) override {
    objective_ = make_(problem);
    if (shares_matrix_) before_ = make_(problem);
  }
  bool in_place() const override { return true; }
  void reset(const GradientProblem& problem, Gradient&) override {
    objective_->set_x(problem.x);
    if (!before_) return;
    before_->set_x(problem.x);
    before_->gradient();
  }
  void execute(const GradientProblem&, Gradient& answer, Stream) override {
    const auto g = objective_->gradient();
    std::copy(g.begin(), g.end(), answer.g.begin());
  }

 private:
  MakeObjective make_;
  bool shares_matrix_;
  std::unique_ptr<Objective> objective_;
  /// Makes a gradient just before, from the same matrix. In a run its last reader was the gradient
  /// of the iteration before, where set_x() reads all of it by rows, which are other memory. Not
  /// for an objective that has a matrix of its own and reads it when asked for the gradient.
  std::unique_ptr<Objective> before_;
};

auto gradient_by(MakeObjective make, bool shares_matrix = true) {
  return [=] { return std::make_unique<FullGradient>(make, shares_matrix); };
}

Expected expected_gradient(const GradientProblem& problem) {
  return {{"g", {}, gradient_in_long_double(problem.data->problem, problem.x)}};
}

/// Sums of n rounded products, relative to the gradient as a whole.
Tolerances gradient_tolerance(const Point&) { return {{"g", {.relative_l2 = 1e-13}}}; }

void last_coordinate_forgotten(const GradientProblem& problem, Gradient& answer) {
  std::vector<double> x = problem.x;
  x.back() = 0;
  answer.g = gradient_in_long_double(problem.data->problem, x);
}

Work gradient_work(const Point& point) {
  const Work ten = iteration_work(point);
  return {ten.flops / kIterations, ten.bytes / kIterations, ten.precision};
}

std::unique_ptr<Objective> naive_objective(const GradientProblem& problem) {
  return baselines::make_naive_objective(problem.data->problem);
}
std::unique_ptr<Objective> reference_objective(const GradientProblem& problem) {
  return make_reference_objective(problem.data->problem);
}
std::unique_ptr<Objective> optimized_objective(const GradientProblem& problem) {
  return make_optimized_objective(problem.data->problem, {.threads = core::thread_count(),
                                                          .constants = problem.data->constants});
}

void declare_iteration(model::Suite& suite) {
  suite.experiment<IterationProblem, Iterate>("iteration")
      .about("Ten iterations of one rule from x = 0")
      .axis("data", {"A", "B", "C"})  // on D scores tie but for rounding, and iterates part ways
      .in(Mode::quick, {"B"})
      .in(Mode::gpu, {"B"})
      .axis("block", {5, 50, 100}, "coordinates")
      .in(Mode::quick, {50})
      .in(Mode::gpu, {50})
      .axis("rule", {"gs-vb-lb", "gs-fb-lb", "gsd-vb-hb", "cyclic-fb-lb"})
      .in(Mode::quick, {"gs-vb-lb"})
      .problem(make_iteration_problem)
      .work(iteration_work)
      .oracle("the reference's iterate", reference_iterate, iterate_tolerance)
      .add(Tier::naive, "naive", iterations_by(naive_parts),
           {.about = "dense algebra, everything anew, as the published code"})
      .add(Tier::reference, "reference", iterations_by(reference_parts))
      .add(Tier::optimized, "optimized", iterations_by(optimized_parts))
      .add(Tier::naive, "naive-cuda",
           iterations_by(naive_cuda_parts, baselines::naive_cuda_unsupported),
           {.about = "dense algebra by plain kernels, blocks picked by the host",
            .device = Device::cuda,
            .syncs_internally = true})
      .add(Tier::cuda, "cuda-batch", make_device_iterations,
           {.about = "a batch of one run", .device = Device::cuda})
      .control("one-iteration-less", stops_early)
      .control("another-selection", another_selection)
      .baselines({"naive", "reference"})
      .figure({"time", "time", "block", {"data", "rule"}, {}, "Ten iterations"})
      .figure({"speedup", "speedup", "block", {"data", "rule"}, {"naive"}, "Ten iterations"});
}

void declare_gradient(model::Suite& suite) {
  suite.experiment<GradientProblem, Gradient>("gradient")
      .about("One full gradient at a new x")
      .axis("data", {"A", "B", "C", "D"})
      .in(Mode::quick, {"B"})
      .problem(make_gradient_problem)
      .work(gradient_work)
      .oracle("long double", expected_gradient, gradient_tolerance)
      .add(Tier::naive, "naive", gradient_by(naive_objective, false))
      .add(Tier::reference, "reference", gradient_by(reference_objective))
      .add(Tier::optimized, "optimized", gradient_by(optimized_objective))
      .control("last-coordinate-forgotten", last_coordinate_forgotten)
      .baselines({"naive"});
}

}  // namespace

void declare_iterations(model::Suite& suite) {
  declare_iteration(suite);
  declare_gradient(suite);
}

}  // namespace ashlar::bcd::suite
