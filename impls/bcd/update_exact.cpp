// Exact minimisation over a block of a quadratic, M_bb d = -g_b: on a forest in O(|b|), else by a
// dense factorisation.
#include "impls/bcd/block_algebra.hpp"
#include "impls/bcd/forest.hpp"
#include "impls/bcd/update.hpp"

namespace ashlar::bcd {
namespace {

class MessagePassing final : public UpdateRule {
 public:
  MessagePassing(const Rule& rule, const Objective& objective, const RuleTools& tools)
      : view_(rule, tools),
        finder_(*objective.problem().matrix),
        orders_(rule.partition != Partition::variable) {}

  void update(Objective& objective, Block block) override {
    const ForestOrder& order =
        orders_.of(block, [&](ForestOrder& found) { finder_.find(block, found); });
    const std::span<double> d = view_.gradient(objective, block);
    solve(order, d, scratch_);
    for (double& step : d) step = -step;
    objective.move(block, d);
  }

 private:
  BlockView view_;
  ForestFinder finder_;
  BlockMemo<ForestOrder> orders_;
  std::vector<double> scratch_;
};

class DenseExact final : public UpdateRule {
 public:
  DenseExact(const Rule& rule, const RuleTools& tools) : view_(rule, tools) {}

  void update(Objective& objective, Block block) override {
    const std::span<double> d = view_.gradient(objective, block);
    const std::span<const double> h = view_.bound(objective, block);
    // A column that is there twice: any minimiser is exact.
    if (!solve_cholesky(h, d)) solve_pseudo_inverse(h, d);
    for (double& step : d) step = -step;
    objective.move(block, d);
  }

 private:
  BlockView view_;
};

}  // namespace

std::unique_ptr<UpdateRule> update_exact(const Rule& rule, Objective& objective,
                                         const RuleTools& tools) {
  if (rule.update == Update::message_passing) {
    return std::make_unique<MessagePassing>(rule, objective, tools);
  }
  return std::make_unique<DenseExact>(rule, tools);
}

}  // namespace ashlar::bcd
