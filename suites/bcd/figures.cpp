// Figures 4 to 13 of the paper as studies: one curve per rule, 500 iterations each. Figures 4 and 5
// are parts of 8 and 11, at block size 5.
#include <set>
#include <utility>

#include "suites/bcd/experiments.hpp"
#include "suites/bcd/rules.hpp"

namespace ashlar::bcd::suite {

namespace {

constexpr int kSeeds = 5;

/// Also of the modes: values that the quick mode leaves out are not its axis's.
struct Grid {
  std::vector<Value> data;
  std::vector<Value> quick_data;
  std::vector<Value> blocks;  // empty: the rules' blocks have their own size
  std::vector<Value> quick_blocks;
};

/// What two studies of rules have in common: metrics, seeds, figures.
StudyBuilder<RuleProblem> study_of(model::Suite& suite, const std::string& name,
                                   const std::string& about, const std::vector<NamedRule>& rules) {
  std::set<std::string> drawn;
  for (const NamedRule& one : rules)
    if (draws(one.rule) && !one.as_published) drawn.insert(one.name);
  auto study = suite.study<RuleProblem>(name);
  study.about(about)
      .seeds(kSeeds)
      .varies([drawn](const Point& point, std::string_view implementation) {
        const Value* data = point.find("data");
        return drawn.contains(std::string(implementation)) ||
               (data != nullptr && data_varies(data->as_text()));
      })
      .metric("gap", Better::lower)
      .metric("iterations", Better::lower);
  for (const NamedRule& one : rules) {
    study.add(Tier::optimized, one.name,
              [one](const RuleProblem& problem) { return run_rule(problem, one); });
  }
  return study;
}

void add_figures(StudyBuilder<RuleProblem>& study, const std::vector<std::string>& panels,
                 const std::string& title) {
  for (model::Figure& figure : curve_figures(panels, title)) study.figure(std::move(figure));
}

void declare_grid(model::Suite& suite, const std::string& name, const std::string& about,
                  const Grid& grid, const std::vector<NamedRule>& rules) {
  auto study = study_of(suite, name, about, rules);
  study.axis("data", grid.data)
      .in(Mode::quick, grid.quick_data)
      .axis("block", grid.blocks, "coordinates")
      .in(Mode::quick, grid.quick_blocks)
      .problem(make_rule_problem);
  add_figures(study, {"block"}, about);  // a page for each data set, with an axis of its own
}

const std::vector<Value> kAll = {"A", "B", "C", "D", "E"};
const std::vector<Value> kSizes = {5, 50, 100};
const std::vector<Value> kSmallerSizes = {5, 20, 50};

NamedRule ordered(const std::string& prefix, const std::string& selection, Update update) {
  Rule rule;
  rule.partition = Partition::order;
  rule.selection = parse_selection(selection);
  rule.update = update;
  rule.norm = Norm::l1;
  rule.ties = Ties::numpy;
  return {prefix + "-" + selection, rule};
}

std::vector<NamedRule> figure_9_rules() {
  std::vector<NamedRule> rules;
  for (const auto& [prefix, update] :
       {std::pair("la", Update::line_search), std::pair("lb", Update::lipschitz_block)}) {
    for (const char* selection : {"gs", "gsl", "lipschitz", "random", "cyclic"})
      rules.push_back(ordered(prefix, selection, update));
  }
  return rules;
}

std::vector<NamedRule> figure_10_rules() {
  std::vector<NamedRule> rules;
  for (const char* selection : {"gs", "gsd", "gsl"}) {
    for (const auto& [word, partition] :
         {std::pair("sort", Partition::sort), std::pair("order", Partition::order),
          std::pair("avg", Partition::average)}) {
      Rule rule;
      rule.partition = partition;
      rule.selection = parse_selection(selection);
      rule.norm = Norm::l1;
      rule.ties = Ties::numpy;
      rules.push_back({std::string(selection) + "-" + word, rule});
    }
  }
  return rules;
}

NamedRule graph_rule(const std::string& name, Partition partition, Scan scan = Scan::lipschitz) {
  Rule rule;
  rule.partition = partition;
  rule.selection = Selection::cyclic;
  rule.update = Update::message_passing;
  rule.scan = scan;
  rule.ties = Ties::numpy;
  return {name, rule};
}

NamedRule forest_rule(const std::string& name, Selection selection) {
  Rule rule;
  rule.selection = selection;
  rule.update = selection == Selection::general ? Update::dense_exact : Update::message_passing;
  return {name, rule};
}

/// On a lattice both partitions are given by rows and columns; on another graph the nodes are
/// scanned.
std::vector<NamedRule> figure_6_rules(bool lattice) {
  std::vector<NamedRule> rules{forest_rule("random-tree", Selection::random_tree),
                               forest_rule("greedy-tree", Selection::greedy_tree)};
  if (lattice) {
    rules.push_back(graph_rule("red-black", Partition::red_black));
    rules.push_back(graph_rule("tree-partitions", Partition::trees));
  } else {
    rules.push_back(graph_rule("red-black-lipschitz", Partition::red_black, Scan::lipschitz));
    rules.push_back(graph_rule("red-black-order", Partition::red_black, Scan::order));
    rules.push_back(graph_rule("trees-lipschitz", Partition::trees, Scan::lipschitz));
    rules.push_back(graph_rule("trees-order", Partition::trees, Scan::order));
  }
  rules.push_back(forest_rule("general", Selection::general));
  return rules;
}

void declare_graphs(model::Suite& suite, const std::string& name, const std::string& about,
                    const std::string& data, const std::vector<Value>& quick_data) {
  auto study = study_of(suite, name, about, figure_6_rules(data == "D"));
  study.axis("data", {data}).in(Mode::quick, quick_data).problem(make_rule_problem);
  add_figures(study, {"data"}, about);
}

std::vector<NamedRule> l1_rules(Selection selection) {
  std::vector<NamedRule> rules;
  for (const bool fixed : {false, true}) {
    for (const auto& [word, update] :
         {std::pair("pn", Update::projected_newton), std::pair("tmp", Update::two_metric),
          std::pair("pg", Update::projected_gradient)}) {
      Rule rule;
      rule.partition = fixed ? Partition::sort : Partition::variable;
      rule.selection = selection;
      rule.update = update;
      rules.push_back({std::string(word) + (fixed ? "-fb" : "-vb"), rule});
    }
  }
  return rules;
}

void declare_l1(model::Suite& suite, const std::string& name, const std::string& about,
                Selection selection, const std::vector<Value>& quick_blocks) {
  auto study = study_of(suite, name, about, l1_rules(selection));
  study.axis("block", kSizes, "coordinates")
      .in(Mode::quick, quick_blocks)
      .metric("identified", Better::lower)
      .metric("support", Better::lower)
      .problem([](const Point& point, std::uint64_t seed) {
        return RuleProblem{data_set("A-l1", seed), static_cast<Index>(point.integer("block")),
                           seed};
      });
  add_figures(study, {"block"}, about);
}

/// Random rules of figures 8 and 9 by the draws that made the published curves.
std::vector<NamedRule> published_rules() {
  std::vector<NamedRule> rules;
  for (const NamedRule& one :
       rules_by_blocks({"random", "cyclic", "lipschitz"}, Update::lipschitz_block)) {
    if (draws(one.rule)) rules.push_back(one);
  }
  for (const NamedRule& one : figure_9_rules()) {
    if (draws(one.rule)) rules.push_back(one);
  }
  for (NamedRule& one : rules) one.as_published = true;
  return rules;
}

void declare_published_draws(model::Suite& suite) {
  const std::string about = "Random rules by the draws of the published code";
  declare_grid(suite, "draws", about, {{"B", "C", "D"}, {"B"}, {5, 20, 50, 100}, {50}},
               published_rules());
  NamedRule random_tree = forest_rule("random-tree", Selection::random_tree);
  random_tree.as_published = true;
  auto study = study_of(suite, "draws-6a", about, {random_tree});
  study.axis("data", {"D"}).problem(make_rule_problem);
  add_figures(study, {"data"}, about);
}

}  // namespace

void declare_figures(model::Suite& suite) {
  declare_grid(
      suite, "figure-8", "Figures 4 and 8: gradient updates with the exact L_b",
      {kAll, {"B"}, kSizes, {50}},
      rules_by_blocks({"random", "cyclic", "lipschitz", "gs", "gsl"}, Update::lipschitz_block));
  declare_grid(suite, "figure-9", "Figure 9: L by line search (LA) and exact (Lb)",
               {kAll, {}, kSmallerSizes, {}}, figure_9_rules());
  declare_grid(suite, "figure-10", "Figure 10: three ways to fix blocks",
               {kAll, {}, kSmallerSizes, {}}, figure_10_rules());
  declare_grid(suite, "figure-11", "Figures 5 and 11: matrix updates with a fixed bound",
               {kAll, {"D"}, kSizes, {100}},
               rules_by_blocks({"gs", "gsl", "gsd", "gsq"}, Update::matrix));
  declare_grid(suite, "figure-12", "Figure 12: Newton's method with a line search",
               {{"B", "C"}, {}, kSizes, {}},
               rules_by_blocks({"gs", "gsl", "gsd", "gsq"}, Update::newton));
  declare_graphs(suite, "figure-6a", "Figure 6a: blocks that are forests, on a lattice", "D",
                 {"D"});
  declare_graphs(suite, "figure-6b", "Figure 6b: blocks that are forests, on a graph of neighbours",
                 "E", {});
  declare_l1(suite, "figure-7", "Figure 7: x >= 0 and an L1 penalty, greedy selection",
             Selection::gsq_nonnegative, {50});
  declare_l1(suite, "figure-13", "Figure 13: x >= 0 and an L1 penalty, random selection",
             Selection::random, {});
  declare_published_draws(suite);
}

}  // namespace ashlar::bcd::suite
