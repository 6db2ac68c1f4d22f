#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <stdexcept>

#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::DType;

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw std::invalid_argument("attention: " + fmt::format(text, std::forward<Args>(args)...));
}

template <class AnyTensor>
void check_tensor(const char* name, const AnyTensor& tensor, DType dtype,
                  const std::array<Index, 4>& shape) {
  if (tensor.dtype != dtype) {
    refuse("{} holds {}, but q holds {}", name, core::name_of(tensor.dtype), core::name_of(dtype));
  }
  if (tensor.shape != shape) {
    refuse("{} has shape ({}), expected ({})", name, fmt::join(tensor.shape, ", "),
           fmt::join(shape, ", "));
  }
  if (tensor.size() == 0) return;
  if (tensor.data == nullptr) refuse("{} has no data", name);
  if (tensor.shape[3] > 1 && tensor.strides[3] != 1) {
    refuse("{} has stride {} in its last axis, expected 1", name, tensor.strides[3]);
  }
}

void check_query(const ForwardParams& params) {
  const DType dtype = params.q.dtype;
  if (dtype == DType::i32) refuse("q holds i32, which is not a floating-point type");
  for (const Index extent : params.q.shape) {
    if (extent < 0) refuse("q has shape ({})", fmt::join(params.q.shape, ", "));
  }
  if (params.head_dim() == 0) refuse("q has head_dim 0");
  if (params.heads_q() == 0) refuse("q has no heads");
}

void check_keys(const ForwardParams& params) {
  if (params.heads_kv() <= 0 || params.heads_q() % params.heads_kv() != 0) {
    refuse("k has {} heads, which do not divide the {} heads of q", params.heads_kv(),
           params.heads_q());
  }
  if (params.seqlen_k() < 0) refuse("k has shape ({})", fmt::join(params.k.shape, ", "));
}

void check_lse(const ForwardParams& params) {
  const std::array<Index, 3> shape{params.batch(), params.heads_q(), params.seqlen_q()};
  if (params.lse.shape != shape) {
    refuse("lse has shape ({}), expected ({})", fmt::join(params.lse.shape, ", "),
           fmt::join(shape, ", "));
  }
  if (params.lse.size() > 0 && params.lse.data == nullptr) refuse("lse has no data");
}

}  // namespace

void validate(const ForwardParams& params) {
  check_query(params);
  check_keys(params);
  const DType dtype = params.q.dtype;
  const std::array<Index, 4> key_shape{params.batch(), params.seqlen_k(), params.heads_kv(),
                                       params.head_dim()};
  check_tensor("q", params.q, dtype, params.q.shape);
  check_tensor("k", params.k, dtype, key_shape);
  check_tensor("v", params.v, dtype, key_shape);
  check_tensor("out", params.out, dtype, params.q.shape);
  check_lse(params);
  if (!std::isfinite(params.scale) || params.scale <= 0) {
    refuse("scale is {}, expected a positive number such as 1 / sqrt(head_dim)", params.scale);
  }
}

}  // namespace ashlar::flashattention2
