// What the paper proves, held against runs: progress per iteration, the order of the rules' bounds,
// and the iterations until the support is identified. And which norm the published curves come
// from.
#include "impls/bcd/theory.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/optimized.hpp"
#include "impls/bcd/random_problem.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/numbers.hpp"
#include "suites/bcd/rules.hpp"

namespace ashlar::bcd::suite {

namespace {

// ---- Progress

constexpr int kProgressIterations = 100;
constexpr int kOrderEvery = 20;  // maximum improvement tries every block

/// The blocks that the greedy rules pick, over one partition.
class GreedyBlocks {
 public:
  GreedyBlocks(Rule rule, const Blocks& blocks, Objective& objective) : blocks_(blocks) {
    for (std::size_t i = 0; i < std::size(kGreedy); ++i) {
      rule.selection = kGreedy[i];
      rules_[i] = make_selection(rule, blocks, objective);
    }
  }

  /// Whether the bounds of the blocks that the rules pick at the present x are in the order that
  /// the definitions demand: each rule maximises its own bound.
  bool bounds_in_order(Objective& objective) {
    Block picked[std::size(kGreedy)];
    for (std::size_t i = 0; i < std::size(kGreedy); ++i)
      picked[i] = rules_[i]->select(objective, objective.lipschitz());
    const auto& [gs, gsl, gsd, gsq] = picked;
    // GSQ's scores have a ridge of 1e-10, and all are rounded.
    constexpr double kSlack = 1 - 1e-9;
    const double of_gsl = gradient_progress(objective, gsl);
    const double of_gsq = matrix_progress(objective, gsq);
    bool holds = of_gsl >= kSlack * gradient_progress(objective, gs) &&
                 of_gsq >= kSlack * matrix_progress(objective, gsl) &&
                 of_gsq >= kSlack * matrix_progress(objective, gsd) && of_gsq >= kSlack * of_gsl;
    double best = 0;
    for (const auto& block : blocks_) best = std::max(best, exact_progress(objective, block));
    for (const Block block : picked) {
      holds = holds && best >= kSlack * exact_progress(objective, block) &&
              best >= kSlack * matrix_progress(objective, block);
    }
    return holds;
  }

 private:
  static constexpr Selection kGreedy[] = {Selection::gs, Selection::gsl, Selection::gsd,
                                          Selection::gsq};
  const Blocks& blocks_;
  std::unique_ptr<SelectionRule> rules_[std::size(kGreedy)];
};

/// Metrics `holds` and `ordering`, each 1 or 0; `least_share`: the least of actual over promised
/// decrease.
Outcome watch_progress(const RuleProblem& problem, Rule rule) {
  rule.block_size = problem.block_size;
  rule.seed = problem.seed;
  Parts parts =
      make_optimized_parts(problem.data->problem, rule, {.constants = problem.data->constants});
  Objective& objective = *parts.objective;
  GreedyBlocks greedy(rule, *parts.blocks, objective);
  double before = objective.gap(problem.data->optimum);
  const double start = before;
  double least_share = std::numeric_limits<double>::infinity();
  bool holds = true;
  bool ordering = true;
  for (int k = 0; k < kProgressIterations; ++k) {
    if (k % kOrderEvery == 0) ordering = ordering && greedy.bounds_in_order(objective);
    const Block block = next_block(parts);
    const double promised = rule.update == Update::matrix ? matrix_progress(objective, block)
                                                          : gradient_progress(objective, block);
    parts.update->update(objective, block);
    const double after = objective.gap(problem.data->optimum);
    if (promised > 1e-9 * start) least_share = std::min(least_share, (before - after) / promised);
    // Both gaps are sums of p or n terms.
    holds = holds && before - after >= promised * (1 - 1e-9) - 1e-12 * start;
    before = after;
  }
  Outcome outcome;
  outcome.metrics["holds"] = holds ? 1 : 0;
  outcome.metrics["ordering"] = ordering ? 1 : 0;
  outcome.metrics["least_share"] = least_share;
  return outcome;
}

void declare_progress(model::Suite& suite) {
  auto study = suite.study<RuleProblem>("progress");
  study.about("Decrease per iteration against its bound, and the order of the rules' bounds")
      .axis("data", {"A", "B", "D"})
      .in(Mode::quick, {"D"})
      .axis("block", {50}, "coordinates")
      .metric("holds", Better::higher)
      .metric("ordering", Better::higher)
      .metric("least_share", Better::higher)
      .problem(make_rule_problem);
  struct Watched {
    const char* name;
    Selection selection;
    Update update;
  };
  for (const Watched& one : {Watched{"random-lb", Selection::random, Update::lipschitz_block},
                             Watched{"gs-lb", Selection::gs, Update::lipschitz_block},
                             Watched{"gsl-lb", Selection::gsl, Update::lipschitz_block},
                             Watched{"gsd-hb", Selection::gsd, Update::matrix},
                             Watched{"gsq-hb", Selection::gsq, Update::matrix}}) {
    Rule rule;
    rule.partition = Partition::sort;
    rule.selection = one.selection;
    rule.update = one.update;
    study.add(Tier::optimized, one.name,
              [rule](const RuleProblem& problem) { return watch_progress(problem, rule); });
  }
}

// ---- Identification of the support

struct LassoProblem {
  std::shared_ptr<const DataSet> data;
  std::uint64_t seed = 0;
};

constexpr RandomShape kLasso{.rows = 400, .columns = 100, .density = 0.3};
constexpr Index kLassoBlock = 5;

/// More rows than columns: f is strongly convex, which A' is not. A tenth of the lambda at which
/// all of x would be 0.
LassoProblem make_lasso(const Point&, std::uint64_t seed) {
  Problem made = make_random(Loss::least_squares, kLasso, static_cast<std::uint32_t>(seed));
  double most = 0;
  const auto slopes = make_reference_objective(made);
  for (const double slope : slopes->gradient()) most = std::max(most, -slope);
  made.penalty = {.lambda = 0.1 * most, .nonnegative = true};
  return {std::make_shared<const DataSet>(std::move(made)), seed};
}

/// Projected gradient steps on blocks of the given size until nothing moves any more; `bound_of`
/// says what theory promises.
template <class BoundOf>
Outcome identify(const LassoProblem& problem, Rule rule, BoundOf bound_of) {
  rule.seed = problem.seed;
  Parts parts = make_parts(problem.data->problem, rule);
  const auto everything = all_of(problem.data->problem.size());
  const double convexity = strong_convexity(*parts.objective, everything);
  Outcome outcome;
  outcome.metrics["bound"] = bound_of(parts, convexity);
  outcome.metrics["delta"] = nondegeneracy(problem.data->problem, problem.data->optimum).delta;
  const Trace trace =
      solve(parts, problem.data->optimum,
            {.iterations = 100000, .tolerance = 1e-13 * problem.data->optimum.value});
  outcome.metrics["identified"] = trace.identified_after < 0
                                      ? std::numeric_limits<double>::infinity()
                                      : static_cast<double>(trace.identified_after);
  return outcome;
}

Outcome identify_by_full_steps(const LassoProblem& problem) {
  Rule rule;
  rule.selection = Selection::cyclic;
  rule.update = Update::projected_gradient;
  rule.block_size = problem.data->problem.size();
  return identify(problem, rule, [&](Parts& parts, double convexity) {
    return identification_bound(*parts.objective, problem.data->optimum, convexity).full_steps;
  });
}

Outcome identify_by_random_blocks(const LassoProblem& problem) {
  Rule rule;
  rule.partition = Partition::order;
  rule.selection = Selection::random;
  rule.update = Update::projected_gradient;
  rule.block_size = kLassoBlock;
  return identify(problem, rule, [&](Parts& parts, double convexity) {
    const BlockIdentificationBound bound =
        block_identification_bound(*parts.objective, problem.data->optimum, convexity,
                                   block_lipschitz(*parts.objective, *parts.blocks));
    return bound.steps_to_radius + bound.random_steps;
  });
}

void declare_identification(model::Suite& suite) {
  suite.study<LassoProblem>("identification")
      .about("Iterations until the support is that of the optimum, against the bounds of theory")
      .axis("rows", {kLasso.rows})
      .in(Mode::quick, {})
      .seeds(5)
      .metric("identified", Better::lower)
      .metric("bound", Better::lower)
      .metric("delta", Better::higher)
      .problem(make_lasso)
      .add(Tier::reference, "full", identify_by_full_steps,
           {.about = "projected gradient on all coordinates"})
      .add(Tier::reference, "random-fb", identify_by_random_blocks,
           {.about = "projected gradient on random fixed blocks"});
}

// ---- Norms

void declare_norms(model::Suite& suite) {
  auto study = suite.study<RuleProblem>("norms");
  study
      .about(
          "Scores of fixed blocks: 1-norms, as in the published code, and 2-norms, as in the paper")
      .axis("data", {"B"})
      .in(Mode::quick, {})
      .axis("block", {5}, "coordinates")
      .metric("gap", Better::lower)
      .problem(make_rule_problem);
  for (const char* selection : {"gsl", "gs"}) {
    for (const Norm norm : {Norm::l1, Norm::l2}) {
      Rule rule;
      rule.partition = Partition::sort;
      rule.selection = parse_selection(selection);
      rule.norm = norm;
      const std::string name = std::string(selection) + (norm == Norm::l1 ? "-fb-l1" : "-fb-l2");
      study.add(Tier::optimized, name, [name, rule](const RuleProblem& problem) {
        return run_rule(problem, {name, rule});
      });
    }
  }
}

}  // namespace

void declare_theory(model::Suite& suite) {
  declare_progress(suite);
  declare_identification(suite);
  declare_norms(suite);
}

}  // namespace ashlar::bcd::suite
