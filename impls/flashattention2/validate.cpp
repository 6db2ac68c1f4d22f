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

void check_query(const AttentionParams& params) {
  const DType dtype = params.q.dtype;
  if (dtype == DType::i32) refuse("q holds i32, which is not a floating-point type");
  for (const Index extent : params.q.shape) {
    if (extent < 0) refuse("q has shape ({})", fmt::join(params.q.shape, ", "));
  }
  if (params.head_dim() == 0) refuse("q has head_dim 0");
  if (params.heads_q() == 0) refuse("q has no heads");
}

void check_keys(const AttentionParams& params) {
  if (params.heads_kv() <= 0 || params.heads_q() % params.heads_kv() != 0) {
    refuse("k has {} heads, which do not divide the {} heads of q", params.heads_kv(),
           params.heads_q());
  }
  if (params.seqlen_k() < 0) refuse("k has shape ({})", fmt::join(params.k.shape, ", "));
}

void check_lse(const AttentionParams& params) {
  const std::array<Index, 3> shape{params.batch(), params.heads_q(), params.seqlen_q()};
  if (params.lse.shape != shape) {
    refuse("lse has shape ({}), expected ({})", fmt::join(params.lse.shape, ", "),
           fmt::join(shape, ", "));
  }
  if (params.lse.size() > 0 && params.lse.data == nullptr) refuse("lse has no data");
}

void check_offsets(const char* name, std::span<const std::int32_t> offsets, Index length) {
  if (offsets.front() != 0) refuse("{} begins with {}, expected 0", name, offsets.front());
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] < offsets[i - 1]) {
      refuse("{} falls from {} to {} at element {}", name, offsets[i - 1], offsets[i], i);
    }
  }
  if (offsets.back() != length) {
    refuse("{} ends with {}, expected the {} rows of its tensor", name, offsets.back(), length);
  }
}

void check_packing(const AttentionParams& params) {
  if (params.cu_seqlens_q.size() != params.cu_seqlens_k.size()) {
    refuse("cu_seqlens_q has {} elements, but cu_seqlens_k has {}", params.cu_seqlens_q.size(),
           params.cu_seqlens_k.size());
  }
  if (!params.packed()) return;
  if (params.batch() != 1) {
    refuse("q has batch {}, but packed sequences need 1", params.batch());
  }
  check_offsets("cu_seqlens_q", params.cu_seqlens_q, params.seqlen_q());
  check_offsets("cu_seqlens_k", params.cu_seqlens_k, params.seqlen_k());
}

void check_numbers(const AttentionParams& params) {
  if (!std::isfinite(params.scale) || params.scale <= 0) {
    refuse("scale is {}, expected a positive number such as 1 / sqrt(head_dim)", params.scale);
  }
  if (!std::isfinite(params.softcap) || params.softcap < 0) {
    refuse("softcap is {}, expected a positive number, or 0 for none", params.softcap);
  }
  if (!(params.dropout.probability >= 0 && params.dropout.probability < 1)) {
    refuse("the dropout probability is {}, expected 0 or more and less than 1",
           params.dropout.probability);
  }
  if (params.dropout.active() && params.softcap > 0) {
    refuse("softcap and dropout cannot be combined");
  }
  if (params.window.left < -1 || params.window.right < -1) {
    refuse("the window is ({}, {}), expected counts of columns, or -1 for all", params.window.left,
           params.window.right);
  }
}

void check_inputs(const AttentionParams& params) {
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
  check_packing(params);
  check_numbers(params);
}

}  // namespace

void validate_forward(const AttentionParams& params) { check_inputs(params); }

void validate_backward(const AttentionParams& params) {
  check_inputs(params);
  const DType dtype = params.q.dtype;
  check_tensor("dout", params.dout, dtype, params.q.shape);
  check_tensor("dq", params.dq, dtype, params.q.shape);
  check_tensor("dk", params.dk, dtype, params.k.shape);
  check_tensor("dv", params.dv, dtype, params.k.shape);
}

Index visible_pairs(const AttentionParams& params) {
  Index pairs = 0;
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    const Mask<Index> mask = params.mask(sequence);
    if (mask.is_full()) {
      pairs += sequence.seqlen_q * sequence.seqlen_k;
      continue;
    }
    for (Index row = 0; row < sequence.seqlen_q; ++row) pairs += mask.columns(row).size();
  }
  return pairs * params.heads_q();
}

std::optional<std::string> beyond(const AttentionParams& params, const Features& features) {
  const bool window = params.window.left >= 0 || (params.window.right >= 0 && !params.causal);
  if (window && !features.window) return "no sliding window";
  if (params.softcap > 0 && !features.softcap) return "no softcap";
  if (params.dropout.active() && !features.dropout) return "no dropout";
  if (params.packed() && !features.packed) return "no packed sequences";
  return std::nullopt;
}

}  // namespace ashlar::flashattention2
