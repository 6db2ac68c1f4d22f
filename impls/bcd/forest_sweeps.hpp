#pragma once
// Exact minimisation over one forest block of a quadratic after the other on a CPU, in the
// partition's order: what CudaForestSweeps does on a GPU. The same iterates as the general rules
// (cyclic selection, message passing), which find c_b - M_{b,rest} x_rest through a gradient, at
// the traffic of one pass over the blocks' rows.
//
// Unknowns are renumbered block after block, children before their parents, the whole of a subtree
// together and the deepest first: elimination from the leaves walks through memory, and what it
// sends to a parent it sends near by. Rows hold what is outside of their block alone; the edge to
// the parent is M_ij over the pivot, which both directions use. A block is one pass up, which looks
// up the right side of a node as it comes to it, and one down.
//
// Threads: subtrees of at most kMostInSubtree nodes are eliminated independently. They come first
// in a block, gathered to tasks; what is left, the nodes above, are few unless a tree is a long
// path, and are one thread's. A block's tasks downwards and the next block's upwards share a
// parallel region. The order of all sums is that of the numbering: the same bits for any number of
// threads.
#include <cstdint>
#include <span>
#include <vector>

#include "impls/bcd/forest.hpp"
#include "impls/bcd/problem.hpp"
#include "impls/bcd/rule.hpp"

namespace ashlar::bcd {

class ForestSweeps {
 public:
  /// At x = 0. The problem must have passed validate(). Throws std::invalid_argument where it is no
  /// quadratic, `threads` is below 1, two blocks share a coordinate or a block is no forest
  /// (ForestFinder::find()).
  ForestSweeps(const Problem& problem, const Blocks& blocks, int threads = 1);

  /// Goes on with the first block. Throws std::invalid_argument for another size.
  void set_x(std::span<const double> x);
  void get_x(std::span<double> x) const;
  /// So many blocks.
  void run(std::int64_t iterations);

 private:
  /// Positions [first, end), of which [top, end) lie above all tasks.
  struct Range {
    Index first = 0;
    Index top = 0;
    Index end = 0;
    std::vector<Index> cuts;     // task t: positions [cuts[t], cuts[t + 1])
    std::vector<Index> hanging;  // positions before `top` whose parents are not

    std::int64_t tasks() const { return static_cast<std::int64_t>(cuts.size()) - 1; }
  };

  void number_block(const ForestOrder& order, Block block);
  void fill_rows(const Problem& problem);
  void tasks_up(const Range& block, std::int64_t task);
  void above(const Range& block);
  void tasks_down(const Range& block, std::int64_t task);
  void up(Index first, Index last);
  void down(Index first, Index last);

  int threads_;
  std::size_t next_ = 0;
  std::vector<Range> blocks_;
  // By position.
  std::vector<Index> nodes_;
  std::vector<Index> parents_;    // -1 at a root
  std::vector<double> shares_;    // M_ij / pivot_i, j the parent
  std::vector<double> inverses_;  // 1 / pivot
  std::vector<double> linear_;
  std::vector<std::int64_t> starts_;  // of rows outside of the block
  std::vector<Index> indices_;        // positions
  std::vector<double> values_;
  std::vector<double> x_;
  std::vector<double> messages_;  // what children sent up; 0 between blocks
};

}  // namespace ashlar::bcd
