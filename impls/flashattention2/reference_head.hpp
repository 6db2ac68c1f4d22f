#pragma once
// One query head of one sequence in double precision: what the forward and the backward pass of the
// reference share. Internal.
#include <cmath>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::detail {

/// A score and its derivative with respect to scale * <q, k>.
struct Score {
  double value;
  double slope;
};

template <class T>
class ReferenceHead {
 public:
  ReferenceHead(const AttentionParams& params, Index sequence, Index head)
      : params_(params),
        sequence_(params.sequence(sequence)),
        mask_(params.mask(sequence_)),
        dropout_(params.dropout_mask(sequence_, head)),
        head_(head),
        head_kv_(params.kv_head(head)) {}

  const Sequence& sequence() const { return sequence_; }
  const Mask<Index>& mask() const { return mask_; }
  Index head_dim() const { return params_.head_dim(); }

  const T* query(Index row) const { return row_of(params_.q, row); }
  const T* out(Index row) const { return row_of(core::ConstAnyView<4>(params_.out), row); }
  const T* dout(Index row) const { return row_of(params_.dout, row); }
  const T* key(Index column) const { return column_of(params_.k, column); }
  const T* value(Index column) const { return column_of(params_.v, column); }

  double dot(const T* a, const T* b) const {
    double sum = 0;
    for (Index i = 0; i < head_dim(); ++i) sum += widen(a[i]) * widen(b[i]);
    return sum;
  }

  Score score(Index row, Index column) const {
    const double scaled = static_cast<double>(params_.scale) * dot(query(row), key(column));
    if (params_.softcap <= 0) return {scaled, 1};
    const auto cap = static_cast<double>(params_.softcap);
    const double curve = std::tanh(scaled / cap);
    return {cap * curve, 1 - curve * curve};
  }

  /// z of attention.hpp: what a weight is multiplied by after the softmax.
  double kept(Index row, Index column) const {
    if (!params_.dropout.active()) return 1;
    const bool keeps =
        dropout_.keeps(static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(column));
    return keeps ? 256.0 / dropout_.threshold() : 0;
  }

  /// sum += factor * element
  static void add(std::vector<double>& sum, double factor, const T* element) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += factor * widen(element[i]);
  }

  static double widen(T value) { return static_cast<double>(core::to_float(value)); }

 private:
  const T* row_of(const core::ConstAnyView<4>& tensor, Index row) const {
    return &tensor.as<T>()(sequence_.batch, sequence_.first_q + row, head_, 0);
  }
  const T* column_of(const core::ConstAnyView<4>& tensor, Index column) const {
    return &tensor.as<T>()(sequence_.batch, sequence_.first_k + column, head_kv_, 0);
  }

  const AttentionParams& params_;
  Sequence sequence_;
  Mask<Index> mask_;
  DropoutMask dropout_;
  Index head_;
  Index head_kv_;
};

template <>
inline double ReferenceHead<double>::widen(double value) {
  return value;
}

/// Rounds to the storage type.
template <class T>
void store_rounded(const std::vector<double>& values, T* out) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_same_v<T, double>) {
      out[i] = values[i];
    } else {
      out[i] = core::from_float<T>(static_cast<float>(values[i]));
    }
  }
}

}  // namespace ashlar::flashattention2::detail
