// Compiled with -O3 in every build type (see CMakeLists.txt): a peak must not depend on it.
//
// Two traps. Accumulators that start equal stay equal, and the compiler computes only one of them
// (the peak reads too high): each starts at another value. An array of accumulators may live on the
// stack (the peak reads too low): each is a variable of its own. Twelve chains cover a latency of
// six cycles at two instructions per cycle and leave AVX2 registers for the operands.
#include "harness/machine/peak.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <cmath>
#endif

namespace ashlar::machine {
namespace {

constexpr int kChains = 12;

#if defined(__x86_64__)

// x -> x * scale + shift with a fixed point at 1: values stay normal however long the loop runs.
volatile float scale_source = 0.999F;
volatile float shift_source = 0.001F;

__attribute__((target("avx2,fma"))) float fma_avx2(std::int64_t iterations) {
  const __m256 scale = _mm256_set1_ps(scale_source);
  const __m256 shift = _mm256_set1_ps(shift_source);
  __m256 c0 = _mm256_set1_ps(0.25F), c1 = _mm256_set1_ps(0.5F), c2 = _mm256_set1_ps(0.75F);
  __m256 c3 = _mm256_set1_ps(1.25F), c4 = _mm256_set1_ps(1.5F), c5 = _mm256_set1_ps(1.75F);
  __m256 c6 = _mm256_set1_ps(2.0F), c7 = _mm256_set1_ps(2.25F), c8 = _mm256_set1_ps(2.5F);
  __m256 c9 = _mm256_set1_ps(2.75F), c10 = _mm256_set1_ps(3.0F), c11 = _mm256_set1_ps(3.25F);
  for (std::int64_t i = 0; i < iterations; ++i) {
    c0 = _mm256_fmadd_ps(c0, scale, shift);
    c1 = _mm256_fmadd_ps(c1, scale, shift);
    c2 = _mm256_fmadd_ps(c2, scale, shift);
    c3 = _mm256_fmadd_ps(c3, scale, shift);
    c4 = _mm256_fmadd_ps(c4, scale, shift);
    c5 = _mm256_fmadd_ps(c5, scale, shift);
    c6 = _mm256_fmadd_ps(c6, scale, shift);
    c7 = _mm256_fmadd_ps(c7, scale, shift);
    c8 = _mm256_fmadd_ps(c8, scale, shift);
    c9 = _mm256_fmadd_ps(c9, scale, shift);
    c10 = _mm256_fmadd_ps(c10, scale, shift);
    c11 = _mm256_fmadd_ps(c11, scale, shift);
  }
  const __m256 low = (c0 + c1) + (c2 + c3) + (c4 + c5);
  const __m256 sum = low + ((c6 + c7) + (c8 + c9) + (c10 + c11));
  float total = 0;
  for (int lane = 0; lane < 8; ++lane) total += sum[lane];
  return total;
}

__attribute__((target("avx512f"))) float fma_avx512(std::int64_t iterations) {
  const __m512 scale = _mm512_set1_ps(scale_source);
  const __m512 shift = _mm512_set1_ps(shift_source);
  __m512 c0 = _mm512_set1_ps(0.25F), c1 = _mm512_set1_ps(0.5F), c2 = _mm512_set1_ps(0.75F);
  __m512 c3 = _mm512_set1_ps(1.25F), c4 = _mm512_set1_ps(1.5F), c5 = _mm512_set1_ps(1.75F);
  __m512 c6 = _mm512_set1_ps(2.0F), c7 = _mm512_set1_ps(2.25F), c8 = _mm512_set1_ps(2.5F);
  __m512 c9 = _mm512_set1_ps(2.75F), c10 = _mm512_set1_ps(3.0F), c11 = _mm512_set1_ps(3.25F);
  for (std::int64_t i = 0; i < iterations; ++i) {
    c0 = _mm512_fmadd_ps(c0, scale, shift);
    c1 = _mm512_fmadd_ps(c1, scale, shift);
    c2 = _mm512_fmadd_ps(c2, scale, shift);
    c3 = _mm512_fmadd_ps(c3, scale, shift);
    c4 = _mm512_fmadd_ps(c4, scale, shift);
    c5 = _mm512_fmadd_ps(c5, scale, shift);
    c6 = _mm512_fmadd_ps(c6, scale, shift);
    c7 = _mm512_fmadd_ps(c7, scale, shift);
    c8 = _mm512_fmadd_ps(c8, scale, shift);
    c9 = _mm512_fmadd_ps(c9, scale, shift);
    c10 = _mm512_fmadd_ps(c10, scale, shift);
    c11 = _mm512_fmadd_ps(c11, scale, shift);
  }
  const __m512 low = (c0 + c1) + (c2 + c3) + (c4 + c5);
  const __m512 sum = low + ((c6 + c7) + (c8 + c9) + (c10 + c11));
  float total = 0;
  for (int lane = 0; lane < 16; ++lane) total += sum[lane];
  return total;
}

// The pair (1, -1) times the pair (2, 2) adds zero: values stay where they start.
volatile std::uint32_t signs_source = 0xbf803f80U;
volatile std::uint32_t twos_source = 0x40004000U;

__attribute__((target("avx512f,avx512bf16"))) float dot_bf16(std::int64_t iterations) {
  const auto a = (__m512bh)_mm512_set1_epi32(static_cast<int>(signs_source));
  const auto b = (__m512bh)_mm512_set1_epi32(static_cast<int>(twos_source));
  __m512 c0 = _mm512_set1_ps(0.25F), c1 = _mm512_set1_ps(0.5F), c2 = _mm512_set1_ps(0.75F);
  __m512 c3 = _mm512_set1_ps(1.25F), c4 = _mm512_set1_ps(1.5F), c5 = _mm512_set1_ps(1.75F);
  __m512 c6 = _mm512_set1_ps(2.0F), c7 = _mm512_set1_ps(2.25F), c8 = _mm512_set1_ps(2.5F);
  __m512 c9 = _mm512_set1_ps(2.75F), c10 = _mm512_set1_ps(3.0F), c11 = _mm512_set1_ps(3.25F);
  for (std::int64_t i = 0; i < iterations; ++i) {
    c0 = _mm512_dpbf16_ps(c0, a, b);
    c1 = _mm512_dpbf16_ps(c1, a, b);
    c2 = _mm512_dpbf16_ps(c2, a, b);
    c3 = _mm512_dpbf16_ps(c3, a, b);
    c4 = _mm512_dpbf16_ps(c4, a, b);
    c5 = _mm512_dpbf16_ps(c5, a, b);
    c6 = _mm512_dpbf16_ps(c6, a, b);
    c7 = _mm512_dpbf16_ps(c7, a, b);
    c8 = _mm512_dpbf16_ps(c8, a, b);
    c9 = _mm512_dpbf16_ps(c9, a, b);
    c10 = _mm512_dpbf16_ps(c10, a, b);
    c11 = _mm512_dpbf16_ps(c11, a, b);
  }
  const __m512 low = (c0 + c1) + (c2 + c3) + (c4 + c5);
  const __m512 sum = low + ((c6 + c7) + (c8 + c9) + (c10 + c11));
  float total = 0;
  for (int lane = 0; lane < 16; ++lane) total += sum[lane];
  return total;
}

#else

/// What the compiler makes of independent chains; a lower bound of the peak.
float fma_portable(std::int64_t iterations) {
  constexpr int kLanes = 4 * kChains;
  float values[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) values[lane] = 0.25F * static_cast<float>(lane);
  for (std::int64_t i = 0; i < iterations; ++i) {
    for (float& value : values) value = std::fma(value, 0.999F, 0.001F);
  }
  float sum = 0;
  for (const float value : values) sum += value;
  return sum;
}

#endif

}  // namespace

PeakKernel f32_peak_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {"avx512", kChains * 16 * 2.0, fma_avx512};
  return {"avx2", kChains * 8 * 2.0, fma_avx2};
#else
  return {"portable", kChains * 4 * 2.0, fma_portable};
#endif
}

std::optional<PeakKernel> bf16_peak_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) {
    return PeakKernel{"avx512_bf16", kChains * 32 * 2.0, dot_bf16};
  }
#endif
  return std::nullopt;
}

}  // namespace ashlar::machine
