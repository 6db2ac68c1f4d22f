#pragma once
// What thread blocks do in half sweeps on a GPU, apart from waiting for each other: index maps,
// labels and elimination steps, for both sides. Internal; layout in lattice_planes.hpp, factors in
// lattice_factors.hpp.
//
// A tooth is a long chain, and there are few teeth. But what a node passes on counts less by the
// factor of each node that it goes through, at most 0.382 at degree 3 and 0.268 at degree 4: after
// kHalo nodes it is less than a rounding. So a tile of a tooth is eliminated from kHalo nodes
// beyond its far end on, as if nothing were there, and substituted back from kHalo nodes before its
// near end on: the same numbers to rounding, with tiles independent of each other and of the spine,
// but for those near it. The spine itself, whose factors are at most 0.464 between its corners, is
// cut likewise.
#include <cstdint>

#include "impls/bcd/lattice_planes.hpp"
#include "impls/core/cuda/host_device.hpp"

namespace ashlar::bcd::kernel {

template <class Real>
struct ReachOf;
/// 0.382^40 = 2e-17 and 0.464^52 = 5e-18 of a value.
template <>
struct ReachOf<double> {
  static constexpr Index kHalo = 40;
  static constexpr Index kSpineHalo = 52;
};
/// 0.382^20 = 4e-9 and 0.464^26 = 2e-9.
template <>
struct ReachOf<float> {
  static constexpr Index kHalo = 20;
  static constexpr Index kSpineHalo = 26;
};

constexpr Index kTileTeeth = 32;      // a warp's lanes eliminate
constexpr Index kTileRows = 128;      // that a tile updates
constexpr Index kSpineColumns = 256;  // that a block looks at, halos included
constexpr int kFactorClasses = 64;

/// Device pointers in the launch, host pointers in tests.
template <class Real>
struct CombArguments {
  PlaneShape shape;
  Real* plane[2] = {};
  const std::uint8_t* classes[2] = {};  // (rows, teeth of the plane)
  const Real* spine[2] = {};            // factors, one per column; 0 at labels
  const Real* factors = nullptr;        // by class
};

/// Rows by their distance from the spine: 0 is the spine, rows - 1 the other comb's.
ASHLAR_HOST_DEVICE Index row_at(const PlaneShape& shape, int comb, Index distance) {
  return comb == 0 ? distance : shape.rows - 1 - distance;
}

/// Teeth [tooth, tooth + kTileTeeth) and distances [first, end), looked at from `low` to `high`.
struct CombTile {
  Index tooth = 0;
  Index first = 0;
  Index end = 0;
  Index low = 0;
  Index high = 0;
};

template <class Real>
struct CombTiling {
  static constexpr Index kHalo = ReachOf<Real>::kHalo;
  static constexpr Index kMostRows = kTileRows + 2 * kHalo;
  static constexpr Index kSpineHalo = ReachOf<Real>::kSpineHalo;
  static constexpr Index kSpineStep = kSpineColumns - 2 * kSpineHalo;

  Index across = 0;  // tiles side by side
  Index along = 0;   // tiles of a tooth
  Index near = 0;    // of these, those that need the spine's values
  Index spine_parts = 0;
  Index distances = 0;  // tooth nodes are at 1 to distances - 1

  ASHLAR_HOST_DEVICE CombTiling(const PlaneShape& shape, int comb)
      : across((shape.teeth(comb) + kTileTeeth - 1) / kTileTeeth),
        along(shape.rows > 2 ? (shape.rows - 2 + kTileRows - 1) / kTileRows : 0),
        near(along < 1 + kHalo / kTileRows ? along : 1 + kHalo / kTileRows),
        spine_parts((shape.columns + kSpineStep - 1) / kSpineStep),
        distances(shape.rows - 1) {}

  /// Independent of each other: parts of the spine, then tiles away from it.
  ASHLAR_HOST_DEVICE Index first_items() const { return spine_parts + (along - near) * across; }
  /// After all of these.
  ASHLAR_HOST_DEVICE Index second_items() const { return near * across; }

  /// Tile `item` of the second items, or of the first from spine_parts on.
  ASHLAR_HOST_DEVICE CombTile tile(Index item, bool second) const {
    const Index number = second ? item : item - spine_parts + near * across;
    CombTile tile;
    tile.tooth = number % across * kTileTeeth;
    tile.first = 1 + number / across * kTileRows;
    tile.end = tile.first + kTileRows < distances ? tile.first + kTileRows : distances;
    tile.low = tile.first - kHalo > 1 ? tile.first - kHalo : 1;
    tile.high = tile.end + kHalo < distances ? tile.end + kHalo : distances;
    return tile;
  }
};

/// Of a block; in shared memory on a GPU.
template <class Real>
struct CombWorkspace {
  Real message[CombTiling<Real>::kMostRows * kTileTeeth];
  Real factor[kFactorClasses];
  std::uint8_t of_class[CombTiling<Real>::kMostRows * kTileTeeth];
};
template <class Real>
struct SpineWorkspace {
  Real message[kSpineColumns];
  Real factor[kSpineColumns];
};

/// The part of a message that does not depend on the child's: factor * neighbours outside the comb,
/// or the label.
template <class Real>
ASHLAR_HOST_DEVICE Real outside_part(const CombArguments<Real>& arguments, int comb, Index row,
                                     Index tooth, Real factor, bool labelled) {
  const Real* const left = arguments.plane[1 - comb] + arguments.shape.at(row, tooth + comb - 1);
  const Real sum = left[0] + left[1];
  return labelled ? arguments.plane[comb][arguments.shape.at(row, tooth)] : factor * sum;
}

ASHLAR_HOST_DEVICE std::int64_t class_place(const PlaneShape& shape, int comb, Index row,
                                            Index tooth) {
  return static_cast<std::int64_t>(row) * shape.teeth(comb) + tooth;
}

/// Thread `thread` of `threads`: its entries of the workspace. Places beyond the last tooth get
/// what the last tooth has, and are not stored. Several entries are loaded before the first is put
/// into the workspace, so that as many loads are under way.
template <class Real>
ASHLAR_HOST_DEVICE void load_tile(const CombArguments<Real>& arguments, int comb,
                                  const CombTile& tile, CombWorkspace<Real>& workspace, int thread,
                                  int threads) {
  constexpr Index kAhead = 4;
  const Index teeth = arguments.shape.teeth(comb);
  const Index entries = (tile.high - tile.low) * kTileTeeth;
  for (Index first = thread; first < entries; first += kAhead * threads) {
    int of_class[kAhead];
    Real part[kAhead];
    ASHLAR_UNROLL
    for (Index k = 0; k < kAhead; ++k) {
      const Index entry = first + k * threads < entries ? first + k * threads : first;
      const Index wanted = tile.tooth + entry % kTileTeeth;
      const Index tooth = wanted < teeth ? wanted : teeth - 1;
      const Index row = row_at(arguments.shape, comb, tile.low + entry / kTileTeeth);
      of_class[k] = arguments.classes[comb][class_place(arguments.shape, comb, row, tooth)];
      part[k] = outside_part(arguments, comb, row, tooth, workspace.factor[of_class[k]],
                             of_class[k] == 0);
    }
    ASHLAR_UNROLL
    for (Index k = 0; k < kAhead; ++k) {
      const Index entry = first + k * threads;
      if (entry >= entries) break;
      workspace.of_class[entry] = static_cast<std::uint8_t>(of_class[k]);
      workspace.message[entry] = part[k];
    }
  }
}

template <class Real>
struct Link {
  Real part = 0;
  Real factor = 0;
};

/// value <- part + factor * value along `count` links, from `value` on; load(i) gives link i,
/// store(i, value) may overwrite it. Several links are loaded ahead of the first store, which a
/// compiler must not do by itself where both are in one memory: the chain then waits for arithmetic
/// alone.
template <class Real, class Load, class Store>
ASHLAR_HOST_DEVICE void follow_chain(Index count, Real value, const Load& load,
                                     const Store& store) {
  constexpr Index kAhead = 8;
  Index i = 0;
  for (; i + kAhead <= count; i += kAhead) {
    Link<Real> links[kAhead];
    ASHLAR_UNROLL
    for (Index k = 0; k < kAhead; ++k) links[k] = load(i + k);
    ASHLAR_UNROLL
    for (Index k = 0; k < kAhead; ++k) {
      value = links[k].part + links[k].factor * value;
      store(i + k, value);
    }
  }
  ASHLAR_NO_UNROLL
  for (; i < count; ++i) {
    const Link<Real> link = load(i);
    value = link.part + link.factor * value;
    store(i, value);
  }
}

/// One lane's tooth: elimination, then substitution, within the workspace. `entered` is the message
/// from beyond the window, `parent` the value before it; 0 where a halo stands in for them.
template <class Real>
ASHLAR_HOST_DEVICE void solve_tooth(const CombTile& tile, CombWorkspace<Real>& workspace, int lane,
                                    Real entered, Real parent) {
  const auto link_at = [&](Index entry) {
    return Link<Real>{workspace.message[entry], workspace.factor[workspace.of_class[entry]]};
  };
  const Index last = (tile.high - tile.low - 1) * kTileTeeth + lane;
  follow_chain(
      tile.high - tile.low, entered, [&](Index i) { return link_at(last - i * kTileTeeth); },
      [&](Index i, Real message) { workspace.message[last - i * kTileTeeth] = message; });
  follow_chain(
      tile.end - tile.low, parent, [&](Index i) { return link_at(lane + i * kTileTeeth); },
      [&](Index i, Real value) { workspace.message[lane + i * kTileTeeth] = value; });
}

/// The value at the row before or after a window, where it is at the lattice's edge; else 0.
template <class Real>
ASHLAR_HOST_DEVICE Real edge_value(const CombArguments<Real>& arguments, int comb, Index distance,
                                   Index tooth, bool at_edge) {
  if (!at_edge || tooth >= arguments.shape.teeth(comb)) return Real(0);
  return arguments.plane[comb][arguments.shape.at(row_at(arguments.shape, comb, distance), tooth)];
}

template <class Real>
ASHLAR_HOST_DEVICE void solve_tile_lane(const CombArguments<Real>& arguments, int comb,
                                        const CombTile& tile, CombWorkspace<Real>& workspace,
                                        int lane) {
  const Index tooth = tile.tooth + lane;
  const Index last = arguments.shape.rows - 1;
  solve_tooth(tile, workspace, lane, edge_value(arguments, comb, last, tooth, tile.high == last),
              edge_value(arguments, comb, 0, tooth, tile.low == 1));
}

template <class Real>
ASHLAR_HOST_DEVICE void store_tile(const CombArguments<Real>& arguments, int comb,
                                   const CombTile& tile, const CombWorkspace<Real>& workspace,
                                   int thread, int threads) {
  const Index teeth = arguments.shape.teeth(comb);
  const Index entries = (tile.end - tile.first) * kTileTeeth;
  const Index skipped = (tile.first - tile.low) * kTileTeeth;
  for (Index entry = thread; entry < entries; entry += threads) {
    const Index tooth = tile.tooth + entry % kTileTeeth;
    const Index row = row_at(arguments.shape, comb, tile.first + entry / kTileTeeth);
    // Other tiles read labels in this phase, which do not change.
    if (tooth < teeth && workspace.of_class[skipped + entry] != 0)
      arguments.plane[comb][arguments.shape.at(row, tooth)] = workspace.message[skipped + entry];
  }
}

/// What a spine node gets along its column: from its tooth, or the value of the other comb's node.
template <class Real>
ASHLAR_HOST_DEVICE Real message_to_spine(const CombArguments<Real>& arguments, int comb,
                                         Index column) {
  const PlaneShape& shape = arguments.shape;
  const Index place = column / 2;
  const Index last = shape.rows - 1;
  if (column % 2 != comb) return arguments.plane[1 - comb][shape.at(row_at(shape, comb, 1), place)];
  const Index far = CombTiling<Real>::kHalo + 1 < last ? CombTiling<Real>::kHalo + 1 : last;
  Real message = edge_value(arguments, comb, last, place, far == last);
  for (Index distance = far - 1; distance >= 1; --distance) {
    const Index row = row_at(shape, comb, distance);
    const int of_class = arguments.classes[comb][class_place(shape, comb, row, place)];
    const Real factor = arguments.factors[of_class];
    message = outside_part(arguments, comb, row, place, factor, of_class == 0) + factor * message;
  }
  return message;
}

/// Columns [first, end) of a part of the spine, looked at from `low` to `high`.
struct SpinePart {
  Index first = 0;
  Index end = 0;
  Index low = 0;
  Index high = 0;
};
template <class Real>
ASHLAR_HOST_DEVICE SpinePart spine_part(const PlaneShape& shape, Index item) {
  constexpr Index kStep = CombTiling<Real>::kSpineStep;
  constexpr Index kHalo = CombTiling<Real>::kSpineHalo;
  SpinePart part;
  part.first = item * kStep;
  part.end = part.first + kStep < shape.columns ? part.first + kStep : shape.columns;
  part.low = part.first - kHalo > 0 ? part.first - kHalo : 0;
  part.high = part.end + kHalo < shape.columns ? part.end + kHalo : shape.columns;
  return part;
}

/// A thread's columns of a part.
template <class Real>
ASHLAR_HOST_DEVICE void load_spine(const CombArguments<Real>& arguments, int comb,
                                   const SpinePart& part, SpineWorkspace<Real>& workspace,
                                   int thread, int threads) {
  const Index row = row_at(arguments.shape, comb, 0);
  for (Index column = part.low + thread; column < part.high; column += threads) {
    const Real factor = arguments.spine[comb][column];
    workspace.factor[column - part.low] = factor;
    workspace.message[column - part.low] =
        factor == 0 ? arguments.plane[column % 2][arguments.shape.at(row, column / 2)]
                    : factor * message_to_spine(arguments, comb, column);
  }
}

/// From left to right and back; one thread.
template <class Real>
ASHLAR_HOST_DEVICE void solve_spine(const SpinePart& part, SpineWorkspace<Real>& workspace) {
  const Index columns = part.high - part.low;
  const auto link_at = [&](Index i) {
    return Link<Real>{workspace.message[i], workspace.factor[i]};
  };
  follow_chain(columns, Real(0), link_at,
               [&](Index i, Real message) { workspace.message[i] = message; });
  follow_chain(
      columns, Real(0), [&](Index i) { return link_at(columns - 1 - i); },
      [&](Index i, Real value) { workspace.message[columns - 1 - i] = value; });
}

template <class Real>
ASHLAR_HOST_DEVICE void store_spine(const CombArguments<Real>& arguments, int comb,
                                    const SpinePart& part, const SpineWorkspace<Real>& workspace,
                                    int thread, int threads) {
  const Index row = row_at(arguments.shape, comb, 0);
  for (Index column = part.first + thread; column < part.end; column += threads) {
    if (workspace.factor[column - part.low] == 0) continue;
    arguments.plane[column % 2][arguments.shape.at(row, column / 2)] =
        workspace.message[column - part.low];
  }
}

template <class Real>
struct ColourArguments {
  PlaneShape shape;
  Real* plane[2] = {};
  const std::uint8_t* labelled[2] = {};  // 0xff or 0; (rows, width), padding labelled
};

/// One place of a row: its node of the colour, if it has one without a label.
template <class Real>
ASHLAR_HOST_DEVICE void update_colour(const ColourArguments<Real>& arguments, int colour, Index row,
                                      Index place) {
  const PlaneShape& shape = arguments.shape;
  const int own = (row + colour) % 2;
  if (arguments.labelled[own][static_cast<std::int64_t>(row) * shape.width + place] != 0) return;
  Real* const self = arguments.plane[own] + shape.at(row, place);
  const Real* const left = arguments.plane[1 - own] + shape.at(row, place + own - 1);
  const Index column = 2 * place + own;
  const int edges =
      (row == 0) + (row == shape.rows - 1) + (column == 0) + (column == shape.columns - 1);
  const Real sum = (left[0] + left[1]) + (self[-shape.stride] + self[shape.stride]);
  *self = sum * (edges == 0 ? Real(0.25) : Real(1) / Real(4 - edges));
}

}  // namespace ashlar::bcd::kernel
