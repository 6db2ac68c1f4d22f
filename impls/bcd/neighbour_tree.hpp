#pragma once
// The nearest of many points in few dimensions: a tree of boxes, each cut in two halves at the
// median of its widest coordinate, so that a million points in a plane take seconds and not days.
// Internal.
//
// Exact, ties too: a half is left out where its nearest face is farther than the farthest point
// that was found, and rounding keeps that order, as differences, squares and sums of squares only
// grow with what they are made of. Distances are those of squared_distance(), term by term.
//
// Source: Friedman, Bentley, Finkel, "An algorithm for finding best matches in logarithmic expected
// time", ACM TOMS 3 (1977).
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// A squared distance and a point. Of equally far points the one with the lower index is nearer.
using Neighbour = std::pair<double, Index>;

inline double squared_distance(const double* one, const double* other, Index dimensions) {
  double sum = 0;
  for (Index c = 0; c < dimensions; ++c) sum += (one[c] - other[c]) * (one[c] - other[c]);
  return sum;
}

class NeighbourTree {
 public:
  /// Coordinate c of point i is at i * dimensions + c; finite.
  NeighbourTree(std::span<const double> points, Index dimensions);

  /// Points in an order in which the next one is near: for many queries.
  std::span<const Index> order() const { return order_; }
  /// The `count` nearest of all others, the nearest first; as many as there are. Overwrites.
  void find(Index point, Index count, std::vector<Neighbour>& nearest) const;

 private:
  struct Query {
    const double* place;
    Index point;
    std::size_t count;
    std::vector<Neighbour>& nearest;
  };
  /// Points [first, last) of the order. A leaf has no halves; else the first half follows at once.
  struct Box {
    Index first = 0;
    Index last = 0;
    Index second = -1;  // box of the second half
    Index axis = 0;
    double cut = 0;  // first half: at most this; second: at least
  };

  Index build(Index first, Index last);
  Index widest_axis(Index first, Index last) const;
  void visit(const Query& query, Index box) const;
  void look(const Query& query, const Box& leaf) const;
  const double* place_of(Index point) const {
    return points_.data() + static_cast<std::size_t>(point) * static_cast<std::size_t>(dimensions_);
  }

  std::span<const double> points_;
  Index dimensions_;
  std::vector<Index> order_;
  std::vector<Box> boxes_;
};

}  // namespace ashlar::bcd
