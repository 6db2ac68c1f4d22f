#include "impls/bcd/rule.hpp"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

namespace ashlar::bcd {
namespace {

template <class Value>
struct RuleName {
  Value value;
  std::string_view name;
};

constexpr auto kPartitionNames =
    std::to_array<RuleName<Partition>>({{Partition::variable, "variable"},
                                        {Partition::order, "order"},
                                        {Partition::sort, "sort"},
                                        {Partition::average, "average"},
                                        {Partition::hessian_sort, "hessian-sort"},
                                        {Partition::hessian_average, "hessian-average"},
                                        {Partition::red_black, "red-black"},
                                        {Partition::trees, "trees"}});

constexpr auto kSelectionNames =
    std::to_array<RuleName<Selection>>({{Selection::random, "random"},
                                        {Selection::cyclic, "cyclic"},
                                        {Selection::lipschitz, "lipschitz"},
                                        {Selection::gs, "gs"},
                                        {Selection::gsl, "gsl"},
                                        {Selection::gsd, "gsd"},
                                        {Selection::gsq, "gsq"},
                                        {Selection::gsq_nonnegative, "gsq-nonnegative"},
                                        {Selection::maximum_improvement, "maximum-improvement"},
                                        {Selection::greedy_tree, "greedy-tree"},
                                        {Selection::random_tree, "random-tree"},
                                        {Selection::general, "general"}});

constexpr auto kUpdateNames =
    std::to_array<RuleName<Update>>({{Update::lipschitz_block, "lipschitz-block"},
                                     {Update::line_search, "line-search"},
                                     {Update::matrix, "matrix"},
                                     {Update::newton, "newton"},
                                     {Update::message_passing, "message-passing"},
                                     {Update::dense_exact, "dense-exact"},
                                     {Update::projected_gradient, "projected-gradient"},
                                     {Update::projected_newton, "projected-newton"},
                                     {Update::two_metric, "two-metric"},
                                     {Update::proximal, "proximal"}});

template <class Value, std::size_t count>
std::string_view name_among(const std::array<RuleName<Value>, count>& names, Value value) {
  for (const RuleName<Value>& known : names) {
    if (known.value == value) return known.name;
  }
  return "unknown";
}

template <class Value, std::size_t count>
Value value_among(const std::array<RuleName<Value>, count>& names, std::string_view what,
                  std::string_view name) {
  std::string all;
  for (const RuleName<Value>& known : names) {
    if (known.name == name) return known.value;
    all.append(all.empty() ? "" : ", ").append(known.name);
  }
  throw std::invalid_argument(fmt::format("no {} is called '{}'; there are {}", what, name, all));
}

[[noreturn]] void refuse_rule(const std::string& why) {
  throw std::invalid_argument(fmt::format("rule: {}", why));
}

bool has_graph_blocks(Partition partition) {
  return partition == Partition::red_black || partition == Partition::trees;
}

bool grows_forest(Selection selection) {
  return selection == Selection::greedy_tree || selection == Selection::random_tree;
}

/// Whether each block has a size of its own, so that block_size means nothing.
bool sizes_itself(const Rule& rule) {
  return has_graph_blocks(rule.partition) || grows_forest(rule.selection) ||
         rule.selection == Selection::general;
}

bool ranks_by_gradient(Selection selection) {
  switch (selection) {
    case Selection::random:
    case Selection::cyclic:
    case Selection::lipschitz:
    case Selection::random_tree:
    case Selection::gsq_nonnegative:
      return false;
    default:
      return true;
  }
}

bool keeps_nonnegative(Update update) {
  return update == Update::projected_gradient || update == Update::projected_newton ||
         update == Update::two_metric;
}

void check_block_size(const Rule& rule, Index size) {
  if (sizes_itself(rule)) return;
  if (rule.block_size < 1 || rule.block_size > size) {
    refuse_rule(fmt::format("block size {} is not in 1..{}, the number of coordinates",
                            rule.block_size, size));
  }
  const bool walks = rule.partition != Partition::variable || rule.selection == Selection::cyclic;
  if (walks && size % rule.block_size != 0 && !rule.allow_short_block) {
    refuse_rule(
        fmt::format("block size {} does not divide {} coordinates; take a divisor or allow a short "
                    "last block",
                    rule.block_size, size));
  }
}

void check_partition(const Rule& rule, const Problem& problem) {
  if (has_graph_blocks(rule.partition) && problem.loss != Loss::quadratic) {
    refuse_rule(
        fmt::format("partition '{}' needs the graph of a quadratic's matrix; this loss has none",
                    name_of(rule.partition)));
  }
}

void check_selection(const Rule& rule, const Problem& problem) {
  const bool variable = rule.partition == Partition::variable;
  const bool own_blocks = grows_forest(rule.selection) || rule.selection == Selection::general;
  if (own_blocks && !variable) {
    refuse_rule(
        fmt::format("selection '{}' forms its own blocks and has no form for fixed ones; take "
                    "partition 'variable'",
                    name_of(rule.selection)));
  }
  if (rule.selection == Selection::maximum_improvement && variable) {
    refuse_rule(
        "selection 'maximum-improvement' has no form for variable blocks; take a fixed partition");
  }
  if (grows_forest(rule.selection) && problem.loss != Loss::quadratic) {
    refuse_rule(
        fmt::format("selection '{}' needs the graph of a quadratic's matrix; this loss has none",
                    name_of(rule.selection)));
  }
  if (rule.selection == Selection::gsq_nonnegative && !problem.penalty.nonnegative) {
    refuse_rule("selection 'gsq-nonnegative' is for problems with x >= 0; take 'gsq' or 'gsd'");
  }
  // Their scores do not vanish at a minimiser, so that they can hold on to coordinates that are
  // done.
  if (ranks_by_gradient(rule.selection)) {
    if (problem.penalty.nonnegative) {
      refuse_rule(fmt::format(
          "selection '{}' does not know x >= 0 and would stall; take 'gsq-nonnegative', 'random', "
          "'cyclic' or 'lipschitz'",
          name_of(rule.selection)));
    }
    if (problem.penalty.lambda > 0) {
      refuse_rule(fmt::format(
          "selection '{}' does not know the penalty and would stall; take 'random', 'cyclic' or "
          "'lipschitz'",
          name_of(rule.selection)));
    }
  }
}

void check_update_blocks(const Rule& rule, const Problem& problem) {
  if (rule.update == Update::message_passing) {
    if (problem.loss != Loss::quadratic) {
      refuse_rule(
          "update 'message-passing' needs the graph of a quadratic's matrix; take 'newton'");
    }
    if (!has_graph_blocks(rule.partition) && !grows_forest(rule.selection)) {
      refuse_rule(
          "update 'message-passing' needs blocks that are forests: partition 'red-black' or "
          "'trees', or selection 'greedy-tree' or 'random-tree'; else take 'dense-exact'");
    }
  }
  const bool quadratic = problem.loss == Loss::quadratic || problem.loss == Loss::least_squares;
  if (rule.update == Update::dense_exact && !quadratic) {
    refuse_rule(
        "update 'dense-exact' is exact for quadratics and least squares only; take 'newton'");
  }
}

void check_update_penalty(const Rule& rule, const Penalty& penalty) {
  if (keeps_nonnegative(rule.update) && !penalty.nonnegative) {
    refuse_rule(fmt::format("update '{}' is for problems with x >= 0, and this is none",
                            name_of(rule.update)));
  }
  if (penalty.nonnegative && !keeps_nonnegative(rule.update)) {
    refuse_rule(fmt::format(
        "update '{}' does not keep x >= 0; take 'projected-gradient', 'projected-newton' or "
        "'two-metric'",
        name_of(rule.update)));
  }
  if (penalty.lambda > 0 && !penalty.nonnegative && rule.update != Update::proximal) {
    refuse_rule(
        fmt::format("update '{}' does not know the penalty lambda * sum |x_i|; take 'proximal'",
                    name_of(rule.update)));
  }
}

}  // namespace

void validate(const Rule& rule, const Problem& problem) {
  check_partition(rule, problem);
  check_selection(rule, problem);
  check_update_blocks(rule, problem);
  check_update_penalty(rule, problem.penalty);
  check_block_size(rule, problem.size());
}

std::string_view name_of(Partition partition) { return name_among(kPartitionNames, partition); }
std::string_view name_of(Selection selection) { return name_among(kSelectionNames, selection); }
std::string_view name_of(Update update) { return name_among(kUpdateNames, update); }

Partition parse_partition(std::string_view name) {
  return value_among(kPartitionNames, "partition", name);
}
Selection parse_selection(std::string_view name) {
  return value_among(kSelectionNames, "selection rule", name);
}
Update parse_update(std::string_view name) { return value_among(kUpdateNames, "update", name); }

}  // namespace ashlar::bcd
