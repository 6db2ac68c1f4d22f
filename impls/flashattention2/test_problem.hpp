#pragma once
// For tests of every implementation of attention: a small problem that owns its tensors, outputs
// filled with NaN first.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "impls/core/half.hpp"
#include "impls/core/random.hpp"
#include "impls/core/tensor.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/reference.hpp"

namespace ashlar::flashattention2::testing {

struct Shape {
  Index seqlen_q = 1;
  Index seqlen_k = 1;
  Index head_dim = 8;
  bool causal = false;
  core::DType dtype = core::DType::f32;
  Index batch = 1;
  Index heads_q = 1;
  Index heads_kv = 1;
};

/// Element as double, whatever the storage type.
template <class Any>
double read(const Any& tensor, Index a, Index b, Index c, Index d) {
  return core::visit_float_type(tensor.dtype, [&]<class T>() {
    return static_cast<double>(core::to_float(tensor.template as<T>()(a, b, c, d)));
  });
}

inline void write(const core::AnyView<4>& tensor, Index a, Index b, Index c, Index d,
                  double value) {
  core::visit_float_type(tensor.dtype, [&]<class T>() {
    if constexpr (std::is_same_v<T, double>) {
      tensor.template as<T>()(a, b, c, d) = value;
    } else {
      tensor.template as<T>()(a, b, c, d) = core::from_float<T>(static_cast<float>(value));
    }
  });
}

/// Sets every element to function(a, b, c, d).
template <class Function>
void assign(const core::AnyView<4>& tensor, const Function& function) {
  for (Index a = 0; a < tensor.shape[0]; ++a) {
    for (Index b = 0; b < tensor.shape[1]; ++b) {
      for (Index c = 0; c < tensor.shape[2]; ++c) {
        for (Index d = 0; d < tensor.shape[3]; ++d) write(tensor, a, b, c, d, function(a, b, c, d));
      }
    }
  }
}

class Problem {
 public:
  explicit Problem(const Shape& shape, std::uint64_t seed = 1)
      : q(shape.dtype, {shape.batch, shape.seqlen_q, shape.heads_q, shape.head_dim}),
        k(shape.dtype, {shape.batch, shape.seqlen_k, shape.heads_kv, shape.head_dim}),
        v(shape.dtype, k.shape()),
        out(shape.dtype, q.shape()),
        lse(core::DType::f32, {shape.batch, shape.heads_q, shape.seqlen_q}),
        causal(shape.causal),
        scale(1.0f / std::sqrt(static_cast<float>(shape.head_dim))) {
    core::fill_normal(q.any(), seed, 0);
    core::fill_normal(k.any(), seed, 1);
    core::fill_normal(v.any(), seed, 2);
    poison();
  }

  /// Fills the outputs with NaN, so that a row not written is seen.
  void poison() {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    assign(out.any(), [](Index, Index, Index, Index) { return kNan; });
    std::fill_n(lse.view<float>().data, lse.size(), std::numeric_limits<float>::quiet_NaN());
  }

  AttentionParams params() {
    return {q.any(), k.any(), v.any(), out.any(), lse.view<float>(), scale, causal};
  }

  core::Tensor<4> q;
  core::Tensor<4> k;
  core::Tensor<4> v;
  core::Tensor<4> out;
  core::Tensor<3> lse;
  bool causal;
  float scale;
};

/// A copy of a tensor whose storage has `tail` more rows in every batch entry, all of them NaN. The
/// view shows the tensor alone.
class Tailed {
 public:
  Tailed(const core::Tensor<4>& source, Index tail)
      : shape_(source.shape()),
        storage_(source.dtype(), {shape_[0], shape_[1] + tail, shape_[2], shape_[3]}) {
    assign(storage_.any(), [&](Index a, Index b, Index c, Index d) {
      return b < shape_[1] ? read(source.any(), a, b, c, d)
                           : std::numeric_limits<double>::quiet_NaN();
    });
  }
  core::ConstAnyView<4> view() const {
    return {storage_.data(), storage_.dtype(), shape_, core::contiguous_strides(storage_.shape())};
  }

 private:
  std::array<Index, 4> shape_;
  core::Tensor<4> storage_;
};

/// Largest differences between the outputs in `params` and the reference on the same inputs; an
/// infinite or NaN output where the reference is finite counts as infinity, as does a different
/// infinity.
struct Difference {
  double out = 0;
  double lse = 0;
};

inline double distance(double actual, double expected) {
  if (actual == expected) return 0;
  const double difference = std::abs(actual - expected);
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

inline Difference difference_to_reference(const AttentionParams& params) {
  Difference largest;
  for (Index b = 0; b < params.batch(); ++b) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < params.seqlen_q(); ++r) {
        const RowResult expected = reference_row(params, b, h, r);
        for (Index i = 0; i < params.head_dim(); ++i) {
          const double actual = read(params.out, b, r, h, i);
          const double wanted = expected.out[static_cast<std::size_t>(i)];
          largest.out = std::max(largest.out, distance(actual, wanted));
        }
        const auto actual = static_cast<double>(params.lse(b, h, r));
        largest.lse = std::max(largest.lse, distance(actual, expected.lse));
      }
    }
  }
  return largest;
}

}  // namespace ashlar::flashattention2::testing
