#pragma once
// A forest's elimination for many threads: few levels, each of nodes that are independent of each
// other, found once per block and used for every right side.
//
// From the leaves to the roots, as forest.hpp has it, a level per height is fine for bushy trees;
// but a path has as many heights as nodes. So inner nodes of chains go early, too. M_bb may be
// eliminated in any order, being positive definite; what an order costs is the edges that it adds.
// A node with at most two neighbours left adds at most one, between these two: the tree is
// contracted, and stays a tree. A round takes, in one scan of what is left, every node with at most
// one child whose neighbours were not taken in the same round (tree contraction: leaves are raked,
// chains compressed). In a rooted tree more than half of the nodes have at most one child, and a
// taken node blocks two others at most: a round takes a sixth of what is left or more, a path
// loses every other node. So there are O(log n) rounds, and at most two entries per column of L in
// M_bb = L D L'.
//
// Solving is two sweeps over L. Upwards y_i = r_i - sum_j L_ij y_j gathers at i all that was
// eliminated before and touches it; downwards x_i = y_i / D_i - sum_a L_ai x_a, of at most two a.
// Each number is written by one thread, once per sweep: no atomics, the same bits in every run. A
// node's level is one more than the highest of its row's, which may be less than its round. Rows of
// L may be long where columns are not, as at a star's hub: rows beyond kMostRowEntries are cut into
// sums, which have slots of their own, those of low levels first, so that a hub of a million leaves
// costs two levels more. Rows beyond kShortRow entries are shared by the lanes of a warp.
//
// The way of working: levels while they are wide are for all thread blocks, which wait for each
// other between levels; from the level on above which few slots are left, one thread block goes up
// to the roots and back by itself (cuda_forest_block.hpp). The first sweep may look up a slot's
// right side when it comes to it, so that a block's r_b = c_b - M_{b,rest} x_rest takes no pass of
// its own.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), section 5, for the systems; Miller, Reif,
// "Parallel tree contraction and its application", FOCS 1985, for the order.
#include <cstdint>
#include <span>
#include <vector>

#include "impls/bcd/forest.hpp"

namespace ashlar::bcd {

constexpr Index kMostRowEntries = 256;
constexpr Index kShortRow = 8;

/// Slots [first, end): a thread each before `longer`, a warp each from there on.
struct ForestLevel {
  Index first = 0;
  Index longer = 0;
  Index end = 0;
};

/// A column of L: the slots above, which are in later levels; -1 for none.
struct ForestAbove {
  Index slots[2] = {-1, -1};
  double shares[2] = {0, 0};
};

/// Slots in the order of their levels.
struct ForestRounds {
  std::vector<ForestLevel> levels;
  std::vector<Index> places;       // slot -> place in the block; -1 at a sum
  std::vector<double> inverses;    // 1 / D_i; 0 at a sum
  std::vector<ForestAbove> above;  // of a sum: none
  // Rows of L: entries of slot i are [starts[i], starts[i + 1]). A sum is minus its entries' sum,
  // and is the entry -1 of its own row.
  std::vector<Index> starts;  // slots + 1
  std::vector<Index> sources;
  std::vector<double> shares;
  Index nodes = 0;
  Index rounds = 0;

  Index slots() const { return static_cast<Index>(places.size()); }
  /// The level from which on at most `most` slots are left; the number of levels where the last one
  /// has more.
  Index narrow_from(Index most) const;
};

/// `outside` has the number of further entries that are summed up with a place's row, or nothing.
/// Throws std::invalid_argument where rounding leaves a pivot <= 0 in this order of elimination:
/// M_bb is then singular to working precision.
ForestRounds make_forest_rounds(const ForestOrder& order, std::span<const Index> outside = {});

/// Rows of M outside of the block, by slot.
struct OutsideRows {
  std::vector<Index> starts;   // slots + 1
  std::vector<Index> indices;  // nodes
  std::vector<double> values;
};

/// A block of a partition, ready for sweeps.
struct ForestBlock {
  ForestRounds rounds;
  std::vector<Index> nodes;  // slot -> node; -1 at a sum
  OutsideRows outside;
};

/// Throws as ForestFinder::find() and make_forest_rounds().
std::vector<ForestBlock> make_forest_blocks(const SymmetricMatrix& matrix,
                                            std::span<const std::vector<Index>> blocks);

}  // namespace ashlar::bcd
