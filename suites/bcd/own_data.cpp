// Studies on a user's own data: the paper's rules without a penalty, proximal steps with an L1
// penalty, and the paper's constrained updates with x >= 0. Declared always; without a file they
// have no points.
#include <set>
#include <utility>

#include "suites/bcd/experiments.hpp"
#include "suites/bcd/own_file.hpp"
#include "suites/bcd/rules.hpp"

namespace ashlar::bcd::suite {

namespace {

constexpr int kOwnSeeds = 3;

/// The gap that ends a run, of that at x = 0: own data have any scale.
constexpr double kShareOfFirstGap = 1e-8;
constexpr double kMostSeconds = 2;  // of one run
constexpr std::int64_t kLeastIterations = 500;
constexpr std::int64_t kPasses = 20;

struct OwnRun {
  RuleProblem at;
  SolveOptions options;
};

double share_of(const Point& point) {
  return point.find("lambda") == nullptr ? 0 : point.number("lambda");
}

OwnRun make_own_run(OwnPenalty penalty, const Point& point, std::uint64_t seed) {
  OwnRun run;
  run.at.data = own_data_set(penalty, share_of(point));
  run.at.block_size = static_cast<Index>(point.integer("block"));
  run.at.seed = seed;
  const DataSet& data = *run.at.data;
  run.options.iterations =
      std::max(kLeastIterations, kPasses * data.problem.size() / run.at.block_size);
  run.options.tolerance =
      kShareOfFirstGap * make_reference_objective(data.problem)->gap(data.optimum);
  run.options.seconds = kMostSeconds;
  return run;
}

/// Points with blocks that are larger than the problem are not there.
bool own_point_exists(OwnPenalty penalty, const Point& point) {
  if (own_file_name().empty()) return false;
  require_own_file();
  if (point.integer("block") > own_problem(OwnPenalty::none, 0).size()) return false;
  if (penalty == OwnPenalty::none) return own_data_set(penalty, 0) != nullptr;
  return has_own_penalty(penalty);
}

void declare_own_study(model::Suite& suite, const std::string& name, const std::string& what,
                       OwnPenalty penalty, const std::vector<NamedRule>& rules) {
  std::set<std::string> drawn;
  for (const NamedRule& one : rules)
    if (draws(one.rule)) drawn.insert(one.name);
  auto study = suite.study<OwnRun>(name);
  study.about(what + ", " + own_file_remedy()).axis("data", own_file_axis());
  if (penalty != OwnPenalty::none) {
    study.axis("lambda", {0.1, 0.01}, "of the least at which x = 0").in(Mode::quick, {0.1});
    study.metric("identified", Better::lower).metric("support", Better::lower);
  }
  study.axis("block", {1, 5, 50}, "coordinates")
      .in(Mode::quick, {1, 5})
      .keep([penalty](const Point& point, Mode) { return own_point_exists(penalty, point); })
      .seeds(kOwnSeeds)
      .varies([drawn](const Point&, std::string_view implementation) {
        return drawn.contains(std::string(implementation));
      })
      .metric("gap", Better::lower)
      .metric("iterations", Better::lower)
      .problem([penalty](const Point& point, std::uint64_t seed) {
        return make_own_run(penalty, point, seed);
      });
  for (const NamedRule& one : rules) {
    study.add(Tier::optimized, one.name,
              [one](const OwnRun& run) { return run_rule(run.at, one, run.options); });
  }
  for (model::Figure& figure : curve_figures({"block"}, what)) study.figure(std::move(figure));
}

std::vector<NamedRule> own_rules(const std::vector<std::string>& selections, Update update,
                                 const std::string& suffix = "") {
  std::vector<NamedRule> rules = rules_by_blocks(selections, update);
  for (NamedRule& one : rules) {
    one.name += suffix;
    one.rule.norm = Norm::l2;  // of the paper; no published curve is to be met
    one.rule.ties = Ties::index;
    one.rule.allow_short_block = true;
  }
  return rules;
}

std::vector<NamedRule> unpenalised_rules() {
  std::vector<NamedRule> rules =
      own_rules({"random", "cyclic", "lipschitz", "gs", "gsl"}, Update::lipschitz_block, "-lb");
  for (NamedRule& one : own_rules({"gs", "gsl", "gsd", "gsq"}, Update::matrix, "-hb"))
    rules.push_back(std::move(one));
  return rules;
}

std::vector<NamedRule> nonnegative_rules() {
  std::vector<NamedRule> rules;
  for (const auto& [word, update] :
       {std::pair("pn", Update::projected_newton), std::pair("tmp", Update::two_metric),
        std::pair("pg", Update::projected_gradient)}) {
    for (NamedRule& one : own_rules({"gsq-nonnegative", "random"}, update)) {
      const bool greedy = one.rule.selection == Selection::gsq_nonnegative;
      const bool fixed = one.rule.partition != Partition::variable;
      one.name = std::string(word) + (greedy ? "" : "-random") + (fixed ? "-fb" : "-vb");
      rules.push_back(std::move(one));
    }
  }
  return rules;
}

}  // namespace

void declare_own_data(model::Suite& suite) {
  declare_own_study(suite, "own-data", "The paper's rules without a penalty", OwnPenalty::none,
                    unpenalised_rules());
  declare_own_study(suite, "own-data-l1", "Proximal steps with an L1 penalty", OwnPenalty::l1,
                    own_rules({"random", "cyclic", "lipschitz"}, Update::proximal));
  declare_own_study(suite, "own-data-nonnegative", "Updates with x >= 0 and an L1 penalty",
                    OwnPenalty::nonnegative, nonnegative_rules());
}

}  // namespace ashlar::bcd::suite
