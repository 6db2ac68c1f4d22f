#pragma once
// The curves of the figures by name, and how one is run.
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/method.hpp"
#include "harness/model/suite.hpp"
#include "suites/bcd/problem.hpp"

namespace ashlar::bcd::suite {

/// A curve of a figure. Block size and seed come from the point.
struct NamedRule {
  std::string name;
  Rule rule;
  bool as_published = false;  // draws what the published code drew
};

/// "random", "cyclic", "lipschitz", "gs", "gsl", "gsd", "gsq" with "-vb" (variable blocks) or "-fb"
/// (the partition Sort, scored by 1-norms as in the published figures), in this order of
/// partitions.
std::vector<NamedRule> rules_by_blocks(const std::vector<std::string>& selections, Update update);

/// Whether the rule draws at random. (Cyclic selection walks fixed blocks in their order, and
/// variable ones along a permutation.)
bool draws(const Rule& rule);

/// The optimized tier's parts, stopped below a gap of 1e-8 or after 500 iterations as the paper's
/// experiments are, unless told otherwise. Metrics `gap`, `iterations` (to a gap below the
/// tolerance, else infinite), and where the problem has a penalty `identified` and `support`; the
/// curve "iteration".
model::Outcome run_rule(const RuleProblem& problem, const NamedRule& named,
                        const SolveOptions& options = {});

/// The outcome of a trace.
model::Outcome outcome_of(const Trace& trace, const Problem& problem, double tolerance = 1e-8);

/// The gap of the curve "iteration" by iterations, by seconds and by bytes.
std::vector<model::Figure> curve_figures(const std::vector<std::string>& panels,
                                         const std::string& title);

}  // namespace ashlar::bcd::suite
