#include "impls/bcd/optimized.hpp"

#include <cmath>
#include <memory>

#include "impls/bcd/fast_eigen.hpp"
#include "impls/bcd/fast_kernels.hpp"
#include "impls/bcd/rule_tools.hpp"
#include "impls/bcd/top_k.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

RuleTools optimized_tools() {
  RuleTools tools;
  tools.largest_eigenvalue = [lanczos = LanczosEigenvalue()](std::span<const double> matrix,
                                                             Index k) mutable {
    const core::Range range("eigenvalue", k);
    return lanczos.of(matrix, k).value;
  };
  tools.top = [workspace = TopKWorkspace()](std::span<const double> scores, Index count,
                                            std::vector<Index>& chosen) mutable {
    // Squares do not cancel: their sum is a number unless a score is none.
    const auto size = static_cast<Index>(scores.size());
    const double squares = fast_kernels().dot(scores.data(), scores.data(), size);
    if (std::isnan(squares)) return false;
    if (squares == 0 && fast_kernels().nonzeros(scores.data(), size) == 0) return false;
    top_k(scores, count, workspace, chosen);
    return true;
  };
  tools.keep_factors = true;
  return tools;
}

/// Names the parts of an iteration for profilers.
class RangedSelection final : public SelectionRule {
 public:
  explicit RangedSelection(std::unique_ptr<SelectionRule> rule) : rule_(std::move(rule)) {}
  Block select(Objective& objective, std::span<const double> lipschitz) override {
    const core::Range range("select");
    return rule_->select(objective, lipschitz);
  }

 private:
  std::unique_ptr<SelectionRule> rule_;
};

class RangedUpdate final : public UpdateRule {
 public:
  explicit RangedUpdate(std::unique_ptr<UpdateRule> rule) : rule_(std::move(rule)) {}
  void update(Objective& objective, Block block) override {
    const core::Range range("update", static_cast<std::int64_t>(block.size()));
    rule_->update(objective, block);
  }
  std::optional<std::span<const double>> estimates() const override { return rule_->estimates(); }

 private:
  std::unique_ptr<UpdateRule> rule_;
};

}  // namespace

Parts make_optimized_parts(const Problem& problem, const Rule& rule,
                           const OptimizedOptions& options) {
  validate(rule, problem);
  const RuleTools tools = optimized_tools();
  Parts parts;
  parts.objective = make_optimized_objective(problem, options);
  parts.blocks = std::make_unique<const Blocks>(make_blocks(rule, *parts.objective));
  parts.selection = std::make_unique<RangedSelection>(
      make_selection(rule, *parts.blocks, *parts.objective, tools));
  parts.update = std::make_unique<RangedUpdate>(make_update(rule, *parts.objective, tools));
  return parts;
}

}  // namespace ashlar::bcd
