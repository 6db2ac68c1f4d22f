#pragma once
// Joins attention over parts of the keys to attention over all of them: what split-KV decoding ends
// with, on the CPU and on a GPU.
//
// A part k of one row's keys gives its own normalised output O_k and lse L_k. The whole is
//   L = ln sum_k e^(L_k)        O = sum_k e^(L_k - L) O_k
// A part that saw no key has L_k = -infinity, the neutral element, and its O_k is never read. If
// all parts are such, the row sees nothing and follows the convention of attention.hpp: O = 0 and
// L = +infinity.
//
// L_k are floats, so the weight of a part is off by up to |L_k| * 2^-24 relatively, which is what
// scores of that size are off by themselves.
#include <cmath>
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"

namespace ashlar::flashattention2 {

/// The lse of a part, from that of a pass over it by itself, where +infinity means "saw nothing".
ASHLAR_HOST_DEVICE float part_lse(float lse) { return lse == INFINITY ? -INFINITY : lse; }

/// L of the parts lse[0], lse[stride], ...; +infinity if none saw a key. NaN in a part is NaN.
ASHLAR_HOST_DEVICE float combined_lse(const float* lse, std::int64_t stride, int parts) {
  float top = -INFINITY;
  for (int k = 0; k < parts; ++k) top = lse[k * stride] > top ? lse[k * stride] : top;
  float sum = 0;
  for (int k = 0; k < parts; ++k) {
    const float one = lse[k * stride];
    if (one != -INFINITY) sum += expf(one - top);
  }
  return sum == 0 ? INFINITY : top + logf(sum);
}

/// What part k weighs in the whole: e^(L_k - L), and 0 if it saw nothing.
ASHLAR_HOST_DEVICE float part_weight(float part, float whole) {
  return part == -INFINITY ? 0.0F : expf(part - whole);
}

/// One element of O: values[k * value_stride] weighed by parts.
ASHLAR_HOST_DEVICE float combined_value(const float* lse, std::int64_t lse_stride, float whole,
                                        const float* values, std::int64_t value_stride, int parts) {
  float sum = 0;
  for (int k = 0; k < parts; ++k) {
    const float part = lse[k * lse_stride];
    if (part != -INFINITY) sum += part_weight(part, whole) * values[k * value_stride];
  }
  return sum;
}

}  // namespace ashlar::flashattention2
