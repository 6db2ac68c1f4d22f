// Random rules by the calls that the published code makes of NumPy's RandomState, in their order:
// what it drew can be drawn again.
#include <algorithm>
#include <numeric>
#include <utility>

#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/selection.hpp"

namespace ashlar::bcd {
namespace {

/// What searchsorted(uniform, side="right") finds in cumsum(weights) / sum(weights).
class Cumulated {
 public:
  void assign(std::span<const double> weights) {
    sums_.resize(weights.size());
    std::partial_sum(weights.begin(), weights.end(), sums_.begin());
    const double total = sums_.back();
    for (double& sum : sums_) sum /= total;
  }
  Index find(double uniform) const {
    const auto at = std::upper_bound(sums_.begin(), sums_.end(), uniform);
    return static_cast<Index>(at - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

/// The weights are divided by their sum before they are cumulated.
std::vector<double> shares_of(std::span<const double> weights) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> shares(weights.begin(), weights.end());
  for (double& share : shares) share /= total;
  return shares;
}

/// choice(blocks, p = L_b / sum L_b); L_b is exact, even where the update estimates its own.
class PublishedLipschitzBlock final : public SelectionRule {
 public:
  PublishedLipschitzBlock(const Rule& rule, const Blocks& blocks, Objective& objective)
      : blocks_(blocks), stream_(stream_of(rule)) {
    sums_.assign(shares_of(block_lipschitz(objective, blocks)));
  }
  Block select(Objective&, std::span<const double>) override {
    return blocks_[sums_.find(stream_.uniform())];
  }

 private:
  const Blocks& blocks_;
  Cumulated sums_;
  Mersenne stream_;
};

/// permutation(p)[:k], a whole permutation each time.
class PublishedRandomCoordinates final : public SelectionRule {
 public:
  explicit PublishedRandomCoordinates(const Rule& rule)
      : stream_(stream_of(rule)), size_(rule.block_size) {}
  Block select(Objective& objective, std::span<const double>) override {
    block_ = stream_.choice(objective.size(), size_);
    std::sort(block_.begin(), block_.end());
    return block_;
  }

 private:
  Mersenne stream_;
  Index size_;
  std::vector<Index> block_;
};

/// choice(p, k, replace=False, p = L / sum L): as many at once as are missing, of which those are
/// kept that were not drawn yet, with the weights of those drawn before at 0.
class PublishedLipschitzCoordinates final : public SelectionRule {
 public:
  explicit PublishedLipschitzCoordinates(const Rule& rule)
      : stream_(stream_of(rule)), size_(static_cast<std::size_t>(rule.block_size)) {}
  Block select(Objective& objective, std::span<const double>) override {
    shares_ = shares_of(objective.lipschitz());
    block_.clear();
    while (block_.size() < size_) {
      for (const Index drawn : block_) shares_[drawn] = 0;
      sums_.assign(shares_);
      const std::size_t known = block_.size();
      for (std::size_t draw = known; draw < size_; ++draw) {
        const Index drawn = sums_.find(stream_.uniform());
        if (std::find(block_.begin() + static_cast<std::ptrdiff_t>(known), block_.end(), drawn) ==
            block_.end()) {
          block_.push_back(drawn);
        }
      }
    }
    std::sort(block_.begin(), block_.end());
    return block_;
  }

 private:
  Mersenne stream_;
  std::size_t size_;
  std::vector<double> shares_;
  Cumulated sums_;
  std::vector<Index> block_;
};

}  // namespace

std::unique_ptr<SelectionRule> select_as_published(const Rule& rule, const Blocks& blocks,
                                                   Objective& objective) {
  if (!blocks.empty()) return std::make_unique<PublishedLipschitzBlock>(rule, blocks, objective);
  if (rule.selection == Selection::random) {
    return std::make_unique<PublishedRandomCoordinates>(rule);
  }
  return std::make_unique<PublishedLipschitzCoordinates>(rule);
}

}  // namespace ashlar::bcd
