#pragma once
// Where sweeps over a lattice keep its values: even columns in one plane, odd columns in the other,
// both row by row. In a row the nodes of one colour, and those of the teeth of one comb, are then
// neighbours in memory: a colour is a stencil over whole rows, and the elimination of all teeth
// goes row by row, vectors across teeth, in one stream without gathers (with columns contiguous,
// teeth are 2 * rows apart and every vector costs a transposition; tiles of 8 teeth give one stream
// per tile).
#include <cstdint>
#include <span>
#include <vector>

#include "impls/bcd/lattice.hpp"
#include "impls/core/cuda/host_device.hpp"

namespace ashlar::bcd {

/// Element k of a row is column 2 k + plane. Before and after each row are zeros, and a row of
/// zeros is above the first and below the last, so that a missing neighbour adds 0.
struct PlaneShape {
  static constexpr Index kVector = 8;  // rows are whole vectors of so many, aligned to 64 bytes

  Index rows = 0;
  Index columns = 0;
  Index width = 0;          // of a row that loops run over
  std::int64_t stride = 0;  // from row to row

  PlaneShape() = default;
  PlaneShape(Index rows_, Index columns_)
      : rows(rows_),
        columns(columns_),
        width(((columns_ + 1) / 2 + kVector - 1) / kVector * kVector),
        stride(width + kVector) {}

  /// Elements of a plane.
  ASHLAR_HOST_DEVICE std::int64_t size() const { return (rows + 2) * stride + kVector; }
  /// row from -1 to `rows`, k from -1 to `width`.
  ASHLAR_HOST_DEVICE std::int64_t at(Index row, Index k) const {
    return (row + std::int64_t{1}) * stride + kVector + k;
  }
  /// Columns in a plane.
  ASHLAR_HOST_DEVICE Index teeth(int plane) const { return (columns + 1 - plane) / 2; }
};

/// Calls body(node, plane, index in the plane) for all nodes, in an order that both layouts like.
template <class Body>
void for_each_place(const PlaneShape& shape, const Body& body) {
  constexpr Index kRows = 64;
  for (Index first = 0; first < shape.rows; first += kRows) {
    const Index last = shape.rows - first < kRows ? shape.rows : first + kRows;
    for (Index c = 0; c < shape.columns; ++c) {
      for (Index r = first; r < last; ++r) {
        const Index node = c * shape.rows + r;
        const std::int64_t place = shape.at(r, c / 2);
        body(static_cast<std::size_t>(node), c % 2, static_cast<std::size_t>(place));
      }
    }
  }
}

}  // namespace ashlar::bcd
