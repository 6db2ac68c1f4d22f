#include "impls/bcd/forest_rounds.hpp"

#include <algorithm>
#include <queue>
#include <stdexcept>
#include <string>

namespace ashlar::bcd {
namespace {

/// A node's column of L. Targets and node are steps of the order.
struct EliminatedNode {
  Index node = -1;
  Index targets[2] = {-1, -1};
  double shares[2] = {0, 0};
  double pivot = 0;
};

/// Contracts the trees; children are known by number and by the exclusive or of their steps, which
/// is the only child's where there is one.
class Contraction {
 public:
  explicit Contraction(const ForestOrder& order)
      : order_(order),
        parents_(order.parents),
        edges_(order.edges),
        pivots_(order.diagonal),
        children_(order.places.size(), 0),
        child_(order.places.size(), 0),
        touched_(order.places.size(), -1) {
    eliminated_.reserve(order.places.size());
    for (Index step = 0; step < order.size(); ++step) {
      left_.push_back(step);
      if (parents_[step] < 0) continue;
      ++children_[parents_[step]];
      child_[parents_[step]] ^= step;
    }
    while (!left_.empty()) round();
  }

  const std::vector<EliminatedNode>& eliminated() const { return eliminated_; }
  Index rounds() const { return rounds_; }

 private:
  void round() {
    std::size_t kept = 0;
    for (const Index node : left_) {
      if (children_[node] > 1 || touched_[node] == rounds_) {
        left_[kept++] = node;
      } else {
        eliminate(node);
      }
    }
    left_.resize(kept);
    ++rounds_;
  }

  void eliminate(Index node) {
    const double pivot = pivots_[node];
    if (!(pivot > 0)) {
      throw std::invalid_argument("forest: the block is singular to working precision at place " +
                                  std::to_string(order_.places[node]) + ": its pivot is " +
                                  std::to_string(pivot));
    }
    const Index parent = parents_[node];
    const Index child = children_[node] == 1 ? child_[node] : -1;
    EliminatedNode& column = eliminated_.emplace_back();
    column.node = node;
    column.pivot = pivot;
    int entries = 0;
    const auto pass_on = [&](Index to, double edge) {
      touched_[to] = rounds_;
      column.targets[entries] = to;
      column.shares[entries] = edge / pivot;
      pivots_[to] -= edge * column.shares[entries];
      ++entries;
    };
    if (parent >= 0) {
      pass_on(parent, edges_[node]);
      --children_[parent];
      child_[parent] ^= node;
    }
    if (child >= 0) {
      pass_on(child, edges_[child]);
      parents_[child] = parent;
      if (parent < 0) return;
      edges_[child] *= -column.shares[0];
      ++children_[parent];
      child_[parent] ^= child;
    }
  }

  const ForestOrder& order_;
  std::vector<Index> parents_;
  std::vector<double> edges_;
  std::vector<double> pivots_;
  std::vector<Index> children_;
  std::vector<Index> child_;
  std::vector<Index> touched_;  // the last round in which a neighbour was taken
  std::vector<Index> left_;
  std::vector<EliminatedNode> eliminated_;
  Index rounds_ = 0;
};

struct RowEntry {
  Index source = 0;
  double share = 0;
};

/// Rows of L by the number of their node's elimination, then those of sums; levels of all.
class LevelledRows {
 public:
  explicit LevelledRows(const std::vector<EliminatedNode>& eliminated) {
    const auto nodes = eliminated.size();
    std::vector<Index> number(nodes);
    for (std::size_t k = 0; k < nodes; ++k) number[eliminated[k].node] = static_cast<Index>(k);
    rows_.resize(nodes);
    levels_.assign(nodes, 0);
    const auto for_each_entry = [&](const auto& visit) {
      for (std::size_t k = 0; k < nodes; ++k) {
        for (int side = 0; side < 2; ++side) {
          if (eliminated[k].targets[side] >= 0)
            visit(number[eliminated[k].targets[side]],
                  RowEntry{static_cast<Index>(k), eliminated[k].shares[side]});
        }
      }
    };
    for_each_entry([&](Index row, const RowEntry&) { ++rows_[row].entries; });
    Index first = 0;
    for (Row& row : rows_) {
      row.first = first;
      first += row.entries;
      row.entries = 0;
    }
    entries_.resize(static_cast<std::size_t>(first));
    for_each_entry([&](Index row, const RowEntry& entry) {
      entries_[rows_[row].first + rows_[row].entries++] = entry;
    });
    for (std::size_t k = 0; k < nodes; ++k) {
      if (rows_[k].entries > kMostRowEntries) cut(static_cast<Index>(k));
      levels_[k] = level_after(rows_[k]);
    }
  }

  Index size() const { return static_cast<Index>(rows_.size()); }
  Index level(Index row) const { return levels_[row]; }
  std::span<const RowEntry> row(Index row) const {
    return {entries_.data() + rows_[row].first, static_cast<std::size_t>(rows_[row].entries)};
  }

 private:
  struct Row {
    Index first = 0;
    Index entries = 0;
  };
  struct Waiting {
    Index level;
    RowEntry entry;
    bool operator<(const Waiting& other) const {  // a queue has its greatest element on top
      return level != other.level ? level > other.level : entry.source > other.entry.source;
    }
  };

  Index level_after(const Row& row) const {
    Index level = 0;
    for (Index e = row.first; e < row.first + row.entries; ++e)
      level = std::max(level, levels_[entries_[e].source] + 1);
    return level;
  }

  /// Entries of low levels go into sums first, as in Huffman's trees: the row ends as low as it
  /// can.
  void cut(Index row) {
    std::vector<Waiting> waiting;
    for (const RowEntry& entry : this->row(row)) waiting.push_back({levels_[entry.source], entry});
    std::priority_queue<Waiting> queue({}, std::move(waiting));
    const auto take = [&](Index count) {
      Row taken{static_cast<Index>(entries_.size()), count};
      for (Index k = 0; k < count; ++k) {
        entries_.push_back(queue.top().entry);
        queue.pop();
      }
      return taken;
    };
    while (static_cast<Index>(queue.size()) > kMostRowEntries) {
      const Index too_many = static_cast<Index>(queue.size()) - kMostRowEntries + 1;
      const Row sum = take(std::min(kMostRowEntries, too_many));
      const Index number = size();
      const Index level = level_after(sum);
      rows_.push_back(sum);
      levels_.push_back(level);
      queue.push({level, {number, -1.0}});
    }
    rows_[row] = take(static_cast<Index>(queue.size()));
  }

  std::vector<Row> rows_;
  std::vector<Index> levels_;
  std::vector<RowEntry> entries_;
};

/// Row -> slot: by levels, in these by length, in these as they are. Fills the levels.
std::vector<Index> slots_by_level(const LevelledRows& rows, const std::vector<bool>& longer,
                                  std::vector<ForestLevel>& levels) {
  std::vector<Index> starts;
  const auto key = [&](Index row) {
    return 2 * static_cast<std::size_t>(rows.level(row)) + (longer[row] ? 1 : 0);
  };
  for (Index row = 0; row < rows.size(); ++row) {
    if (starts.size() < key(row) + 2) starts.resize(key(row) + 2, 0);
    ++starts[key(row) + 1];
  }
  if (starts.size() % 2 == 0) starts.push_back(0);  // the last level has short rows alone
  for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
  for (std::size_t i = 0; i + 2 < starts.size(); i += 2)
    levels.push_back({starts[i], starts[i + 1], starts[i + 2]});
  std::vector<Index> slots(static_cast<std::size_t>(rows.size()));
  for (Index row = 0; row < rows.size(); ++row) slots[row] = starts[key(row)]++;
  return slots;
}

OutsideRows outside_rows(const SymmetricMatrix& matrix, const std::vector<Index>& nodes,
                         const std::vector<bool>& inside) {
  OutsideRows rows;
  rows.starts.push_back(0);
  for (const Index node : nodes) {
    if (node >= 0) {
      const auto others = matrix.rest.indices_of(node);
      for (std::size_t e = 0; e < others.size(); ++e) {
        if (inside[others[e]]) continue;
        rows.indices.push_back(others[e]);
        rows.values.push_back(matrix.rest.values_of(node)[e]);
      }
    }
    rows.starts.push_back(static_cast<Index>(rows.indices.size()));
  }
  return rows;
}

}  // namespace

Index ForestRounds::narrow_from(Index most) const {
  auto level = static_cast<Index>(levels.size());
  while (level > 0 && slots() - levels[level - 1].first <= most) --level;
  return level;
}

ForestRounds make_forest_rounds(const ForestOrder& order, std::span<const Index> outside) {
  const Contraction contraction(order);
  const std::vector<EliminatedNode>& eliminated = contraction.eliminated();
  const LevelledRows rows(eliminated);
  ForestRounds result;
  result.nodes = order.size();
  result.rounds = contraction.rounds();
  const auto place_of = [&](Index row) {
    return row < order.size() ? order.places[eliminated[row].node] : -1;
  };
  std::vector<bool> longer(static_cast<std::size_t>(rows.size()));
  for (Index row = 0; row < rows.size(); ++row) {
    auto entries = static_cast<Index>(rows.row(row).size());
    if (!outside.empty() && row < order.size()) entries += outside[place_of(row)];
    longer[row] = entries > kShortRow;
  }
  const std::vector<Index> slots = slots_by_level(rows, longer, result.levels);
  std::vector<Index> row_at(slots.size());
  for (Index row = 0; row < rows.size(); ++row) row_at[slots[row]] = row;
  std::vector<Index> slot_of_node(order.places.size());
  for (Index row = 0; row < order.size(); ++row) slot_of_node[eliminated[row].node] = slots[row];
  result.starts.push_back(0);
  for (const Index row : row_at) {
    const bool sum = row >= order.size();
    result.places.push_back(place_of(row));
    result.inverses.push_back(sum ? 0 : 1 / eliminated[row].pivot);
    ForestAbove& above = result.above.emplace_back();
    for (int side = 0; side < 2 && !sum; ++side) {
      if (eliminated[row].targets[side] < 0) continue;
      above.slots[side] = slot_of_node[eliminated[row].targets[side]];
      above.shares[side] = eliminated[row].shares[side];
    }
    for (const RowEntry& entry : rows.row(row)) {
      result.sources.push_back(slots[entry.source]);
      result.shares.push_back(entry.share);
    }
    result.starts.push_back(static_cast<Index>(result.sources.size()));
  }
  return result;
}

std::vector<ForestBlock> make_forest_blocks(const SymmetricMatrix& matrix,
                                            std::span<const std::vector<Index>> blocks) {
  ForestFinder finder(matrix);
  ForestOrder order;
  std::vector<ForestBlock> result;
  std::vector<bool> inside(matrix.diagonal.size());
  for (const std::vector<Index>& block : blocks) {
    finder.find(block, order);
    for (const Index node : block) inside[node] = true;
    std::vector<Index> outside;
    for (const Index node : block) {
      const auto others = matrix.rest.indices_of(node);
      outside.push_back(static_cast<Index>(std::count_if(
          others.begin(), others.end(), [&](Index other) { return !inside[other]; })));
    }
    ForestBlock& made = result.emplace_back();
    made.rounds = make_forest_rounds(order, outside);
    for (const Index place : made.rounds.places)
      made.nodes.push_back(place < 0 ? -1 : block[place]);
    made.outside = outside_rows(matrix, made.nodes, inside);
    for (const Index node : block) inside[node] = false;
  }
  return result;
}

}  // namespace ashlar::bcd
