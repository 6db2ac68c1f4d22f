// No #pragma once: the text of the backward pass's micro-kernels, included once per instruction
// set, inside its namespace and its target attributes, after a struct `Ops` that says what a vector
// is:
//   kLanes, kVectors, kStep; Vector (floats), Word (packed words)
//   zero, set, load, store, add, sub, mul, mul_add, mul_sub, exp2; within(v, begin, end) keeps
//   lanes [begin, end) and clears the others; splat, words, dot for packed words; emit writes two
//   rows' answers; tanh.
// Every loop over the accumulators is unrolled by pragma: GCC keeps an indexed array of vectors in
// memory as soon as one loop over it is left rolled.

template <int kWidth, bool kByColumn>
HWY_INLINE void multiply_strip(const std::uint32_t* a, Index a_stride, const std::uint32_t* b,
                               Index b_stride, Index depth, float* c, Index c_stride, bool add) {
  Ops::Vector acc[kProductRows][kWidth];
#pragma GCC unroll 6
  for (int r = 0; r < kProductRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) acc[r][v] = Ops::zero();
  }
  for (Index k = 0; k < depth; ++k) {
    Ops::Word row[kWidth];
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) row[v] = Ops::words(b + v * Ops::kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kProductRows; ++r) {
      const Ops::Word factor = Ops::splat(kByColumn ? a + r : a + r * a_stride);
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) acc[r][v] = Ops::dot(acc[r][v], factor, row[v]);
    }
    a += kByColumn ? a_stride : 1;
    b += b_stride;
  }
#pragma GCC unroll 6
  for (int r = 0; r < kProductRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      float* to = c + r * c_stride + v * Ops::kLanes;
      Ops::store(add ? Ops::add(Ops::load(to), acc[r][v]) : acc[r][v], to);
    }
  }
}

template <int kWidth, bool kByColumn>
HWY_INLINE void multiply_strips(const Product& p) {
  const Index a_step = kProductRows * (kByColumn ? 1 : p.a_stride);
  for (Index s = 0; s < p.strips; ++s) {
    multiply_strip<kWidth, kByColumn>(p.a + s * a_step, p.a_stride, p.b, p.b_stride, p.depth,
                                      p.c + s * kProductRows * p.c_stride, p.c_stride, p.add);
  }
}

template <bool kByColumn>
HWY_INLINE void multiply_any(const Product& p) {
  if constexpr (Ops::kVectors > 2) {
    if (p.vectors == 4) return multiply_strips<4, kByColumn>(p);
    if (p.vectors == 3) return multiply_strips<3, kByColumn>(p);
  }
  if (p.vectors == 2) return multiply_strips<2, kByColumn>(p);
  multiply_strips<1, kByColumn>(p);
}

void multiply_rows(const Product& p) { multiply_any<false>(p); }
void multiply_columns(const Product& p) { multiply_any<true>(p); }

struct Gradient {
  Ops::Vector p;
  Ops::Vector ds;
};

template <bool kMasked, Factors kFactors>
HWY_INLINE Gradient gradient_of(const Weighing& w, Index row, Index column) {
  const Index at = row * w.stride + column;
  const Ops::Vector lse = Ops::set(w.lse_log2[row]);
  const Ops::Vector delta = Ops::set(w.delta[row]);
  Ops::Vector p = Ops::exp2(Ops::mul_sub(Ops::load(w.scores + at), Ops::set(w.scale_log2e), lse));
  if constexpr (kMasked) {
    const Visible& visible = w.visible[row];
    const Index first = w.first_column + column;
    p = Ops::within(p, visible.begin - first, visible.end - first);
  }
  const Ops::Vector dp = Ops::load(w.dp + at);
  if constexpr (kFactors == Factors::none) return {p, Ops::mul(p, Ops::sub(dp, delta))};
  const Ops::Vector factor = Ops::load(w.factors + row * w.factor_stride + column);
  if constexpr (kFactors == Factors::kept) {
    return {Ops::mul(p, factor), Ops::mul(p, Ops::mul_sub(factor, dp, delta))};
  }
  return {p, Ops::mul(Ops::mul(p, Ops::sub(dp, delta)), factor)};
}

template <bool kMasked, Factors kFactors>
HWY_INLINE void weigh_all(const Weighing& w) {
  for (Index row = 0; row < w.rows; row += 2) {
    for (Index v = 0; v < w.vectors; ++v) {
      const Index column = v * Ops::kLanes;
      const Gradient upper = gradient_of<kMasked, kFactors>(w, row, column);
      const Gradient lower = gradient_of<kMasked, kFactors>(w, row + 1, column);
      Ops::emit(w, row, column, upper, lower);
    }
  }
}

void weigh(const Weighing& w, Factors kind) {
  const bool masked = w.visible != nullptr;
  switch (kind) {
    case Factors::none:
      return masked ? weigh_all<true, Factors::none>(w) : weigh_all<false, Factors::none>(w);
    case Factors::kept:
      return masked ? weigh_all<true, Factors::kept>(w) : weigh_all<false, Factors::kept>(w);
    case Factors::slope:
      return masked ? weigh_all<true, Factors::slope>(w) : weigh_all<false, Factors::slope>(w);
  }
}

/// tanh(x) within a few units, and its derivative: t = exp(-2 |x|) gives (1 - t) / (1 + t), which
/// cancels near 0, where the Taylor series to x^11 takes over.
HWY_INLINE void tanh_of(Ops::Vector x, Ops::Vector& value, Ops::Vector& slope) {
  constexpr float kSeriesBelow = 0.35f;
  const Ops::Vector one = Ops::set(1.0f);
  const Ops::Vector size = Ops::absolute(x);
  const Ops::Vector t = Ops::exp2(Ops::mul(size, Ops::set(-2.88539008f)));
  const Ops::Vector reciprocal = Ops::div(one, Ops::add(one, t));
  slope = Ops::mul(Ops::mul(Ops::set(4.0f), t), Ops::mul(reciprocal, reciprocal));
  const Ops::Vector far = Ops::mul(Ops::sub(one, t), reciprocal);
  const Ops::Vector square = Ops::mul(x, x);
  Ops::Vector near = Ops::set(-1382.0f / 155925.0f);
  near = Ops::mul_add(near, square, Ops::set(62.0f / 2835.0f));
  near = Ops::mul_add(near, square, Ops::set(-17.0f / 315.0f));
  near = Ops::mul_add(near, square, Ops::set(2.0f / 15.0f));
  near = Ops::mul_add(near, square, Ops::set(-1.0f / 3.0f));
  near = Ops::mul_add(Ops::mul(near, square), x, x);
  value = Ops::if_less(size, Ops::set(kSeriesBelow), near, Ops::copy_sign(far, x));
}

void softcap(float* scores, Index stride, float* slope, Index slope_stride, Index rows,
             Index vectors, float scale, float cap) {
  const Ops::Vector inner = Ops::set(scale / cap);
  const Ops::Vector outer = Ops::set(cap / scale);
  for (Index row = 0; row < rows; ++row) {
    for (Index c = 0; c < vectors * Ops::kLanes; c += Ops::kLanes) {
      float* score = scores + row * stride + c;
      Ops::Vector value = Ops::zero();
      Ops::Vector derivative = Ops::zero();
      tanh_of(Ops::mul(Ops::load(score), inner), value, derivative);
      Ops::store(Ops::mul(value, outer), score);
      Ops::store(derivative, slope + row * slope_stride + c);
    }
  }
}
