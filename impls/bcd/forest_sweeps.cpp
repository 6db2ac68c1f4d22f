#include "impls/bcd/forest_sweeps.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "impls/core/parallel.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

constexpr Index kMostInSubtree = 4096;
/// Below it waking a team takes longer than its work.
constexpr std::int64_t kLeastTasksOfTeam = 4;

/// Steps of an elimination as a tree to be walked: the last child of a step, and of a child the one
/// before it.
struct Children {
  explicit Children(const ForestOrder& order)
      : last(order.places.size(), -1), before(order.places.size(), -1) {
    for (Index step = 0; step < order.size(); ++step) {
      const Index parent = order.parents[step];
      if (parent < 0) continue;
      before[step] = last[parent];
      last[parent] = step;
    }
  }
  std::vector<Index> last, before;
};

/// Children before their parents, the whole of a subtree together. Of a parent's subtrees the one
/// that was removed last, which is the deepest, comes first, and small ones are near the parent.
std::vector<Index> post_order(const ForestOrder& order) {
  const Children children(order);
  std::vector<Index> reversed;  // a parent, then its subtrees
  reversed.reserve(order.places.size());
  std::vector<Index> open;
  for (Index root = 0; root < order.size(); ++root) {
    if (order.parents[root] >= 0) continue;
    open.push_back(root);
    while (!open.empty()) {
      const Index step = open.back();
      open.pop_back();
      reversed.push_back(step);
      for (Index child = children.last[step]; child >= 0; child = children.before[child])
        open.push_back(child);
    }
  }
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

std::vector<Index> subtree_sizes(const ForestOrder& order) {
  std::vector<Index> sizes(order.places.size(), 1);
  for (Index step = 0; step < order.size(); ++step) {
    if (order.parents[step] >= 0) sizes[order.parents[step]] += sizes[step];
  }
  return sizes;
}

const SymmetricMatrix& swept_matrix(const Problem& problem) {
  if (problem.loss != Loss::quadratic)
    throw std::invalid_argument("forest sweeps: the problem is no quadratic, so has no graph");
  return *problem.matrix;
}

}  // namespace

ForestSweeps::ForestSweeps(const Problem& problem, const Blocks& blocks, int threads)
    : threads_(threads) {
  if (threads < 1) {
    throw std::invalid_argument("forest sweeps: threads = " + std::to_string(threads) +
                                "; at least 1");
  }
  ForestFinder finder(swept_matrix(problem));
  ForestOrder order;
  std::vector<bool> placed(problem.linear.size(), false);
  for (const std::vector<Index>& block : blocks) {
    finder.find(block, order);
    for (const Index node : block) {
      if (placed[node]) {
        throw std::invalid_argument("forest sweeps: coordinate " + std::to_string(node) +
                                    " is in two blocks");
      }
      placed[node] = true;
    }
    number_block(order, block);
  }
  // What no block has stays as it is.
  for (std::size_t node = 0; node < placed.size(); ++node) {
    if (!placed[node]) nodes_.push_back(static_cast<Index>(node));
  }
  fill_rows(problem);
  x_.resize(nodes_.size());
  messages_.resize(nodes_.size());
}

void ForestSweeps::number_block(const ForestOrder& order, Block block) {
  const std::vector<Index> sizes = subtree_sizes(order);
  std::vector<Index> steps = post_order(order);
  const auto is_low = [&](Index step) { return sizes[step] <= kMostInSubtree; };
  const auto top = std::stable_partition(steps.begin(), steps.end(), is_low);

  Range range;
  range.first = static_cast<Index>(nodes_.size());
  range.top = range.first + static_cast<Index>(top - steps.begin());
  range.end = range.first + order.size();
  std::vector<Index> position(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i)
    position[steps[i]] = range.first + static_cast<Index>(i);

  range.cuts.push_back(range.first);
  for (const Index step : steps) {
    const Index at = position[step];
    const Index parent = order.parents[step] < 0 ? -1 : position[order.parents[step]];
    nodes_.push_back(block[order.places[step]]);
    parents_.push_back(parent);
    shares_.push_back(order.edges[step] / order.pivots[step]);
    inverses_.push_back(1 / order.pivots[step]);
    if (at >= range.top) continue;
    if (parent >= range.top) range.hanging.push_back(at);
    // Here a subtree ends.
    const bool whole = parent < 0 || parent >= range.top;
    if (whole && at + 1 - range.cuts.back() >= kMostInSubtree) range.cuts.push_back(at + 1);
  }
  if (range.cuts.back() < range.top) range.cuts.push_back(range.top);
  blocks_.push_back(std::move(range));
}

void ForestSweeps::fill_rows(const Problem& problem) {
  const SparseLines& rest = problem.matrix->rest;
  std::vector<Index> position(nodes_.size());
  for (std::size_t at = 0; at < nodes_.size(); ++at) position[nodes_[at]] = static_cast<Index>(at);
  starts_.push_back(0);
  for (const Range& block : blocks_) {
    for (Index at = block.first; at < block.end; ++at) {
      linear_.push_back(problem.linear[nodes_[at]]);
      const auto indices = rest.indices_of(nodes_[at]);
      const auto values = rest.values_of(nodes_[at]);
      for (std::size_t e = 0; e < indices.size(); ++e) {
        const Index other = position[indices[e]];
        if (other >= block.first && other < block.end) continue;
        indices_.push_back(other);
        values_.push_back(values[e]);
      }
      starts_.push_back(static_cast<std::int64_t>(indices_.size()));
    }
  }
}

void ForestSweeps::set_x(std::span<const double> x) {
  if (x.size() != x_.size())
    throw std::invalid_argument("set_x: x has another size than the problem");
  for (std::size_t at = 0; at < x_.size(); ++at) x_[at] = x[nodes_[at]];
  next_ = 0;
}

void ForestSweeps::get_x(std::span<double> x) const {
  for (std::size_t at = 0; at < x_.size(); ++at) x[nodes_[at]] = x_[at];
}

/// y_i = c_i - M_{i,rest} x_rest - sum over children of M_ij / pivot_j y_j, kept in messages_.
void ForestSweeps::up(Index first, Index last) {
  std::int64_t entry = starts_[first];
  for (Index at = first; at < last; ++at) {
    double right = linear_[at];
    for (const std::int64_t end = starts_[at + 1]; entry < end; ++entry)
      right -= values_[entry] * x_[indices_[entry]];
    right += messages_[at];
    messages_[at] = right;
    // Beyond `last` lies another thread's, or nothing (-1).
    if (const Index parent = parents_[at]; parent < last && parent >= 0)
      messages_[parent] -= shares_[at] * right;
  }
}

void ForestSweeps::down(Index first, Index last) {
  for (Index at = last - 1; at >= first; --at) {
    const Index parent = parents_[at];
    const double from_above = parent >= 0 ? shares_[at] * x_[parent] : 0;
    x_[at] = messages_[at] * inverses_[at] - from_above;
    messages_[at] = 0;
  }
}

void ForestSweeps::tasks_up(const Range& block, std::int64_t task) {
  up(block.cuts[task], block.cuts[task + 1]);
}

void ForestSweeps::tasks_down(const Range& block, std::int64_t task) {
  down(block.cuts[task], block.cuts[task + 1]);
}

void ForestSweeps::above(const Range& block) {
  for (const Index at : block.hanging) messages_[parents_[at]] -= shares_[at] * messages_[at];
  up(block.top, block.end);
  down(block.top, block.end);
}

void ForestSweeps::run(std::int64_t iterations) {
  if (iterations <= 0 || blocks_.empty()) return;
  const core::Range profiled("forest blocks", iterations);
  const auto team_for = [&](std::int64_t tasks) {
    return tasks < kLeastTasksOfTeam ? 1 : threads_;
  };
  const Range* block = &blocks_[next_];
  core::parallel_for_dynamic(
      block->tasks(), [&](std::int64_t task, int) { tasks_up(*block, task); },
      team_for(block->tasks()));
  for (std::int64_t i = 0; i < iterations; ++i) {
    above(*block);
    next_ = (next_ + 1) % blocks_.size();
    const Range* const following = &blocks_[next_];
    const std::int64_t further = i + 1 < iterations ? following->tasks() : 0;
    core::parallel_for_dynamic_in_turn(
        block->tasks(), [&](std::int64_t task, int) { tasks_down(*block, task); }, further,
        [&](std::int64_t task, int) { tasks_up(*following, task); },
        team_for(std::max(block->tasks(), further)));
    block = following;
  }
}

}  // namespace ashlar::bcd
