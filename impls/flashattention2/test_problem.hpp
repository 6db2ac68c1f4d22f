#pragma once
// For tests of every implementation of attention: a small problem of both passes that owns its
// tensors, outputs and gradients filled with NaN first.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/core/random.hpp"
#include "impls/core/tensor.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/reference.hpp"

namespace ashlar::flashattention2::testing {

struct Lengths {
  Index q = 0;
  Index k = 0;
};

struct Shape {
  Index seqlen_q = 1;
  Index seqlen_k = 1;
  Index head_dim = 8;
  bool causal = false;
  core::DType dtype = core::DType::f32;
  Index batch = 1;
  Index heads_q = 1;
  Index heads_kv = 1;
  Window window = {};
  float softcap = 0;
  Dropout dropout = {};
  /// Packed sequences. Where there are any, seqlen_q and seqlen_k are their sums and batch is 1.
  std::vector<Lengths> sequences = {};
};

inline Shape packed_shape(Shape shape, std::vector<Lengths> sequences) {
  shape.seqlen_q = shape.seqlen_k = 0;
  for (const Lengths& lengths : sequences) {
    shape.seqlen_q += lengths.q;
    shape.seqlen_k += lengths.k;
  }
  shape.sequences = std::move(sequences);
  return shape;
}

inline std::string describe(const Shape& shape) {
  return std::to_string(shape.seqlen_q) + " x " + std::to_string(shape.seqlen_k) + ", d " +
         std::to_string(shape.head_dim) + (shape.causal ? ", causal, " : ", ") +
         std::string(core::name_of(shape.dtype)) + ", heads " + std::to_string(shape.heads_q) +
         ":" + std::to_string(shape.heads_kv) + ", window (" + std::to_string(shape.window.left) +
         ", " + std::to_string(shape.window.right) + "), softcap " + std::to_string(shape.softcap) +
         ", dropout " + std::to_string(shape.dropout.probability) +
         (shape.sequences.empty() ? "" : ", packed");
}

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

/// Sets all elements of a contiguous tensor.
inline void fill(const core::AnyView<4>& tensor, double value) {
  core::visit_float_type(tensor.dtype, [&]<class T>() {
    T element{};
    if constexpr (std::is_same_v<T, double>) {
      element = value;
    } else {
      element = core::from_float<T>(static_cast<float>(value));
    }
    std::fill_n(static_cast<T*>(tensor.data), tensor.size(), element);
  });
}

class Problem {
 public:
  explicit Problem(const Shape& shape, std::uint64_t seed = 1)
      : q(shape.dtype, {shape.batch, shape.seqlen_q, shape.heads_q, shape.head_dim}),
        k(shape.dtype, {shape.batch, shape.seqlen_k, shape.heads_kv, shape.head_dim}),
        v(shape.dtype, k.shape()),
        out(shape.dtype, q.shape()),
        lse(core::DType::f32, {shape.batch, shape.heads_q, shape.seqlen_q}),
        dout(shape.dtype, q.shape()),
        dq(shape.dtype, q.shape()),
        dk(shape.dtype, k.shape()),
        dv(shape.dtype, k.shape()),
        causal(shape.causal),
        window(shape.window),
        softcap(shape.softcap),
        dropout(shape.dropout),
        scale(1.0f / std::sqrt(static_cast<float>(shape.head_dim))) {
    core::fill_normal(q.any(), seed, 0);
    core::fill_normal(k.any(), seed, 1);
    core::fill_normal(v.any(), seed, 2);
    core::fill_normal(dout.any(), seed, 3);
    if (!shape.sequences.empty()) {
      cu_seqlens_q.push_back(0);
      cu_seqlens_k.push_back(0);
    }
    for (const Lengths& lengths : shape.sequences) {
      cu_seqlens_q.push_back(cu_seqlens_q.back() + static_cast<std::int32_t>(lengths.q));
      cu_seqlens_k.push_back(cu_seqlens_k.back() + static_cast<std::int32_t>(lengths.k));
    }
    poison();
    poison_gradients();
  }

  /// Fills the outputs with NaN, so that a row not written is seen.
  void poison() {
    fill(out.any(), kNan);
    std::fill_n(lse.view<float>().data, lse.size(), std::numeric_limits<float>::quiet_NaN());
  }
  void poison_gradients() {
    for (core::Tensor<4>* gradient : {&dq, &dk, &dv}) fill(gradient->any(), kNan);
  }

  AttentionParams params() {
    AttentionParams params{q.any(),           k.any(), v.any(), out.any(),
                           lse.view<float>(), scale,   causal,  window};
    params.softcap = softcap;
    params.dropout = dropout;
    params.cu_seqlens_q = cu_seqlens_q;
    params.cu_seqlens_k = cu_seqlens_k;
    params.dout = dout.any();
    params.dq = dq.any();
    params.dk = dk.any();
    params.dv = dv.any();
    return params;
  }

  core::Tensor<4> q;
  core::Tensor<4> k;
  core::Tensor<4> v;
  core::Tensor<4> out;
  core::Tensor<3> lse;
  core::Tensor<4> dout;
  core::Tensor<4> dq;
  core::Tensor<4> dk;
  core::Tensor<4> dv;
  std::vector<std::int32_t> cu_seqlens_q;  // empty: not packed
  std::vector<std::int32_t> cu_seqlens_k;
  bool causal;
  Window window;
  float softcap;
  Dropout dropout;
  float scale;

 private:
  static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
};

/// Calls body(sequence, head, row) for every query row: sequences outside, rows inside.
template <class Body>
void for_each_row(const AttentionParams& params, const Body& body) {
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    for (Index head = 0; head < params.heads_q(); ++head) {
      for (Index row = 0; row < sequence.seqlen_q; ++row) body(sequence, head, row);
    }
  }
}

/// Rows [first, first + count) of all batch entries.
template <class Void>
core::BasicAnyView<Void, 4> row_slice(core::BasicAnyView<Void, 4> tensor, Index first,
                                      Index count) {
  using Byte = std::conditional_t<std::is_const_v<Void>, const std::uint8_t, std::uint8_t>;
  tensor.data = static_cast<Byte*>(tensor.data) +
                first * tensor.strides[1] * static_cast<Index>(core::size_of(tensor.dtype));
  tensor.shape[1] = count;
  return tensor;
}

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
  for_each_row(params, [&](const Sequence& sequence, Index head, Index row) {
    const RowResult expected = reference_row(params, sequence.id, head, row);
    const Index r = sequence.first_q + row;
    for (Index i = 0; i < params.head_dim(); ++i) {
      const double actual = read(params.out, sequence.batch, r, head, i);
      const double wanted = expected.out[static_cast<std::size_t>(i)];
      largest.out = std::max(largest.out, distance(actual, wanted));
    }
    const auto actual = static_cast<double>(params.lse(sequence.batch, head, r));
    largest.lse = std::max(largest.lse, distance(actual, expected.lse));
  });
  return largest;
}

}  // namespace ashlar::flashattention2::testing
