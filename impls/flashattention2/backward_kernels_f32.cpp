// The backward pass's kernels in single precision, compiled once per Highway target.
#include "impls/flashattention2/backward_kernels.hpp"

// AVX3_DL adds nothing that these kernels use.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "impls/flashattention2/backward_kernels_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "impls/flashattention2/strip_math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace ashlar::flashattention2::HWY_NAMESPACE {

struct Ops {
  using Vector = HWY_NAMESPACE::Vector;
  using Word = Vector;
  static constexpr Index kLanes = HWY_NAMESPACE::kLanes;
  static constexpr int kVectors = kStripVectors;
  static constexpr int kStep = 1;

  static HWY_INLINE Vector zero() { return hn::Zero(Tag()); }
  static HWY_INLINE Vector set(float x) { return hn::Set(Tag(), x); }
  static HWY_INLINE Vector load(const float* from) { return hn::Load(Tag(), from); }
  static HWY_INLINE void store(Vector v, float* to) { hn::Store(v, Tag(), to); }
  static HWY_INLINE Vector add(Vector a, Vector b) { return hn::Add(a, b); }
  static HWY_INLINE Vector sub(Vector a, Vector b) { return hn::Sub(a, b); }
  static HWY_INLINE Vector mul(Vector a, Vector b) { return hn::Mul(a, b); }
  static HWY_INLINE Vector div(Vector a, Vector b) { return hn::Div(a, b); }
  static HWY_INLINE Vector mul_add(Vector a, Vector b, Vector c) { return hn::MulAdd(a, b, c); }
  static HWY_INLINE Vector mul_sub(Vector a, Vector b, Vector c) { return hn::MulSub(a, b, c); }
  static HWY_INLINE Vector absolute(Vector a) { return hn::Abs(a); }
  static HWY_INLINE Vector copy_sign(Vector magnitude, Vector sign) {
    return hn::CopySign(magnitude, sign);
  }
  static HWY_INLINE Vector if_less(Vector a, Vector b, Vector yes, Vector no) {
    return hn::IfThenElse(hn::Lt(a, b), yes, no);
  }
  static HWY_INLINE Vector within(Vector v, Index begin, Index end) {
    const Tag d;
    const Vector lane = hn::Iota(d, 0);
    const auto from = hn::Ge(lane, hn::Set(d, static_cast<float>(begin)));
    const auto below = hn::Lt(lane, hn::Set(d, static_cast<float>(end)));
    return hn::IfThenElseZero(hn::And(from, below), v);
  }

  /// Weights are 1 at most, but x may exceed 0 by the rounding of lse: up to 126 it is 2^x too.
  static HWY_INLINE Vector exp2(Vector x) { return exp2_nonpositive(x); }

  static HWY_INLINE Word splat(const std::uint32_t* word) {
    return hn::Set(Tag(), *reinterpret_cast<const float*>(word));
  }
  static HWY_INLINE Word words(const std::uint32_t* from) {
    return hn::Load(Tag(), reinterpret_cast<const float*>(from));
  }
  static HWY_INLINE Vector dot(Vector sum, Word a, Word b) { return hn::MulAdd(a, b, sum); }

  template <class Gradient>
  static HWY_INLINE void emit(const Weighing& w, Index row, Index column, const Gradient& upper,
                              const Gradient& lower) {
    const Index at = row * w.answer_stride + column;
    store(upper.p, reinterpret_cast<float*>(w.p + at));
    store(upper.ds, reinterpret_cast<float*>(w.ds + at));
    store(lower.p, reinterpret_cast<float*>(w.p + at + w.answer_stride));
    store(lower.ds, reinterpret_cast<float*>(w.ds + at + w.answer_stride));
  }
};

#include "impls/flashattention2/backward_kernels_inl.hpp"

const BackwardKernels* backward_kernels() {
  static constexpr BackwardKernels kTable{HWY_CAP_GE512 ? core::Isa::avx512 : core::Isa::avx2,
                                          Ops::kStep,
                                          Ops::kLanes,
                                          Ops::kVectors,
                                          multiply_rows,
                                          multiply_columns,
                                          weigh,
                                          softcap};
  return &kTable;
}

}  // namespace ashlar::flashattention2::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ashlar::flashattention2 {

std::vector<const BackwardKernels*> detail::float_backward_kernels() {
  return {
#if HWY_TARGETS & HWY_AVX3
    N_AVX3::backward_kernels(),
#endif
        HWY_STATIC_DISPATCH(backward_kernels)(),
  };
}

}  // namespace ashlar::flashattention2
#endif
