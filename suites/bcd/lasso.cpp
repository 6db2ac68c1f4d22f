// Experiment "lasso": time to a relative gap of 1e-8 on the paper's penalised least squares with
// x >= 0, against what a user would pick. Experiment "own-data-lasso": the same on a user's data.
#include <algorithm>

#include "baselines/bcd/fista.hpp"
#include "impls/bcd/data.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/own_file.hpp"
#include "suites/bcd/tasks.hpp"

namespace ashlar::bcd::suite {

namespace {

Task make_lasso_task(const Point& point, std::uint64_t) {
  return make_task(make_a_prime(1, {.lambda = point.number("lambda"), .nonnegative = true}));
}

/// As many iterations as the gap takes, found beforehand.
class FistaMethod final : public CountedMethod {
 public:
  void prepare(const Task& task, TaskAnswer& answer) override {
    baselines::Fista fista(*task.problem);
    const double enough = task.optimum.value + task.gap();
    bool reached = false;
    iterations_ = fista
                      .solve(answer.x, kMostIterations,
                             [&](std::int64_t, std::span<const double>, double value) {
                               return reached = value <= enough;
                             })
                      .iterations;
    if (!reached) throw std::runtime_error(gap_not_reached(task));
  }
  void execute(const Task& task, TaskAnswer& answer, Stream) override {
    baselines::Fista(*task.problem).solve(answer.x, iterations_);
  }
};

Rule l1_rule(Partition partition, Update update) {
  Rule rule;
  rule.partition = partition;
  rule.selection = Selection::gsq_nonnegative;
  rule.update = update;
  rule.block_size = 50;
  return rule;
}

auto rule_method(Partition partition, Update update) {
  return [rule = l1_rule(partition, update)] { return make_rule_method(rule); };
}

/// A tenth of the way is missing.
void stops_short(const Task& task, TaskAnswer& answer) {
  for (std::size_t i = 0; i < answer.x.size(); ++i) answer.x[i] = 0.9 * task.optimum.x[i];
}

std::vector<std::string> worker(const char* peer) {
  return {"python3", "baselines/bcd/lasso_peers.py", peer};
}

/// Methods, peers and control: of the paper's data and of a user's.
void add_lasso_methods(model::ExperimentBuilder<Task, TaskAnswer>& lasso,
                       const model::ImplementationOptions& of_peers) {
  lasso
      .add(Tier::naive, "fista", [] { return std::make_unique<FistaMethod>(); },
           {.about = "accelerated proximal gradient with restart"})
      .add(Tier::optimized, "pn-vb", rule_method(Partition::variable, Update::projected_newton),
           {.about = "variable blocks of 50, exact minimisers of the block"})
      .add(Tier::optimized, "tmp-vb", rule_method(Partition::variable, Update::two_metric))
      .add(Tier::optimized, "pg-vb", rule_method(Partition::variable, Update::projected_gradient))
      .add(Tier::optimized, "pn-fb", rule_method(Partition::sort, Update::projected_newton))
      .external(Tier::peer, "scikit-learn", worker("sklearn-cyclic"), of_peers)
      .external(Tier::peer, "scikit-learn-random", worker("sklearn-random"), of_peers)
      .external(Tier::peer, "celer", worker("celer"), of_peers)
      .external(Tier::peer, "skglm", worker("skglm"), of_peers)
      .external(Tier::peer, "glmnet", worker("glmnet"), of_peers)
      .external(Tier::peer, "adelie", worker("adelie"), of_peers)
      .control("stops-short", stops_short)
      .baselines({"fista"})
      .figure({"time", "time", "lambda", {}, {}, "Time to a relative gap of 1e-8"});
}

bool is_own_lasso(const Point&, Mode) {
  if (own_file_name().empty()) return false;
  require_own_file();
  return own_problem(OwnPenalty::none, 0).loss == Loss::least_squares &&
         has_own_penalty(OwnPenalty::nonnegative);
}

Task make_own_lasso(const Point& point, std::uint64_t) {
  return make_task(own_problem(OwnPenalty::nonnegative, point.number("lambda")));
}

/// One gradient.
model::Work own_lasso_work(const Point&) {
  const auto entries =
      static_cast<double>(own_problem(OwnPenalty::none, 0).features->by_row.entries());
  return {4 * entries, 12 * entries, "f32"};
}

/// None: where columns of a file are equal, or all but, there are many minimisers. The gap decides.
model::Tolerances any_minimiser(const Point&) { return {{"x", {.relative_l2 = 1e300}}}; }

}  // namespace

void declare_lasso(model::Suite& suite) {
  auto lasso = suite.experiment<Task, TaskAnswer>("lasso");
  lasso.about("A' with x >= 0 and an L1 penalty, to a relative gap of 1e-8, from a cold start")
      .axis("lambda", {50000, 20000})
      .in(Mode::quick, {50000})
      .problem(make_lasso_task)
      .inputs(task_inputs)
      .work([](const Point&) {
        return model::Work{4 * 691366.0, 12 * 691366.0, "f32"};  // one gradient
      })
      .oracle("the optimum by active sets", task_optimum, task_tolerance)
      .invariant("gap", gap_reached);
  add_lasso_methods(lasso, {.slow_start = true});
}

void declare_own_lasso(model::Suite& suite) {
  auto lasso = suite.experiment<Task, TaskAnswer>("own-data-lasso");
  lasso.about("Experiment lasso where labels make it least squares, " + own_file_remedy())
      .axis("data", own_file_axis())
      .axis("lambda", {0.1, 0.01}, "of the least at which x = 0")
      .in(Mode::quick, {0.1})
      .keep(is_own_lasso)
      .problem(make_own_lasso)
      .inputs(task_inputs)
      .work(own_lasso_work)
      .oracle("the gap alone", task_optimum, any_minimiser)
      .invariant("gap", gap_reached);
  add_lasso_methods(lasso, {});
}

}  // namespace ashlar::bcd::suite
