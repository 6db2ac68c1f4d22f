#include "impls/bcd/rule.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <stdexcept>

#include "impls/bcd/test_selection.hpp"

namespace ashlar::bcd::testing {
namespace {

using Catch::Matchers::Contains;

Problem features_problem(Loss loss, Penalty penalty = {}) {
  Problem problem;
  problem.loss = loss;
  problem.penalty = penalty;
  const std::vector<double> dense{1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 4};
  problem.features = std::make_shared<FeatureMatrix>(features_from_dense(2, 6, dense));
  problem.targets = {1, -1};
  return problem;
}

template <class Value, class Parse>
void check_names(Value last, const Parse& parse) {
  for (int number = 0; number <= static_cast<int>(last); ++number) {
    const auto value = static_cast<Value>(number);
    CAPTURE(number, name_of(value));
    CHECK(name_of(value) != "unknown");
    CHECK(parse(name_of(value)) == value);
  }
}

TEST_CASE("names of rules lead back to them", "[bcd]") {
  check_names(Partition::trees, parse_partition);
  check_names(Selection::general, parse_selection);
  check_names(Update::proximal, parse_update);
}

TEST_CASE("an unknown name is refused with the names there are", "[bcd]") {
  CHECK_THROWS_WITH(parse_partition("sorted"), Contains("'sorted'") && Contains("hessian-sort"));
  CHECK_THROWS_WITH(parse_selection(""), Contains("''") && Contains("greedy-tree"));
  CHECK_THROWS_WITH(parse_update("Matrix"), Contains("'Matrix'") && Contains("two-metric"));
}

struct Refused {
  Rule rule;
  Problem problem;
  std::string says;
};

std::vector<Refused> refused_rules() {
  const Problem graph = laplacian_problem(graph_of(6, {{0, 1}, {1, 2}}));
  const Problem squares = features_problem(Loss::least_squares);
  const Problem logistic = features_problem(Loss::logistic);
  const Problem positive =
      features_problem(Loss::least_squares, {.lambda = 1, .nonnegative = true});
  const Problem lasso = features_problem(Loss::least_squares, {.lambda = 1});
  const auto fixed = Partition::order;
  const auto random = Selection::random;
  return {
      {{.block_size = 0}, squares, "block size 0 is not in 1..6"},
      {{.block_size = 7}, squares, "block size 7 is not in 1..6"},
      {{.block_size = -1}, squares, "block size -1 is not in 1..6"},
      {{.partition = fixed, .block_size = 4}, squares, "4 does not divide 6"},
      {{.selection = Selection::cyclic, .block_size = 4}, squares, "4 does not divide 6"},
      {{.partition = Partition::red_black}, squares, "'red-black' needs the graph"},
      {{.partition = Partition::trees}, logistic, "'trees' needs the graph"},
      {{.selection = Selection::greedy_tree}, squares, "'greedy-tree' needs the graph"},
      {{.selection = Selection::random_tree}, squares, "'random-tree' needs the graph"},
      {{.partition = fixed, .selection = Selection::greedy_tree}, graph, "forms its own blocks"},
      {{.partition = Partition::trees, .selection = Selection::random_tree}, graph, "own blocks"},
      {{.partition = fixed, .selection = Selection::general}, squares, "forms its own blocks"},
      {{.selection = Selection::maximum_improvement}, squares, "no form for variable"},
      {{.selection = Selection::gsq_nonnegative}, squares, "is for problems with x >= 0"},
      {{.selection = Selection::gs, .update = Update::two_metric}, positive, "would stall"},
      {{.selection = Selection::gs, .update = Update::proximal}, lasso, "would stall"},
      {{.update = Update::message_passing}, squares, "needs the graph"},
      {{.update = Update::message_passing}, graph, "blocks that are forests"},
      {{.selection = Selection::general, .update = Update::message_passing}, graph, "forests"},
      {{.update = Update::dense_exact}, logistic, "'dense-exact' is exact for"},
      {{.update = Update::projected_gradient}, squares, "'projected-gradient' is for problems"},
      {{.update = Update::projected_newton}, squares, "'projected-newton' is for problems"},
      {{.update = Update::two_metric}, squares, "'two-metric' is for problems"},
      {{.selection = random, .update = Update::matrix}, positive, "does not keep x >= 0"},
      {{.selection = random, .update = Update::proximal}, positive, "does not keep x >= 0"},
      {{.selection = random, .update = Update::newton}, lasso, "does not know the penalty"},
  };
}

TEST_CASE("parts that do not go together are refused in one line", "[bcd]") {
  for (Refused& one : refused_rules()) {
    if (one.rule.block_size == 5) one.rule.block_size = 3;
    CAPTURE(name_of(one.rule.partition), name_of(one.rule.selection), name_of(one.rule.update));
    CHECK_THROWS_AS(validate(one.rule, one.problem), std::invalid_argument);
    CHECK_THROWS_WITH(validate(one.rule, one.problem), Contains(one.says) && !Contains("\n"));
  }
}

TEST_CASE("rules of every figure of the paper are accepted", "[bcd]") {
  const Problem graph = laplacian_problem(graph_of(6, {{0, 1}, {1, 2}}));
  const Problem positive =
      features_problem(Loss::least_squares, {.lambda = 1, .nonnegative = true});
  const Problem logistic = features_problem(Loss::logistic);
  for (const Partition partition : {Partition::variable, Partition::sort, Partition::average}) {
    for (const Selection selection :
         {Selection::random, Selection::cyclic, Selection::lipschitz, Selection::gs, Selection::gsl,
          Selection::gsd, Selection::gsq}) {
      for (const Update update :
           {Update::lipschitz_block, Update::line_search, Update::matrix, Update::newton}) {
        const Rule rule{
            .partition = partition, .selection = selection, .update = update, .block_size = 3};
        CHECK_NOTHROW(validate(rule, logistic));
        CHECK_NOTHROW(validate(rule, graph));
      }
    }
    for (const Update update :
         {Update::projected_gradient, Update::projected_newton, Update::two_metric}) {
      for (const Selection selection : {Selection::random, Selection::gsq_nonnegative}) {
        CHECK_NOTHROW(validate(
            {.partition = partition, .selection = selection, .update = update, .block_size = 2},
            positive));
      }
    }
  }
  // Sizes of their own: a block size that could not be is of no account.
  for (const Update update : {Update::message_passing, Update::dense_exact}) {
    for (const Selection selection : {Selection::greedy_tree, Selection::random_tree}) {
      CHECK_NOTHROW(validate({.selection = selection, .update = update, .block_size = -1}, graph));
    }
    for (const Partition partition : {Partition::red_black, Partition::trees}) {
      CHECK_NOTHROW(validate({.partition = partition,
                              .selection = Selection::cyclic,
                              .update = update,
                              .block_size = -1},
                             graph));
    }
  }
  CHECK_NOTHROW(validate(
      {.selection = Selection::general, .update = Update::dense_exact, .block_size = -1}, graph));
  CHECK_NOTHROW(
      validate({.partition = Partition::order, .block_size = 4, .allow_short_block = true}, graph));
}

}  // namespace
}  // namespace ashlar::bcd::testing
