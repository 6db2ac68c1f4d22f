#pragma once
// The functions of a block that are no matrix product, for one row or one element: on a GPU in
// float, in the reference in double.
#include <cmath>

#include "impls/core/cuda/host_device.hpp"

namespace ashlar::nn {

/// Added to the variance before its root.
inline constexpr double kNormEpsilon = 1e-5;

template <class Real>
struct RowMoments {
  Real mean;
  Real inverse_deviation;
};

/// From the sums of a row of `width` elements and of their squared differences from the mean.
template <class Real>
ASHLAR_HOST_DEVICE RowMoments<Real> moments(Real sum, Real squares, Real width) {
  const Real variance = squares / width;
  return {sum / width, Real(1) / std::sqrt(variance + static_cast<Real>(kNormEpsilon))};
}

/// The gradient of one element of a normalised row's input. `centred` is the element, normalised
/// without gain and bias, `scaled` the gradient of the output times gain; the means are of `scaled`
/// and of `scaled * centred` over the row.
template <class Real>
ASHLAR_HOST_DEVICE Real norm_gradient(Real scaled, Real centred, Real mean_scaled,
                                      Real mean_product, Real inverse_deviation) {
  return inverse_deviation * (scaled - mean_scaled - centred * mean_product);
}

template <class Real>
ASHLAR_HOST_DEVICE Real normal_distribution(Real x) {
  constexpr Real kInverseRoot2 = Real(0.70710678118654752440);
  return Real(0.5) * std::erfc(-x * kInverseRoot2);
}
template <class Real>
ASHLAR_HOST_DEVICE Real gelu(Real x) {
  return x * normal_distribution(x);
}
/// d gelu / dx.
template <class Real>
ASHLAR_HOST_DEVICE Real gelu_slope(Real x) {
  constexpr Real kInverseRoot2Pi = Real(0.39894228040143267794);
  return normal_distribution(x) + x * kInverseRoot2Pi * std::exp(Real(-0.5) * x * x);
}

}  // namespace ashlar::nn
