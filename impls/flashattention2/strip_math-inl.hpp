// Vectors and elementary functions of the strip kernels, compiled once per Highway target. To be
// included after hwy/highway.h by the files that hwy/foreach_target.h includes again and again.
#if defined(ASHLAR_FLASHATTENTION2_STRIP_MATH) == defined(HWY_TARGET_TOGGLE)
#ifdef ASHLAR_FLASHATTENTION2_STRIP_MATH
#undef ASHLAR_FLASHATTENTION2_STRIP_MATH
#else
#define ASHLAR_FLASHATTENTION2_STRIP_MATH
#endif

#include "hwy/highway.h"
#include "impls/flashattention2/strip_kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 512-bit targets have 32 registers, the others are taken to have 16.
#if HWY_CAP_GE512
using Tag = hn::FixedTag<float, 16>;
constexpr int kStripVectors = 4;
#else
using Tag = hn::CappedTag<float, 8>;
constexpr int kStripVectors = 2;
#endif
using Vector = hn::Vec<Tag>;
constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(Tag()));

/// 2^x for x <= 0 (anything below -126 counts as -126). Relative error 1.1e-7 before rounding;
/// exact at 0; NaN stays NaN. x = n + f with n the nearest integer; a minimax polynomial with
/// constant term 1 on [-1/2, 1/2] gives 2^f. Adding 1.5 * 2^23 rounds x to an integer and leaves it
/// in the low bits; with 127 more these are the exponent field of 2^n. That is then a factor and
/// not an integer added to the exponent of 2^f, since such a sum turns a NaN into a number.
HWY_INLINE Vector exp2_nonpositive(Vector x) {
  const Tag d;
  const hn::RebindToSigned<Tag> di;
  const Vector magic = hn::Set(d, 0x1.8p23f + 127.0f);
  x = hn::Max(hn::Set(d, -126.0f), x);  // in this order x86 keeps a NaN
  const Vector shifted = hn::Add(x, magic);
  const Vector f = hn::Sub(x, hn::Sub(shifted, magic));
  Vector p = hn::Set(d, 0.00132647273f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.00967151299f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.0555073358f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.240222424f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.693147004f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  return hn::Mul(p, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

/// Relative error 3e-7; NaN stays NaN. Near zero x + x^3 p(x^2), where p interpolates at Chebyshev
/// nodes; elsewhere (1 - u) / (1 + u) with u = exp(-2 |x|), which near zero would cancel.
HWY_INLINE Vector tanh(Vector x) {
  const Tag d;
  const Vector magnitude = hn::Abs(x);
  const Vector square = hn::Mul(x, x);
  Vector p = hn::Set(d, -0.00661022775f);
  p = hn::MulAdd(p, square, hn::Set(d, 0.0213093888f));
  p = hn::MulAdd(p, square, hn::Set(d, -0.0539094284f));
  p = hn::MulAdd(p, square, hn::Set(d, 0.133331135f));
  p = hn::MulAdd(p, square, hn::Set(d, -0.333333313f));
  const Vector small = hn::MulAdd(hn::Mul(x, square), p, x);
  const Vector u = exp2_nonpositive(hn::Mul(magnitude, hn::Set(d, -2.88539008f)));
  const Vector one = hn::Set(d, 1.0f);
  const Vector large = hn::CopySign(hn::Div(hn::Sub(one, u), hn::Add(one, u)), x);
  return hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.55f)), small, large);
}

}  // namespace ashlar::flashattention2::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
