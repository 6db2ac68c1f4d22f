// Forests that are grown anew each iteration: coordinates in some order, each taken unless it would
// close a cycle.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "impls/bcd/graph_partition.hpp"
#include "impls/bcd/selection.hpp"

namespace ashlar::bcd {
namespace {

class ForestSelection final : public SelectionRule {
 public:
  ForestSelection(const Rule& rule, Objective& objective)
      : greedy_(rule.selection == Selection::greedy_tree),
        as_published_(rule.published_draws != nullptr),
        stream_(stream_of(rule)),
        forest_(objective.problem().matrix->rest),
        order_(objective.size()) {
    std::iota(order_.begin(), order_.end(), 0);
    block_.reserve(order_.size());
  }

  Block select(Objective& objective, std::span<const double>) override {
    block_.clear();
    if (greedy_) {
      const std::span<const double> gradient = objective.gradient();
      if (!sort_by(gradient)) return {};
    } else {
      shuffle();
    }
    forest_.clear();
    for (const Index node : order_) {
      if (forest_.add(node)) block_.push_back(node);
    }
    std::sort(block_.begin(), block_.end());
    return block_;
  }

 private:
  /// False where the gradient is 0.
  bool sort_by(std::span<const double> gradient) {
    bool idle = true;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      require_number(gradient[i], static_cast<Index>(i));
      idle = idle && gradient[i] == 0;
    }
    std::sort(order_.begin(), order_.end(), [&](Index one, Index other) {
      const double a = std::abs(gradient[one]);
      const double b = std::abs(gradient[other]);
      return a > b || (a == b && one < other);
    });
    return !idle;
  }

  /// The published code draws a permutation each time, and once, behind the first, a random x for a
  /// test of its own.
  void shuffle() {
    if (as_published_) {
      order_ = stream_.permutation(static_cast<Index>(order_.size()));
      if (std::exchange(first_, false)) {
        stream_.skip_normals(static_cast<std::int64_t>(order_.size()));
      }
      return;
    }
    for (auto last = static_cast<std::uint32_t>(order_.size() - 1); last > 0; --last) {
      std::swap(order_[last], order_[stream_.integer(last)]);
    }
  }

  bool greedy_;
  bool as_published_;
  bool first_ = true;
  Mersenne stream_;
  GrowingForest forest_;
  std::vector<Index> order_;
  std::vector<Index> block_;
};

}  // namespace

std::unique_ptr<SelectionRule> select_forest(const Rule& rule, Objective& objective) {
  return std::make_unique<ForestSelection>(rule, objective);
}

}  // namespace ashlar::bcd
