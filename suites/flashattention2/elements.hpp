#pragma once
// Single elements of tensors whose storage type is data: what oracle and controls compute on.
#include <stdexcept>

#include "impls/core/half.hpp"
#include "impls/core/tensor.hpp"

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

}  // namespace ashlar::flashattention2::suite
