#pragma once
// For tests of backward passes: a small problem with its gradients, and how far an answer is from
// the reference in double precision.
#include <cmath>
#include <limits>
#include <vector>

#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::testing {

/// A problem with standard normal dout; out, lse and the gradients are NaN.
class GradientProblem {
 public:
  explicit GradientProblem(const Shape& shape, std::uint64_t seed = 1)
      : forward(shape, seed),
        dout(shape.dtype, forward.q.shape()),
        dq(shape.dtype, forward.q.shape()),
        dk(shape.dtype, forward.k.shape()),
        dv(shape.dtype, forward.k.shape()) {
    core::fill_normal(dout.any(), seed, 3);
    poison();
  }
  void poison() {
    for (core::Tensor<4>* gradient : {&dq, &dk, &dv}) {
      assign(gradient->any(),
             [](Index, Index, Index, Index) { return std::numeric_limits<double>::quiet_NaN(); });
    }
  }
  AttentionParams params() {
    AttentionParams all = forward.params();
    all.dout = dout.any();
    all.dq = dq.any();
    all.dk = dk.any();
    all.dv = dv.any();
    return all;
  }

  Problem forward;
  core::Tensor<4> dout;
  core::Tensor<4> dq;
  core::Tensor<4> dk;
  core::Tensor<4> dv;
};

struct GradientErrors {
  double dq = 0;
  double dk = 0;
  double dv = 0;
};

/// Frobenius norm of the difference over that of the exact gradient, which counts as at least
/// 0.05 per element: gradients may vanish. Infinite where an element is NaN.
inline double relative_error(const core::ConstAnyView<4>& actual,
                             const core::ConstAnyView<4>& exact) {
  double difference = 0;
  double size = 0;
  for (Index a = 0; a < exact.shape[0]; ++a) {
    for (Index b = 0; b < exact.shape[1]; ++b) {
      for (Index c = 0; c < exact.shape[2]; ++c) {
        for (Index d = 0; d < exact.shape[3]; ++d) {
          const double wanted = read(exact, a, b, c, d);
          const double off = distance(read(actual, a, b, c, d), wanted);
          difference += off * off;
          size += wanted * wanted;
        }
      }
    }
  }
  if (difference == 0) return 0;
  return std::sqrt(difference / std::max(size, 0.0025 * static_cast<double>(exact.size())));
}

/// Of the gradients in `params` against the reference on inputs widened to double.
inline GradientErrors gradient_errors(const AttentionParams& params) {
  const auto widen = [](const core::ConstAnyView<4>& tensor) {
    core::Tensor<4> wide(core::DType::f64, tensor.shape);
    assign(wide.any(),
           [&](Index a, Index b, Index c, Index d) { return read(tensor, a, b, c, d); });
    return wide;
  };
  const core::Tensor<4> q = widen(params.q);
  const core::Tensor<4> k = widen(params.k);
  const core::Tensor<4> v = widen(params.v);
  const core::Tensor<4> dout = widen(params.dout);
  core::Tensor<4> out(core::DType::f64, q.shape());
  core::Tensor<4> dq(core::DType::f64, q.shape());
  core::Tensor<4> dk(core::DType::f64, k.shape());
  core::Tensor<4> dv(core::DType::f64, k.shape());
  AttentionParams wide = params;
  wide.q = q.any();
  wide.k = k.any();
  wide.v = v.any();
  wide.dout = dout.any();
  wide.out = out.any();
  wide.dq = dq.any();
  wide.dk = dk.any();
  wide.dv = dv.any();
  reference_backward(wide);
  return {relative_error(params.dq, dq.any()), relative_error(params.dk, dk.any()),
          relative_error(params.dv, dv.any())};
}

}  // namespace ashlar::flashattention2::testing
