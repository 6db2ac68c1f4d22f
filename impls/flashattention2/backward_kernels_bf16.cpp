// The backward pass's kernels on vdpbf16ps; see strip_kernels_bf16.cpp for why by intrinsics.
#include "impls/flashattention2/backward_kernels.hpp"

#include "hwy/base.h"

#if HWY_ARCH_X86_64 && (HWY_COMPILER_GCC_ACTUAL >= 1000 || HWY_COMPILER_CLANG >= 1000)
#define ASHLAR_HAVE_BF16_KERNELS 1
#if HWY_COMPILER_GCC_ACTUAL
// GCC 12 takes the deliberately undefined operands inside its own intrinsics for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#endif

#ifdef ASHLAR_HAVE_BF16_KERNELS
// Only from here on may the compiler use these instructions: nothing that the standard library
// defines inline is compiled with them, so the linker cannot spread them to other files.
HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,avx2")
namespace ashlar::flashattention2 {
namespace {

struct Ops {
  using Vector = __m512;
  using Word = __m512i;
  static constexpr Index kLanes = 16;
  static constexpr int kVectors = 4;
  static constexpr int kStep = 2;

  static HWY_INLINE Vector zero() { return _mm512_setzero_ps(); }
  static HWY_INLINE Vector set(float x) { return _mm512_set1_ps(x); }
  static HWY_INLINE Vector load(const float* from) { return _mm512_load_ps(from); }
  static HWY_INLINE void store(Vector v, float* to) { _mm512_store_ps(to, v); }
  static HWY_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static HWY_INLINE Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static HWY_INLINE Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static HWY_INLINE Vector div(Vector a, Vector b) { return _mm512_div_ps(a, b); }
  static HWY_INLINE Vector mul_add(Vector a, Vector b, Vector c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  static HWY_INLINE Vector mul_sub(Vector a, Vector b, Vector c) {
    return _mm512_fmsub_ps(a, b, c);
  }
  static HWY_INLINE Vector absolute(Vector a) { return _mm512_abs_ps(a); }
  static HWY_INLINE Vector copy_sign(Vector magnitude, Vector sign) {
    const __m512 mask = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(mask, magnitude), _mm512_and_ps(mask, sign));
  }
  static HWY_INLINE Vector if_less(Vector a, Vector b, Vector yes, Vector no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static HWY_INLINE __mmask16 lanes_below(Index end) {
    return static_cast<__mmask16>((1u << (end < 0 ? 0 : end > kLanes ? kLanes : end)) - 1u);
  }
  static HWY_INLINE Vector within(Vector v, Index begin, Index end) {
    const auto keep = static_cast<__mmask16>(lanes_below(end) & ~lanes_below(begin));
    return _mm512_maskz_mov_ps(keep, v);
  }

  /// 2^x, as in the forward pass's kernels (strip_kernels_bf16.cpp).
  static HWY_INLINE Vector exp2(Vector x) {
    x = _mm512_max_ps(_mm512_set1_ps(-200.0f), x);  // vreduceps makes NaN of an infinity
    const __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT);
    __m512 p = _mm512_set1_ps(0.00132647273f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.00967151299f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0555073358f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.240222424f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693147004f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, _mm512_sub_ps(x, f));
  }

  static HWY_INLINE Word splat(const std::uint32_t* word) {
    return _mm512_set1_epi32(static_cast<int>(*word));
  }
  static HWY_INLINE Word words(const std::uint32_t* from) { return _mm512_load_si512(from); }
  static HWY_INLINE Vector dot(Vector sum, Word a, Word b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }

  /// Pairs along rows: `first` in the low halves.
  static HWY_INLINE __m512i pairs_of(Vector first, Vector second) {
    // Words 0 to 15 of the 32 halves are the first row's, the rest the second's.
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512bh both = _mm512_cvtne2ps_pbh(second, first);
    return _mm512_permutexvar_epi16(order, reinterpret_cast<__m512i>(both));
  }
  static HWY_INLINE void store_row(Vector v, std::uint32_t* to) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to),
                       reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
  }

  template <class Gradient>
  static HWY_INLINE void emit(const Weighing& w, Index row, Index column, const Gradient& upper,
                              const Gradient& lower) {
    const Index at = row / 2 * w.answer_stride + column;
    _mm512_store_si512(w.p + at, pairs_of(upper.p, lower.p));
    _mm512_store_si512(w.ds + at, pairs_of(upper.ds, lower.ds));
    std::uint32_t* by_row = w.ds_by_row + row * w.by_row_stride + column / 2;
    store_row(upper.ds, by_row);
    store_row(lower.ds, by_row + w.by_row_stride);
  }
};

#include "impls/flashattention2/backward_kernels_inl.hpp"

}  // namespace
}  // namespace ashlar::flashattention2
HWY_POP_ATTRIBUTES
#endif  // ASHLAR_HAVE_BF16_KERNELS

namespace ashlar::flashattention2::detail {

const BackwardKernels* bfloat16_backward_kernels() {
#ifdef ASHLAR_HAVE_BF16_KERNELS
  static constexpr BackwardKernels kTable{
      core::Isa::avx512_bf16, Ops::kStep,       Ops::kLanes, Ops::kVectors,
      multiply_rows,          multiply_columns, weigh,       softcap};
  return &kTable;
#else
  return nullptr;
#endif
}

}  // namespace ashlar::flashattention2::detail
