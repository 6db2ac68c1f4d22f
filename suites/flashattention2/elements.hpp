#pragma once
// Single elements of tensors whose storage type is data: what oracle and controls compute on.
#include <cmath>
#include <stdexcept>

#include "impls/core/half.hpp"
#include "impls/core/tensor.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::suite {

using core::DType;
using core::Index;

/// Any element as double.
inline double value(const core::ConstAnyView<4>& tensor, Index b, Index n, Index h, Index k) {
  const Index offset =
      b * tensor.strides[0] + n * tensor.strides[1] + h * tensor.strides[2] + k * tensor.strides[3];
  switch (tensor.dtype) {
    case DType::f32:
      return static_cast<const float*>(tensor.data)[offset];
    case DType::bf16:
      return core::to_float(static_cast<const core::BFloat16*>(tensor.data)[offset]);
    case DType::f16:
      return core::to_float(static_cast<const core::Float16*>(tensor.data)[offset]);
    default:
      throw std::invalid_argument("unexpected storage type");
  }
}

/// To the storage type and back.
inline float rounded(DType dtype, float exact) {
  if (dtype == DType::bf16) return core::to_float(core::to_bfloat16(exact));
  if (dtype == DType::f16) return core::to_float(core::to_float16(exact));
  return exact;
}

inline void store(const core::AnyView<4>& tensor, Index b, Index n, Index h, Index k, float exact) {
  const Index offset =
      b * tensor.strides[0] + n * tensor.strides[1] + h * tensor.strides[2] + k * tensor.strides[3];
  switch (tensor.dtype) {
    case DType::bf16:
      static_cast<core::BFloat16*>(tensor.data)[offset] = core::to_bfloat16(exact);
      break;
    case DType::f16:
      static_cast<core::Float16*>(tensor.data)[offset] = core::to_float16(exact);
      break;
    default:
      static_cast<float*>(tensor.data)[offset] = exact;
  }
}

/// One query row and the keys that it sees, element by element: written apart from the reference,
/// for yardsticks, invariants and controls.
class RowElements {
 public:
  RowElements(const AttentionParams& params, Index sequence, Index head, Index row)
      : params_(params),
        sequence_(params.sequence(sequence)),
        dropout_(params.dropout_mask(sequence_, head)),
        head_(head),
        row_(row),
        columns_(params.mask(sequence_).columns(row)) {}

  Range<Index> columns() const { return columns_; }
  /// Of a tensor shaped like q, in this row.
  double own(const core::ConstAnyView<4>& tensor, Index k) const {
    return value(tensor, sequence_.batch, sequence_.first_q + row_, head_, k);
  }
  /// Of a tensor shaped like k, in the row of key `column`.
  double element(const core::ConstAnyView<4>& tensor, Index column, Index k) const {
    return value(tensor, sequence_.batch, sequence_.first_k + column, params_.kv_head(head_), k);
  }
  /// <own, element> in double.
  double dot(const core::ConstAnyView<4>& of_row, const core::ConstAnyView<4>& of_key,
             Index column) const {
    double sum = 0;
    for (Index k = 0; k < params_.head_dim(); ++k) {
      sum += own(of_row, k) * element(of_key, column, k);
    }
    return sum;
  }
  template <class Real>
  Real capped(Real score) const {
    const auto cap = static_cast<Real>(params_.softcap);
    return cap > 0 ? cap * std::tanh(score / cap) : score;
  }
  /// The derivative of capped(), from its value.
  double slope(double capped) const {
    const double t = params_.softcap > 0 ? capped / static_cast<double>(params_.softcap) : 0;
    return 1 - t * t;
  }
  /// scale * <q, k>, before the softcap.
  double scaled(Index column) const {
    return static_cast<double>(params_.scale) * dot(params_.q, params_.k, column);
  }
  double score(Index column) const { return capped(scaled(column)); }
  /// What dropout multiplies the weight by.
  float kept(Index column) const {
    if (!params_.dropout.active()) return 1;
    const bool keeps =
        dropout_.keeps(static_cast<std::uint32_t>(row_), static_cast<std::uint32_t>(column));
    return keeps ? dropout_.keep_factor() : 0;
  }

 private:
  const AttentionParams& params_;
  Sequence sequence_;
  DropoutMask dropout_;
  Index head_;
  Index row_;
  Range<Index> columns_;
};

}  // namespace ashlar::flashattention2::suite
