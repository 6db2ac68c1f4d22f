#pragma once
// Shared by the reference updates: make_update() of rule.hpp is what to call.
#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "impls/bcd/rule_tools.hpp"

namespace ashlar::bcd {

/// What was computed for a block, kept for the blocks of a fixed partition. A block is known by its
/// content: a block that comes from the same memory with other coordinates is another block.
template <class Value>
class BlockMemo {
 public:
  /// Without `keeps` everything is computed anew, into the same value.
  explicit BlockMemo(bool keeps) : keeps_(keeps) {}

  /// make(Value&) is called unless this block's value is known.
  template <class Make>
  const Value& of(Block block, const Make& make) {
    if (!keeps_) {
      make(single_);
      return single_;
    }
    std::size_t hash = block.size();
    for (const Index i : block) hash = hash * 0x9E3779B97F4A7C15u + static_cast<std::size_t>(i);
    std::vector<Entry>& entries = entries_[hash];
    for (const Entry& entry : entries) {
      if (std::equal(block.begin(), block.end(), entry.block.begin(), entry.block.end())) {
        return *entry.value;
      }
    }
    auto value = std::make_unique<Value>();
    make(*value);
    entries.push_back({{block.begin(), block.end()}, std::move(value)});
    return *entries.back().value;
  }

 private:
  struct Entry {
    std::vector<Index> block;
    std::unique_ptr<Value> value;
  };

  bool keeps_;
  Value single_{};
  std::unordered_map<std::size_t, std::vector<Entry>> entries_;
};

/// Asks the objective about a block, into buffers that are kept.
class BlockView {
 public:
  BlockView(const Rule& rule, const RuleTools& tools)
      : tools_(tools), lipschitz_(rule.partition != Partition::variable) {}

  /// g_b, valid until the next call.
  std::span<double> gradient(Objective& objective, Block block);
  /// x_b, valid until the next call.
  std::span<double> x(Objective& objective, Block block);
  /// H_b, and the Hessian's block at x: one buffer, valid until the next call of either.
  std::span<double> bound(Objective& objective, Block block);
  std::span<double> hessian(Objective& objective, Block block);
  /// L_b = lambda_max(H_b).
  double lipschitz(Objective& objective, Block block);
  /// f(x) - f(x + U_b d) >= 0.5 ||g_b||^2 / L_b: moves by -g_b / L_b, for a g_b that is at hand.
  void gradient_step(Objective& objective, Block block, std::span<const double> g);

 private:
  std::vector<double> gradient_;
  std::vector<double> x_;
  std::vector<double> matrix_;
  std::vector<double> step_;
  RuleTools tools_;
  BlockMemo<double> lipschitz_;
};

std::unique_ptr<UpdateRule> update_unconstrained(const Rule& rule, Objective& objective,
                                                 const RuleTools& tools);
std::unique_ptr<UpdateRule> update_exact(const Rule& rule, Objective& objective,
                                         const RuleTools& tools);
std::unique_ptr<UpdateRule> update_constrained(const Rule& rule, const RuleTools& tools);

}  // namespace ashlar::bcd
