#pragma once
// From a problem to the instance of a kernel that computes it. Internal to kernels and their tests.
#include "impls/core/dtype.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_features.hpp"

namespace ashlar::flashattention2::kernel {

namespace detail {

template <class Element, int HeadDim, class Visit>
decltype(auto) visit_kind(bool causal, const Visit& visit) {
  return causal ? visit.template operator()<Element, HeadDim, PassKind::causal>()
                : visit.template operator()<Element, HeadDim, PassKind::full>();
}

template <class Element, class Visit>
decltype(auto) visit_head_dim(const AttentionParams& params, const Visit& visit) {
  return params.head_dim() == 64 ? visit_kind<Element, 64>(params.causal, visit)
                                 : visit_kind<Element, 128>(params.causal, visit);
}

}  // namespace detail

/// Calls visit.operator()<Element, HeadDim, Kind>() for kernels of both 16-bit types, head sizes 64
/// and 128, full and causal: the one that fits a problem which they support.
template <class Visit>
decltype(auto) visit_plain_kernel(const AttentionParams& params, const Visit& visit) {
  return params.q.dtype == core::DType::f16 ? detail::visit_head_dim<core::Float16>(params, visit)
                                            : detail::visit_head_dim<core::BFloat16>(params, visit);
}

}  // namespace ashlar::flashattention2::kernel
