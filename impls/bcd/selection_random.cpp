// Rules that do not look at the gradient.
#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/selection.hpp"
#include "impls/bcd/weight_tree.hpp"

namespace ashlar::bcd {
namespace {

class RandomBlock final : public SelectionRule {
 public:
  RandomBlock(const Rule& rule, const Blocks& blocks) : blocks_(blocks), stream_(stream_of(rule)) {}
  Block select(Objective&, std::span<const double>) override {
    return blocks_[stream_.integer(static_cast<std::uint32_t>(blocks_.size() - 1))];
  }

 private:
  const Blocks& blocks_;
  Mersenne stream_;
};

class CyclicBlock final : public SelectionRule {
 public:
  explicit CyclicBlock(const Blocks& blocks) : blocks_(blocks) {}
  Block select(Objective&, std::span<const double>) override {
    const Block block = blocks_[next_];
    next_ = (next_ + 1) % blocks_.size();
    return block;
  }

 private:
  const Blocks& blocks_;
  std::size_t next_ = 0;
};

/// L_b is lambda_max(H_b), whatever the update estimates: an estimate grows where its block is
/// taken, so that draws by estimates would come back to the same few blocks for ever.
class LipschitzBlock final : public SelectionRule {
 public:
  LipschitzBlock(const Rule& rule, const Blocks& blocks, Objective& objective)
      : blocks_(blocks), weights_(block_lipschitz(objective, blocks)), stream_(stream_of(rule)) {}

  Block select(Objective&, std::span<const double>) override {
    return blocks_[weights_.find(stream_.uniform())];
  }

 private:
  const Blocks& blocks_;
  WeightTree weights_;
  Mersenne stream_;
};

/// The end of a shuffle suffices: O(k) where a whole permutation is O(p).
class RandomCoordinates final : public SelectionRule {
 public:
  RandomCoordinates(const Rule& rule, Index size)
      : stream_(stream_of(rule)), shuffled_(size), block_(rule.block_size) {
    std::iota(shuffled_.begin(), shuffled_.end(), 0);
  }
  Block select(Objective&, std::span<const double>) override {
    std::size_t last = shuffled_.size();
    for (Index& chosen : block_) {
      --last;
      const std::uint32_t place = stream_.integer(static_cast<std::uint32_t>(last));
      std::swap(shuffled_[place], shuffled_[last]);
      chosen = shuffled_[last];
    }
    std::sort(block_.begin(), block_.end());
    return block_;
  }

 private:
  Mersenne stream_;
  std::vector<Index> shuffled_;
  std::vector<Index> block_;
};

/// One permutation for the whole run, as published: each pass has the same blocks.
class CyclicCoordinates final : public SelectionRule {
 public:
  CyclicCoordinates(const Rule& rule, Index size)
      : permutation_(stream_of(rule).permutation(size)), size_(rule.block_size) {
    for (auto start = permutation_.begin(); start != permutation_.end();) {
      const auto end = permutation_.end() - start < size_ ? permutation_.end() : start + size_;
      std::sort(start, end);
      start = end;
    }
  }
  Block select(Objective&, std::span<const double>) override {
    const Block rest = Block(permutation_).subspan(next_);
    const Block block = rest.first(std::min<std::size_t>(size_, rest.size()));
    next_ = (next_ + block.size()) % permutation_.size();
    return block;
  }

 private:
  std::vector<Index> permutation_;  // rising within each block
  Index size_;
  std::size_t next_ = 0;
};

/// Draws without replacement by L_i = H_ii: what is drawn has weight 0 until the block is full.
class LipschitzCoordinates final : public SelectionRule {
 public:
  LipschitzCoordinates(const Rule& rule, Objective& objective)
      : stream_(stream_of(rule)), weights_(objective.lipschitz()), block_(rule.block_size) {}
  Block select(Objective& objective, std::span<const double>) override {
    for (Index& chosen : block_) {
      chosen = weights_.find(stream_.uniform());
      weights_.set(chosen, 0);
    }
    for (const Index chosen : block_) weights_.set(chosen, objective.lipschitz()[chosen]);
    std::sort(block_.begin(), block_.end());
    return block_;
  }

 private:
  Mersenne stream_;
  WeightTree weights_;
  std::vector<Index> block_;
};

}  // namespace

std::unique_ptr<SelectionRule> select_without_gradient(const Rule& rule, const Blocks& blocks,
                                                       Objective& objective) {
  const bool variable = blocks.empty();
  const bool same_calls =
      rule.selection == Selection::cyclic || (rule.selection == Selection::random && !variable);
  if (rule.published_draws && !same_calls) return select_as_published(rule, blocks, objective);
  if (rule.selection == Selection::random) {
    if (variable) return std::make_unique<RandomCoordinates>(rule, objective.size());
    return std::make_unique<RandomBlock>(rule, blocks);
  }
  if (rule.selection == Selection::cyclic) {
    if (variable) return std::make_unique<CyclicCoordinates>(rule, objective.size());
    return std::make_unique<CyclicBlock>(blocks);
  }
  if (variable) return std::make_unique<LipschitzCoordinates>(rule, objective);
  return std::make_unique<LipschitzBlock>(rule, blocks, objective);
}

}  // namespace ashlar::bcd
