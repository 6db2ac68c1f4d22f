#pragma once
// For tests: tensors with strides, inside larger blocks of memory.
#include <algorithm>
#include <array>
#include <cstdint>

#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::testing {

/// A tensor inside a larger block of memory: (batch, heads, seqlen) order with gaps between rows,
/// everything around its elements filled with `filling`. Gaps are multiples of 16 bytes, as some
/// implementations want them.
class Embedded {
 public:
  Embedded(const core::AnyView<4>& source, double filling)
      : filling_(filling),
        strides_{source.shape[2] * source.shape[1] * (source.shape[3] + 8) + 16,
                 source.shape[3] + 8, source.shape[1] * (source.shape[3] + 8), 1},
        whole_(source.dtype, {1, 1, 1, source.shape[0] * strides_[0] + 64}),
        view_(static_cast<std::uint8_t*>(whole_.data()) + 16 * core::size_of(source.dtype),
              source.dtype, source.shape, strides_) {
    assign(whole_.any(), [&](Index, Index, Index, Index) { return filling; });
    assign(view_, [&](Index a, Index b, Index c, Index d) { return read(source, a, b, c, d); });
  }
  core::AnyView<4> view() const { return view_; }

  /// Whether all that is not an element still is the filling. Overwrites the elements.
  bool untouched() {
    assign(view_, [&](Index, Index, Index, Index) { return filling_; });
    for (Index i = 0; i < whole_.size(); ++i) {
      if (read(whole_.any(), 0, 0, 0, i) != filling_) return false;
    }
    return true;
  }

 private:
  double filling_;
  std::array<Index, 4> strides_;
  core::Tensor<4> whole_;
  core::AnyView<4> view_;
};

/// The same for lse, in (batch, seqlen, heads) order with gaps between heads.
class EmbeddedLse {
 public:
  explicit EmbeddedLse(const std::array<Index, 3>& shape)
      : whole_(core::DType::f32, {1, 1, shape[0] * shape[2] * shape[1] * 3 + 9}),
        view_(whole_.view<float>().data + 4, shape, {shape[2] * shape[1] * 3, 3, shape[1] * 3}) {
    std::fill_n(whole_.view<float>().data, whole_.size(), kFilling);
  }
  explicit EmbeddedLse(const core::View<float, 3>& source) : EmbeddedLse(source.shape) {
    for (Index a = 0; a < view_.shape[0]; ++a) {
      for (Index b = 0; b < view_.shape[1]; ++b) {
        for (Index c = 0; c < view_.shape[2]; ++c) view_(a, b, c) = source(a, b, c);
      }
    }
  }
  const core::View<float, 3>& view() const { return view_; }

  bool untouched() {
    for (Index a = 0; a < view_.shape[0]; ++a) {
      for (Index b = 0; b < view_.shape[1]; ++b) {
        for (Index c = 0; c < view_.shape[2]; ++c) view_(a, b, c) = kFilling;
      }
    }
    const float* const first = whole_.view<float>().data;
    return std::all_of(first, first + whole_.size(), [](float x) { return x == kFilling; });
  }

 private:
  static constexpr float kFilling = 99.0f;
  core::Tensor<3> whole_;
  core::View<float, 3> view_;
};

}  // namespace ashlar::flashattention2::testing
