#include "suites/bcd/rules.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <utility>

#include "impls/bcd/optimized.hpp"

namespace ashlar::bcd::suite {

namespace {

constexpr int kRows = 56;  // of a curve, logarithmic in the iteration

/// First iteration with a gap below the tolerance; infinite where there is none.
double first_below(const Trace& trace, double tolerance) {
  const auto found =
      std::find_if(trace.gap.begin(), trace.gap.end(), [&](double gap) { return gap < tolerance; });
  return found == trace.gap.end() ? std::numeric_limits<double>::infinity()
                                  : static_cast<double>(found - trace.gap.begin());
}

/// Iterations that a curve shows: the ends, some between, those that claims ask for.
std::set<std::int64_t> shown(const Trace& trace, double tolerance) {
  const std::int64_t last = trace.iterations();
  std::set<std::int64_t> rows{0, last};
  if (last > 100) rows.insert(100);
  if (trace.identified_after >= 0) rows.insert(trace.identified_after);
  const double below = first_below(trace, tolerance);
  if (std::isfinite(below)) rows.insert(static_cast<std::int64_t>(below));
  for (int row = 0; row < kRows; ++row) {
    const double share = static_cast<double>(row) / (kRows - 1);
    const auto k = std::llround(std::pow(static_cast<double>(last), share));
    rows.insert(std::clamp<std::int64_t>(k, 0, last));
  }
  return rows;
}

/// Four digits: seconds differ from run to run, and their noise would not compress.
double rounded(double seconds) {
  if (!(seconds > 0)) return seconds;
  const double unit = std::pow(10.0, std::floor(std::log10(seconds)) - 3);
  return std::round(seconds / unit) * unit;
}

std::vector<double> cumulated(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> sums(a.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sums[i] = sum += a[i] + b[i];
  return sums;
}

}  // namespace

std::vector<NamedRule> rules_by_blocks(const std::vector<std::string>& selections, Update update) {
  std::vector<NamedRule> rules;
  for (const bool fixed : {true, false}) {
    for (const std::string& selection : selections) {
      Rule rule;
      rule.partition = fixed ? Partition::sort : Partition::variable;
      rule.selection = parse_selection(selection);
      rule.update = update;
      rule.norm = Norm::l1;
      rule.ties = Ties::numpy;
      rules.push_back({selection + (fixed ? "-fb" : "-vb"), rule});
    }
  }
  return rules;
}

bool draws(const Rule& rule) {
  switch (rule.selection) {
    case Selection::random:
    case Selection::lipschitz:
    case Selection::random_tree:
      return true;
    case Selection::cyclic:
      return rule.partition == Partition::variable;
    default:
      return false;
  }
}

model::Outcome outcome_of(const Trace& trace, const Problem& problem, double tolerance) {
  model::Outcome outcome;
  outcome.metrics["gap"] = trace.gap.back();
  outcome.metrics["iterations"] = first_below(trace, tolerance);
  if (problem.penalty.lambda > 0) {
    const auto identified = static_cast<double>(trace.identified_after);
    outcome.metrics["identified"] =
        identified < 0 ? std::numeric_limits<double>::infinity() : identified;
    outcome.metrics["support"] = static_cast<double>(trace.support);
  }
  const std::vector<double> seconds = cumulated(trace.select_seconds, trace.update_seconds);
  std::vector<double> iteration;
  std::vector<double> gap;
  std::vector<double> time;
  std::vector<double> bytes;
  std::vector<double> flops;
  std::vector<double> block;
  for (const std::int64_t k : shown(trace, tolerance)) {
    iteration.push_back(static_cast<double>(k));
    gap.push_back(trace.gap[k]);
    time.push_back(rounded(seconds[k]));
    bytes.push_back(trace.bytes[k]);
    flops.push_back(trace.flops[k]);
    block.push_back(trace.block_size[k]);
  }
  outcome.curves.push_back({"iteration",
                            {{"iteration", iteration},
                             {"gap", gap},
                             {"seconds", time},
                             {"bytes", bytes},
                             {"flops", flops},
                             {"block", block}}});
  return outcome;
}

model::Outcome run_rule(const RuleProblem& problem, const NamedRule& named,
                        const SolveOptions& options) {
  Rule rule = named.rule;
  if (named.as_published) rule.published_draws = &problem.data->published_draws;
  if (problem.block_size > 0) rule.block_size = problem.block_size;
  rule.seed = problem.seed;
  OptimizedOptions shared;
  shared.constants = problem.data->constants;
  Parts parts = make_optimized_parts(problem.data->problem, rule, shared);
  return outcome_of(solve(parts, problem.data->optimum, options), problem.data->problem,
                    options.tolerance);
}

std::vector<model::Figure> curve_figures(const std::vector<std::string>& panels,
                                         const std::string& title) {
  std::vector<model::Figure> figures;
  for (const auto& [name, x] : {std::pair("iterations", "iteration"),
                                std::pair("seconds", "seconds"), std::pair("bytes", "bytes")}) {
    figures.push_back({.name = name,
                       .kind = "curve",
                       .x = x,
                       .panels = panels,
                       .over = {"iteration", "gap"},
                       .title = title,
                       .log = "y"});
  }
  return figures;
}

}  // namespace ashlar::bcd::suite
