#include "impls/bcd/neighbour_tree.hpp"

#include <algorithm>
#include <numeric>

namespace ashlar::bcd {
namespace {

constexpr Index kMostInLeaf = 8;

}  // namespace

NeighbourTree::NeighbourTree(std::span<const double> points, Index dimensions)
    : points_(points),
      dimensions_(dimensions),
      order_(points.size() / static_cast<std::size_t>(dimensions)) {
  std::iota(order_.begin(), order_.end(), 0);
  build(0, static_cast<Index>(order_.size()));
}

Index NeighbourTree::widest_axis(Index first, Index last) const {
  Index widest = 0;
  double most = -1;
  for (Index axis = 0; axis < dimensions_; ++axis) {
    double low = place_of(order_[first])[axis];
    double high = low;
    for (Index i = first; i < last; ++i) {
      low = std::min(low, place_of(order_[i])[axis]);
      high = std::max(high, place_of(order_[i])[axis]);
    }
    if (high - low > most) {
      most = high - low;
      widest = axis;
    }
  }
  return widest;
}

/// As deep as the logarithm of the number of points, since halves are by number.
Index NeighbourTree::build(Index first, Index last) {
  const auto number = static_cast<Index>(boxes_.size());
  boxes_.push_back({first, last});
  if (last - first <= kMostInLeaf) return number;
  const Index axis = widest_axis(first, last);
  const Index middle = first + (last - first) / 2;
  std::nth_element(
      order_.begin() + first, order_.begin() + middle, order_.begin() + last,
      [&](Index one, Index other) { return place_of(one)[axis] < place_of(other)[axis]; });
  const double cut = place_of(order_[middle])[axis];
  build(first, middle);
  const Index second = build(middle, last);
  boxes_[number].second = second;
  boxes_[number].axis = axis;
  boxes_[number].cut = cut;
  return number;
}

void NeighbourTree::find(Index point, Index count, std::vector<Neighbour>& nearest) const {
  nearest.clear();
  visit({place_of(point), point, static_cast<std::size_t>(count), nearest}, 0);
}

void NeighbourTree::visit(const Query& query, Index number) const {
  const Box& box = boxes_[number];
  if (box.second < 0) {
    look(query, box);
    return;
  }
  const double beyond = query.place[box.axis] - box.cut;
  const bool in_first = beyond < 0;
  visit(query, in_first ? number + 1 : box.second);
  // At the same distance a lower index may lie there.
  if (query.nearest.size() < query.count || beyond * beyond <= query.nearest.back().first)
    visit(query, in_first ? box.second : number + 1);
}

void NeighbourTree::look(const Query& query, const Box& leaf) const {
  for (Index i = leaf.first; i < leaf.last; ++i) {
    const Index point = order_[i];
    if (point == query.point) continue;
    const Neighbour found{squared_distance(query.place, place_of(point), dimensions_), point};
    std::vector<Neighbour>& nearest = query.nearest;
    if (nearest.size() == query.count) {
      if (nearest.back() < found) continue;
      nearest.pop_back();
    }
    nearest.insert(std::upper_bound(nearest.begin(), nearest.end(), found), found);
  }
}

}  // namespace ashlar::bcd
