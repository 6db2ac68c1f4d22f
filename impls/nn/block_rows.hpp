#pragma once
// What a block computes beside matrix products, as code of one warp for one row of an activation,
// and of one thread for a few columns of a sum over rows: kernels on a GPU (block_kernels.hpp), and
// loops on a CPU (block_host.hpp). A warp is whatever has kLanes, lane() and sum(), the sum of a
// number over its lanes, given to all.
//
// All of it is bound by memory. So lanes read and write 16 bytes of bfloat16 at once, and a row is
// not kept in registers between two readings of it: it is in the cache then. Rows start at
// multiples of 16 bytes and widths are multiples of 8. Arithmetic and sums are float.
#include <cstdint>
#include <cstring>

#include "impls/core/cuda/host_device.hpp"
#include "impls/core/half.hpp"
#include "impls/nn/block_math.hpp"

namespace ashlar::nn {

using Index = std::int64_t;

inline constexpr int kChunk = 8;  // elements that a lane reads at once
/// A sum over all tokens is made of so many sums over tokens that follow each other, in this order.
inline constexpr int kSumParts = 256;

/// Activations are (tokens, width), row-major: y = norm(x) gain + bias.
template <class Element>
struct NormRows {
  Index tokens = 0;
  Index width = 0;
  const Element* x = nullptr;
  const Element* gain = nullptr;
  const Element* bias = nullptr;
  Element* y = nullptr;
  float* moments = nullptr;  // (tokens, 2): mean and inverse deviation, for the backward pass
};

/// dx = residual + the gradient through norm; dx may be dy or residual.
template <class Element>
struct NormBackwardRows {
  Index tokens = 0;
  Index width = 0;
  const Element* x = nullptr;
  const Element* gain = nullptr;
  const float* moments = nullptr;
  const Element* dy = nullptr;
  const Element* residual = nullptr;
  Element* dx = nullptr;
};

/// y += bias + residual, the latter where there is one.
template <class Element>
struct BiasRows {
  Index tokens = 0;
  Index width = 0;
  const Element* bias = nullptr;
  const Element* residual = nullptr;
  Element* y = nullptr;
};

/// x += bias, y = gelu(x).
template <class Element>
struct GeluRows {
  Index tokens = 0;
  Index width = 0;
  const Element* bias = nullptr;
  Element* x = nullptr;
  Element* y = nullptr;
};

/// gradient *= gelu'(x).
template <class Element>
struct GeluBackwardRows {
  Index tokens = 0;
  Index width = 0;
  const Element* x = nullptr;
  Element* gradient = nullptr;
};

/// The gradient of a bias: dbias = sum over tokens of dy.
template <class Element>
struct BiasSums {
  static constexpr int kSums = 1;
  Index tokens = 0;
  Index width = 0;
  const Element* dy = nullptr;
  float* partials = nullptr;  // (kSums, kSumParts, width)
  Element* sums[kSums] = {};  // dbias
};

/// The gradients of gain and bias of a norm.
template <class Element>
struct NormSums {
  static constexpr int kSums = 2;
  Index tokens = 0;
  Index width = 0;
  const Element* x = nullptr;
  const float* moments = nullptr;
  const Element* dy = nullptr;
  float* partials = nullptr;
  Element* sums[kSums] = {};  // dgain, dbias
};

ASHLAR_HOST_DEVICE void load(const float* from, float (&to)[kChunk]) {
  for (int i = 0; i < kChunk; ++i) to[i] = from[i];
}
ASHLAR_HOST_DEVICE void store(float* to, const float (&from)[kChunk]) {
  for (int i = 0; i < kChunk; ++i) to[i] = from[i];
}
/// 16 bytes at once, which a copy of unknown alignment is not on a GPU.
struct alignas(16) Pairs {
  std::uint32_t pairs[kChunk / 2];  // the element of the lower half comes first
};
ASHLAR_HOST_DEVICE void load(const core::BFloat16* from, float (&to)[kChunk]) {
#ifdef __CUDA_ARCH__
  const uint4 words = *reinterpret_cast<const uint4*>(from);
  const Pairs at{{words.x, words.y, words.z, words.w}};
#else
  Pairs at;
  memcpy(&at, from, sizeof at);
#endif
  ASHLAR_UNROLL
  for (int i = 0; i < kChunk; ++i)
    to[i] = core::to_float(
        core::BFloat16{static_cast<std::uint16_t>(at.pairs[i / 2] >> (i % 2 == 0 ? 0 : 16))});
}
ASHLAR_HOST_DEVICE void store(core::BFloat16* to, const float (&from)[kChunk]) {
  Pairs at;
  ASHLAR_UNROLL
  for (int i = 0; i < kChunk / 2; ++i) {
    at.pairs[i] = core::to_bfloat16(from[2 * i]).bits |
                  static_cast<std::uint32_t>(core::to_bfloat16(from[2 * i + 1]).bits) << 16;
  }
#ifdef __CUDA_ARCH__
  *reinterpret_cast<uint4*>(to) = make_uint4(at.pairs[0], at.pairs[1], at.pairs[2], at.pairs[3]);
#else
  memcpy(static_cast<void*>(to), &at, sizeof at);
#endif
}
ASHLAR_HOST_DEVICE void store_one(float* to, float value) { *to = value; }
ASHLAR_HOST_DEVICE void store_one(core::BFloat16* to, float value) {
  *to = core::to_bfloat16(value);
}

/// Calls body(first column) for the chunks of a row that are this lane's.
template <class Warp, class Body>
ASHLAR_KERNEL_CODE void for_chunks(const Warp& warp, Index width, const Body& body) {
  for (Index column = warp.lane() * kChunk; column < width; column += Warp::kLanes * kChunk)
    body(column);
}

template <class Warp, class Element>
ASHLAR_KERNEL_CODE void apply_row(const Warp& warp, const NormRows<Element>& a, Index row) {
  const Element* const x = a.x + row * a.width;
  const auto width = static_cast<float>(a.width);
  float values[kChunk];
  float sum = 0;
  for_chunks(warp, a.width, [&](Index column) {
    load(x + column, values);
    for (const float value : values) sum += value;
  });
  sum = warp.sum(sum);
  float squares = 0;
  for_chunks(warp, a.width, [&](Index column) {
    load(x + column, values);
    for (const float value : values) squares += (value - sum / width) * (value - sum / width);
  });
  const RowMoments<float> found = moments(sum, warp.sum(squares), width);
  if (warp.lane() == 0) {
    a.moments[2 * row] = found.mean;
    a.moments[2 * row + 1] = found.inverse_deviation;
  }
  for_chunks(warp, a.width, [&](Index column) {
    float gain[kChunk];
    float bias[kChunk];
    load(x + column, values);
    load(a.gain + column, gain);
    load(a.bias + column, bias);
    ASHLAR_UNROLL
    for (int i = 0; i < kChunk; ++i)
      values[i] = (values[i] - found.mean) * found.inverse_deviation * gain[i] + bias[i];
    store(a.y + row * a.width + column, values);
  });
}

/// A chunk of a row without gain and bias, and dy times gain.
template <class Element>
ASHLAR_KERNEL_CODE void load_norm_gradient(const NormBackwardRows<Element>& a, Index row,
                                           Index column, float (&centred)[kChunk],
                                           float (&scaled)[kChunk]) {
  float gain[kChunk];
  load(a.x + row * a.width + column, centred);
  load(a.dy + row * a.width + column, scaled);
  load(a.gain + column, gain);
  ASHLAR_UNROLL
  for (int i = 0; i < kChunk; ++i) {
    centred[i] = (centred[i] - a.moments[2 * row]) * a.moments[2 * row + 1];
    scaled[i] *= gain[i];
  }
}

template <class Warp, class Element>
ASHLAR_KERNEL_CODE void apply_row(const Warp& warp, const NormBackwardRows<Element>& a, Index row) {
  const auto width = static_cast<float>(a.width);
  float centred[kChunk];
  float scaled[kChunk];
  float sum = 0;
  float product = 0;
  for_chunks(warp, a.width, [&](Index column) {
    load_norm_gradient(a, row, column, centred, scaled);
    ASHLAR_UNROLL
    for (int i = 0; i < kChunk; ++i) {
      sum += scaled[i];
      product += scaled[i] * centred[i];
    }
  });
  const float mean_scaled = warp.sum(sum) / width;
  const float mean_product = warp.sum(product) / width;
  for_chunks(warp, a.width, [&](Index column) {
    float dx[kChunk];
    load_norm_gradient(a, row, column, centred, scaled);
    load(a.residual + row * a.width + column, dx);
    ASHLAR_UNROLL
    for (int i = 0; i < kChunk; ++i)
      dx[i] +=
          norm_gradient(scaled[i], centred[i], mean_scaled, mean_product, a.moments[2 * row + 1]);
    store(a.dx + row * a.width + column, dx);
  });
}

template <class Warp, class Element>
ASHLAR_KERNEL_CODE void apply_row(const Warp& warp, const BiasRows<Element>& a, Index row) {
  for_chunks(warp, a.width, [&](Index column) {
    float y[kChunk];
    float bias[kChunk];
    float residual[kChunk] = {};
    load(a.y + row * a.width + column, y);
    load(a.bias + column, bias);
    if (a.residual != nullptr) load(a.residual + row * a.width + column, residual);
    ASHLAR_UNROLL
    for (int i = 0; i < kChunk; ++i) y[i] += bias[i] + residual[i];
    store(a.y + row * a.width + column, y);
  });
}

template <class Warp, class Element>
ASHLAR_KERNEL_CODE void apply_row(const Warp& warp, const GeluRows<Element>& a, Index row) {
  for_chunks(warp, a.width, [&](Index column) {
    float x[kChunk];
    float bias[kChunk];
    load(a.x + row * a.width + column, x);
    load(a.bias + column, bias);
    ASHLAR_UNROLL
    for (int i = 0; i < kChunk; ++i) x[i] += bias[i];
    store(a.x + row * a.width + column, x);
    ASHLAR_UNROLL
    for (int i = 0; i < kChunk; ++i) x[i] = gelu(x[i]);
    store(a.y + row * a.width + column, x);
  });
}

template <class Warp, class Element>
ASHLAR_KERNEL_CODE void apply_row(const Warp& warp, const GeluBackwardRows<Element>& a, Index row) {
  for_chunks(warp, a.width, [&](Index column) {
    float x[kChunk];
    float gradient[kChunk];
    load(a.x + row * a.width + column, x);
    load(a.gradient + row * a.width + column, gradient);
    ASHLAR_UNROLL
    for (int i = 0; i < kChunk; ++i) gradient[i] *= gelu_slope(x[i]);
    store(a.gradient + row * a.width + column, gradient);
  });
}

template <class Element>
ASHLAR_KERNEL_CODE void add_terms(const BiasSums<Element>& a, Index row, Index column,
                                  float (&sums)[1][kChunk]) {
  float dy[kChunk];
  load(a.dy + row * a.width + column, dy);
  ASHLAR_UNROLL
  for (int i = 0; i < kChunk; ++i) sums[0][i] += dy[i];
}

template <class Element>
ASHLAR_KERNEL_CODE void add_terms(const NormSums<Element>& a, Index row, Index column,
                                  float (&sums)[2][kChunk]) {
  float x[kChunk];
  float dy[kChunk];
  load(a.x + row * a.width + column, x);
  load(a.dy + row * a.width + column, dy);
  ASHLAR_UNROLL
  for (int i = 0; i < kChunk; ++i) {
    sums[0][i] += dy[i] * (x[i] - a.moments[2 * row]) * a.moments[2 * row + 1];
    sums[1][i] += dy[i];
  }
}

/// One thread: a chunk of columns, over the tokens of one part.
template <class Sums>
ASHLAR_KERNEL_CODE void sum_part(const Sums& a, Index part, Index column) {
  float sums[Sums::kSums][kChunk] = {};
  const Index end = (part + 1) * a.tokens / kSumParts;
  for (Index row = part * a.tokens / kSumParts; row < end; ++row) add_terms(a, row, column, sums);
  ASHLAR_UNROLL
  for (int s = 0; s < Sums::kSums; ++s)
    store(a.partials + (s * kSumParts + part) * a.width + column, sums[s]);
}

/// One thread: one column of the sum `which`, from the parts.
template <class Sums>
ASHLAR_KERNEL_CODE void sum_parts(const Sums& a, int which, Index column) {
  float sum = 0;
  for (Index part = 0; part < kSumParts; ++part)
    sum += a.partials[(which * kSumParts + part) * a.width + column];
  store_one(a.sums[which] + column, sum);
}

}  // namespace ashlar::nn
