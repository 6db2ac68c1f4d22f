#include "impls/bcd/lattice_kernels.hpp"

#include "impls/core/simd.hpp"

// AVX3_DL adds nothing that these kernels use.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "impls/bcd/lattice_kernels.cpp"
#include <hwy/foreach_target.h>
// Highway must come after foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ashlar::bcd::kernel {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<double, PlaneShape::kVector>;
using Vector = hn::Vec<Tag>;
constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(Tag()));

/// The factors of as many teeth as D has lanes. A gather instruction takes longer than the scalar
/// loads that this becomes, and pairs halve their number.
template <class D>
HWY_INLINE hn::Vec<D> factors(D d, const double* pairs, const std::uint16_t* which) {
  if constexpr (hn::MaxLanes(D()) == 2) {
    return hn::Load(d, pairs + 2 * static_cast<std::size_t>(*which));
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, factors(half, pairs, which + hn::MaxLanes(D()) / 4),
                       factors(half, pairs, which));
  }
}

/// One row of one comb at `self`, from the row at self + child. The neighbours outside the comb are
/// at `left` and at the place after it.
HWY_INLINE void eliminate_row(double* self, std::int64_t child, const double* left,
                              const std::uint16_t* which, const double* pairs, Teeth teeth) {
  const Tag d;
  for (Index k = teeth.begin; k < teeth.end; k += kLanes) {
    const Vector f = factors(d, pairs, which + k / 2);
    const Vector outside = hn::Add(hn::LoadU(d, left + k), hn::LoadU(d, left + k + 1));
    const Vector message = hn::Mul(f, hn::Add(outside, hn::LoadU(d, self + child + k)));
    const Vector kept = hn::Load(d, self + k);
    hn::Store(hn::IfThenElse(hn::Eq(f, hn::Zero(d)), kept, message), d, self + k);
  }
}

HWY_INLINE void substitute_row(double* self, std::int64_t parent, const std::uint16_t* which,
                               const double* pairs, Teeth teeth) {
  const Tag d;
  for (Index k = teeth.begin; k < teeth.end; k += kLanes) {
    const Vector f = factors(d, pairs, which + k / 2);
    const Vector above = hn::Load(d, self + parent + k);
    hn::Store(hn::MulAdd(f, above, hn::Load(d, self + k)), d, self + k);
  }
}

/// The rows of teeth, from the spine of `comb` on where `away`, else towards it.
struct ToothRows {
  Index first;
  Index step;
  Index count;
  ToothRows(const PlaneShape& shape, int comb, bool away)
      : first((comb == 0) == away ? 1 : shape.rows - 2),
        step((comb == 0) == away ? 1 : -1),
        count(shape.rows - 2) {}
};

HWY_INLINE const std::uint16_t* pairs_of(const CombPlanes& planes, int comb, Index row) {
  return planes.pairs[comb] + static_cast<std::int64_t>(row) * (planes.shape.width / 2);
}
/// The left neighbour of tooth 0 of `comb` in the other plane.
HWY_INLINE const double* left_of(const CombPlanes& planes, int comb, Index row) {
  return planes.plane[1 - comb] + planes.shape.at(row, comb - 1);
}

void EliminateTeeth(const CombPlanes& planes, int comb, Teeth teeth) {
  const ToothRows rows(planes.shape, comb, false);
  for (Index i = 0, row = rows.first; i < rows.count; ++i, row += rows.step) {
    eliminate_row(planes.plane[comb] + planes.shape.at(row, 0), -rows.step * planes.shape.stride,
                  left_of(planes, comb, row), pairs_of(planes, comb, row), planes.factor_pairs,
                  teeth);
  }
}

void SubstituteTeeth(const CombPlanes& planes, int comb, Teeth teeth) {
  const ToothRows rows(planes.shape, comb, true);
  for (Index i = 0, row = rows.first; i < rows.count; ++i, row += rows.step) {
    substitute_row(planes.plane[comb] + planes.shape.at(row, 0), -rows.step * planes.shape.stride,
                   pairs_of(planes, comb, row), planes.factor_pairs, teeth);
  }
}

void SubstituteAndEliminate(const CombPlanes& planes, int comb, Teeth substituted,
                            Teeth eliminated) {
  const ToothRows rows(planes.shape, comb, true);
  const int other = 1 - comb;
  const std::int64_t before = -rows.step * planes.shape.stride;
  for (Index i = 0, row = rows.first; i < rows.count; ++i, row += rows.step) {
    substitute_row(planes.plane[comb] + planes.shape.at(row, 0), before,
                   pairs_of(planes, comb, row), planes.factor_pairs, substituted);
    eliminate_row(planes.plane[other] + planes.shape.at(row, 0), before,
                  left_of(planes, other, row), pairs_of(planes, other, row), planes.factor_pairs,
                  eliminated);
  }
}

void ColourRow(const ColourPlanes& planes, int colour, Index row) {
  const Tag d;
  const hn::Rebind<std::int32_t, Tag> integers;
  const hn::Rebind<std::int8_t, Tag> bytes;
  const PlaneShape& shape = planes.shape;
  const int own = (row + colour) % 2;  // the parity of this row's columns of the colour
  double* const self = planes.plane[own] + shape.at(row, 0);
  const double* const left = planes.plane[1 - own] + shape.at(row, own - 1);
  const auto* const labelled = reinterpret_cast<const std::int8_t*>(planes.labelled[own]) +
                               static_cast<std::int64_t>(row) * shape.width;
  const bool border = row == 0 || row == shape.rows - 1;
  const double* const inverse = border ? planes.border[own] : planes.inner[own];
  for (Index k = 0; k < shape.width; k += kLanes) {
    const Vector sides = hn::Add(hn::LoadU(d, left + k), hn::LoadU(d, left + k + 1));
    const Vector ends =
        hn::Add(hn::Load(d, self + k - shape.stride), hn::Load(d, self + k + shape.stride));
    const Vector mean = hn::Mul(hn::Add(sides, ends), hn::Load(d, inverse + k));
    // -1 or 0, of which the sign decides.
    const Vector keep = hn::PromoteTo(d, hn::PromoteTo(integers, hn::LoadU(bytes, labelled + k)));
    hn::Store(hn::IfNegativeThenElse(keep, hn::Load(d, self + k), mean), d, self + k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ashlar::bcd::kernel
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ashlar::bcd::kernel {

HWY_EXPORT(EliminateTeeth);
HWY_EXPORT(SubstituteTeeth);
HWY_EXPORT(SubstituteAndEliminate);
HWY_EXPORT(ColourRow);

void eliminate_teeth(const CombPlanes& planes, int comb, Teeth teeth) {
  core::prepare_dispatch();
  HWY_DYNAMIC_DISPATCH(EliminateTeeth)(planes, comb, teeth);
}
void substitute_teeth(const CombPlanes& planes, int comb, Teeth teeth) {
  core::prepare_dispatch();
  HWY_DYNAMIC_DISPATCH(SubstituteTeeth)(planes, comb, teeth);
}
void substitute_and_eliminate(const CombPlanes& planes, int comb, Teeth substituted,
                              Teeth eliminated) {
  core::prepare_dispatch();
  HWY_DYNAMIC_DISPATCH(SubstituteAndEliminate)(planes, comb, substituted, eliminated);
}
void colour_row(const ColourPlanes& planes, int colour, Index row) {
  core::prepare_dispatch();
  HWY_DYNAMIC_DISPATCH(ColourRow)(planes, colour, row);
}

}  // namespace ashlar::bcd::kernel
#endif
