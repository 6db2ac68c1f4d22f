// Experiment "logistic": logistic regression with an L1 penalty on the paper's data B, to a
// relative gap, against LIBLINEAR and what else a user would pick. The paper has no such
// experiment: its penalty is on least squares.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "baselines/bcd/calibration.hpp"
#include "baselines/bcd/fista.hpp"
#include "baselines/bcd/liblinear.hpp"
#include "impls/bcd/data.hpp"
#include "impls/bcd/optimized.hpp"
#include "impls/core/parallel.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/logistic_oracle.hpp"
#include "suites/bcd/problem.hpp"
#include "suites/bcd/tasks.hpp"

namespace ashlar::bcd::suite {

namespace {

using baselines::LogisticPenalty;
/// The first rows of B, and ten times as many of its features but for those that have no entry
/// there. B itself for 1000.
Problem corner_of_b(Index count) {
  Problem problem = make_b();
  const SparseLines& all = problem.features->by_row;
  SparseLines rows;
  rows.starts.push_back(0);
  for (Index r = 0; r < count; ++r) {
    const auto indices = all.indices_of(r);
    const auto values = all.values_of(r);
    for (std::size_t e = 0; e < indices.size() && indices[e] < 10 * count; ++e) {
      rows.indices.push_back(indices[e]);
      rows.values.push_back(values[e]);
    }
    rows.starts.push_back(static_cast<std::int64_t>(rows.indices.size()));
  }
  std::vector<Index> used = rows.indices;
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  for (Index& column : rows.indices) {
    const auto place = std::lower_bound(used.begin(), used.end(), column);
    column = static_cast<Index>(place - used.begin());
  }
  problem.features = std::make_shared<const FeatureMatrix>(
      features_from_rows(static_cast<Index>(used.size()), std::move(rows)));
  problem.targets.resize(static_cast<std::size_t>(count));
  return problem;
}

Task make_logistic_task(const Point& point, std::uint64_t) {
  Problem problem = corner_of_b(static_cast<Index>(point.integer("rows")));
  problem.penalty.lambda = point.number("lambda") * critical_lambda(problem, false);
  Task task = make_task(std::move(problem));
  task.target = point.number("gap");
  return task;
}

/// What takes longer than this to come to the gap is out of the contest.
class Patience {
 public:
  bool over() const { return std::chrono::steady_clock::now() - start_ > kMost; }
  [[noreturn]] static void give_up(const Task& task, double gap) {
    throw std::runtime_error(fmt::format("did not reach a relative gap of {:.0e} in {} s: {:.2g}",
                                         task.target, kMost.count(), gap / task.optimum.value));
  }

 private:
  static constexpr std::chrono::seconds kMost{5};
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

double gap_of(const Task& task, std::span<const double> x) {
  const auto objective = make_reference_objective(*task.problem);
  objective->set_x(x);
  return objective->gap(task.optimum);
}

/// Against a bound that the optimum proves by duality, so that a wrong optimum helps nobody.
std::optional<std::string> certified_gap(const Task& task, const std::vector<TensorView>& answer) {
  const auto size = static_cast<std::size_t>(task.problem->size());
  const std::span<const double> x(static_cast<const double*>(answer.front().data), size);
  const long double bound = logistic_lower_bound(*task.problem, task.optimum.x);
  const auto gap = static_cast<double>(penalised_logistic_value(*task.problem, x) - bound);
  const double proved = task.optimum.value - static_cast<double>(bound);
  if (!(proved <= 1e-3 * task.gap()))
    return fmt::format("the optimum is proved to {:.3g} only, not to {:.3g}", proved,
                       1e-3 * task.gap());
  if (gap <= task.gap() * (1 + 2e-3)) return std::nullopt;
  return fmt::format("the gap is {:.3g}, above {:.3g}", gap, task.gap());
}

class LiblinearMethod final : public Method<Task, TaskAnswer> {
 public:
  Support supports(const Task&) const override {
    return Support::from(baselines::liblinear_unsupported());
  }
  void prepare(const Task& task, TaskAnswer& answer) override {
    peer_ = baselines::make_liblinear(*task.problem, LogisticPenalty::l1, task.lambda);
    tolerance_ = baselines::loosest_tolerance(
                     [&](double tolerance) {
                       peer_->solve(answer.x, tolerance);
                       return gap_of(task, answer.x);
                     },
                     task.gap())
                     .tolerance;
  }
  void execute(const Task&, TaskAnswer& answer, Stream) override {
    peer_->solve(answer.x, tolerance_);
  }
  Outcome outcome() const override {
    Outcome outcome;
    outcome.counters["tolerance"] = tolerance_;
    return outcome;
  }

 private:
  std::unique_ptr<baselines::Liblinear> peer_;
  double tolerance_ = 0;
};

class LogisticFista final : public CountedMethod {
 public:
  void prepare(const Task& task, TaskAnswer& answer) override {
    const Patience patience;
    double gap = 0;
    iterations_ = baselines::Fista(*task.problem)
                      .solve(answer.x, std::numeric_limits<std::int64_t>::max(),
                             [&](std::int64_t, std::span<const double>, double value) {
                               gap = value - task.optimum.value;
                               return gap <= task.gap() || patience.over();
                             })
                      .iterations;
    if (gap > task.gap()) Patience::give_up(task, gap);
  }
  void execute(const Task& task, TaskAnswer& answer, Stream) override {
    baselines::Fista(*task.problem).solve(answer.x, iterations_);
  }
};

/// Proximal steps; the gap is looked at after each pass over as many coordinates as there are.
class ProximalMethod final : public CountedMethod {
 public:
  explicit ProximalMethod(const Rule& rule) : rule_(rule) {}

  void prepare(const Task& task, TaskAnswer&) override {
    Parts parts = make(task);
    const std::int64_t pass = std::max(1, task.problem->size() / rule_.block_size);
    const Patience patience;
    double gap = 0;
    for (iterations_ = 0; (gap = parts.objective->gap(task.optimum)) > task.gap();) {
      if (patience.over()) Patience::give_up(task, gap);
      iterate(parts, pass);
      iterations_ += pass;
    }
  }
  void execute(const Task& task, TaskAnswer& answer, Stream) override {
    Parts parts = make(task);
    iterate(parts, iterations_);
    const auto x = parts.objective->x();
    std::copy(x.begin(), x.end(), answer.x.begin());
  }

 private:
  Parts make(const Task& task) const {
    return make_optimized_parts(*task.problem, rule_, {.threads = core::thread_count()});
  }

  Rule rule_;
};

/// x = u - v with u, v >= 0, so that the columns of A come twice, once with the other sign: rules
/// for x >= 0 then solve the problem with signs.
Problem split_by_sign(const Problem& problem) {
  Problem split = problem;
  split.penalty.nonnegative = true;
  SparseLines rows;
  rows.starts.push_back(0);
  const Index columns = problem.features->columns;
  for (Index r = 0; r < problem.features->rows; ++r) {
    for (const double sign : {1.0, -1.0}) {
      for (const Index column : problem.features->by_row.indices_of(r))
        rows.indices.push_back(sign > 0 ? column : columns + column);
      for (const double value : problem.features->by_row.values_of(r))
        rows.values.push_back(sign * value);
    }
    rows.starts.push_back(static_cast<std::int64_t>(rows.indices.size()));
  }
  split.features =
      std::make_shared<const FeatureMatrix>(features_from_rows(2 * columns, std::move(rows)));
  return split;
}

/// Rules for x >= 0 on u and v. Where both are above 0 the smaller is taken off both, which changes
/// no A x: a Newton step cannot, as the two columns are dependent.
class SplitMethod final : public CountedMethod {
 public:
  explicit SplitMethod(const Rule& rule) : rule_(rule) {}

  void prepare(const Task& task, TaskAnswer&) override {
    problem_ = split_by_sign(*task.problem);
    const Optimum optimum{task.optimum.value, {}, {}};
    Parts parts = make();
    const Patience patience;
    double gap = 0;
    for (iterations_ = 0; (gap = parts.objective->gap(optimum)) > task.gap(); ++iterations_) {
      if (patience.over()) Patience::give_up(task, gap);
      iterate_once(parts);
    }
  }
  void execute(const Task&, TaskAnswer& answer, Stream) override {
    Parts parts = make();
    for (std::int64_t k = 0; k < iterations_; ++k) iterate_once(parts);
    const auto x = parts.objective->x();
    for (std::size_t i = 0; i < answer.x.size(); ++i) answer.x[i] = x[i] - x[i + answer.x.size()];
  }

 private:
  Parts make() const {
    return make_optimized_parts(problem_, rule_, {.threads = core::thread_count()});
  }

  static void iterate_once(Parts& parts) {
    Objective& objective = *parts.objective;
    const Block block = next_block(parts);
    parts.update->update(objective, block);
    const Index half = objective.size() / 2;
    for (const Index i : block) {
      const Index pair[] = {i % half, i % half + half};
      const double both = std::min(objective.x()[pair[0]], objective.x()[pair[1]]);
      const double step[] = {-both, -both};
      if (both > 0) objective.move(pair, step);
    }
  }

  Rule rule_;
  Problem problem_;
};

template <class Made>
auto by_rule(Partition partition, Selection selection, Update update, Index block) {
  Rule rule;
  rule.partition = partition;
  rule.selection = selection;
  rule.update = update;
  rule.block_size = block;
  rule.allow_short_block = true;
  return [rule] { return std::make_unique<Made>(rule); };
}
auto split(Partition partition, Update update) {
  return by_rule<SplitMethod>(partition, Selection::gsq_nonnegative, update, 100);
}

/// A fifth of the way is missing.
void ends_early(const Task& task, TaskAnswer& answer) {
  for (std::size_t i = 0; i < answer.x.size(); ++i) answer.x[i] = 0.8 * task.optimum.x[i];
}

/// The largest coordinate is 0.
void largest_forgotten(const Task& task, TaskAnswer& answer) {
  answer.x = task.optimum.x;
  *std::max_element(answer.x.begin(), answer.x.end(),
                    [](double a, double b) { return std::abs(a) < std::abs(b); }) = 0;
}

/// x hangs weakly on the last digits of a gap; the gap is what is asked for.
model::Tolerances near_the_minimiser(const Point&) { return {{"x", {.relative_l2 = 0.1}}}; }

std::vector<std::string> logistic_worker(const char* peer) {
  return {"python3", "baselines/bcd/logistic_peers.py", peer};
}

}  // namespace

namespace {

/// At the lower penalty most methods do not come near the smaller gap.
bool in_reach(const Point& point, Mode) {
  return point.number("lambda") >= 0.1 || point.number("gap") >= 1e-6;
}

}  // namespace

void declare_logistic(model::Suite& suite) {
  suite.experiment<Task, TaskAnswer>("logistic")
      .about("B, or a corner of it, with an L1 penalty, to a relative gap, from a cold start")
      .axis("rows", {1000}, "rows")
      .in(Mode::quick, {100})
      .axis("lambda", {0.1, 0.01}, "of the least at which x = 0")
      .in(Mode::quick, {0.1})
      .axis("gap", {1e-6, 1e-8}, "relative")
      .in(Mode::quick, {1e-6})
      .keep(in_reach)
      .problem(make_logistic_task)
      .inputs(task_inputs)
      .work([](const Point& point) {
        const double entries = 691366e-6 * point.number("rows") * point.number("rows");
        return model::Work{4 * entries, 12 * entries, "f32"};  // one gradient
      })
      .oracle("Newton's method", task_optimum, near_the_minimiser)
      .invariant("gap", certified_gap)
      .add(Tier::naive, "fista", [] { return std::make_unique<LogisticFista>(); },
           {.about = "accelerated proximal gradient with restart"})
      .add(Tier::optimized, "tmp-vb", split(Partition::variable, Update::two_metric),
           {.about = "x = u - v; variable blocks of 100, Newton steps on the free coordinates"})
      .add(Tier::optimized, "pn-vb", split(Partition::variable, Update::projected_newton),
           {.about = "x = u - v; variable blocks of 100, steps of the quadratic bound"})
      .add(Tier::optimized, "prox-cyclic",
           by_rule<ProximalMethod>(Partition::sort, Selection::cyclic, Update::proximal, 1),
           {.about = "coordinate descent by proximal steps"})
      .add(Tier::optimized, "prox-lipschitz-5",
           by_rule<ProximalMethod>(Partition::sort, Selection::lipschitz, Update::proximal, 5),
           {.about = "blocks of 5, drawn by L_b"})
      .add(Tier::peer, "liblinear", [] { return std::make_unique<LiblinearMethod>(); },
           {.about = "coordinate descent on Newton's quadratic, with shrinking (-s 6)"})
      .external(Tier::peer, "scikit-learn-liblinear", logistic_worker("sklearn-liblinear"),
                {.slow_start = true})
      .external(Tier::peer, "scikit-learn-saga", logistic_worker("sklearn-saga"),
                {.slow_start = true})
      .external(Tier::peer, "celer", logistic_worker("celer"), {.slow_start = true})
      .external(Tier::peer, "skglm", logistic_worker("skglm"), {.slow_start = true})
      .control("ends-early", ends_early)
      .control("largest-forgotten", largest_forgotten)
      .baselines({"fista", "liblinear"})
      .figure({"time", "time", "gap", {"lambda"}, {}, "Time to a relative gap"});
}

}  // namespace ashlar::bcd::suite
