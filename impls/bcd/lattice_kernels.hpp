#pragma once
// The inner loops of lattice sweeps, vectors across teeth, compiled once per instruction set.
// Internal; layouts in lattice_planes.hpp and lattice_factors.hpp.
#include <cstdint>

#include "impls/bcd/lattice_planes.hpp"

namespace ashlar::bcd::kernel {

/// A range of places within rows, both multiples of PlaneShape::kVector.
struct Teeth {
  Index begin = 0;
  Index end = 0;
};

/// Two combs in their planes. Messages take the place of values until they are substituted.
struct CombPlanes {
  PlaneShape shape;
  double* plane[2] = {};
  /// Of two neighbouring teeth together: the index of their factors in `factor_pairs`; width / 2 to
  /// a row. The factor 0 stands in padding.
  const std::uint16_t* pairs[2] = {};
  const double* factor_pairs = nullptr;  // two by two
};

/// The teeth of one comb from their free ends to the row before the spine.
void eliminate_teeth(const CombPlanes& planes, int comb, Teeth teeth);
/// And back.
void substitute_teeth(const CombPlanes& planes, int comb, Teeth teeth);
/// Substitution in one comb and elimination in the other go the same way over the rows: both at
/// once see each value once. Eliminated teeth must have their neighbours among the substituted, or
/// these are final.
void substitute_and_eliminate(const CombPlanes& planes, int comb, Teeth substituted,
                              Teeth eliminated);

struct ColourPlanes {
  PlaneShape shape;
  double* plane[2] = {};
  /// 0xff where there is a label or padding, else 0; width to a row.
  const std::uint8_t* labelled[2] = {};
  /// 1 / degree of rows within, and of the first and last row; width of each.
  const double* inner[2] = {};
  const double* border[2] = {};
};

/// One row's nodes of one colour.
void colour_row(const ColourPlanes& planes, int colour, Index row);

}  // namespace ashlar::bcd::kernel
