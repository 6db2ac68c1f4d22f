// What a build without CUDA has in place of the kernels. cuda_unsupported() keeps callers away.
#include <stdexcept>

#include "impls/core/dtype.hpp"
#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_backward_launch.hpp"
#include "impls/flashattention2/cuda_check.hpp"
#include "impls/flashattention2/cuda_decode_launch.hpp"
#include "impls/flashattention2/cuda_launch.hpp"

namespace ashlar::flashattention2 {
namespace {

[[noreturn]] void not_built() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

namespace kernel {

template <class Element, int HeadDim, PassKind Kind>
void launch_forward(const ForwardArguments& /*arguments*/, const GridIndex& /*grid*/,
                    void* /*stream*/) {
  not_built();
}

template <class Element, int HeadDim, PassKind Kind>
void launch_heads_only(const ForwardArguments& /*arguments*/, const GridIndex& /*grid*/,
                       void* /*stream*/) {
  not_built();
}

template <class Element, int HeadDim, PassKind Kind>
void launch_split_keys(const ForwardArguments& /*arguments*/, const GridIndex& /*grid*/,
                       void* /*stream*/) {
  not_built();
}

template <class Element, int HeadDim, PassKind Kind>
void launch_backward(const BackwardPlan& /*plan*/, void* /*stream*/) {
  not_built();
}

template <class Element, int HeadDim>
void launch_decode(const DecodePlan& /*plan*/, void* /*stream*/) {
  not_built();
}

#define ASHLAR_FORWARD(element, head_dim, kind)                                                  \
  template void launch_forward<core::element, head_dim, PassKind::kind>(const ForwardArguments&, \
                                                                        const GridIndex&, void*);
#define ASHLAR_BACKWARD(element, head_dim, kind)                                              \
  template void launch_backward<core::element, head_dim, PassKind::kind>(const BackwardPlan&, \
                                                                         void*);
#define ASHLAR_ABLATIONS(element, head_dim, kind)                           \
  template void launch_heads_only<core::element, head_dim, PassKind::kind>( \
      const ForwardArguments&, const GridIndex&, void*);                    \
  template void launch_split_keys<core::element, head_dim, PassKind::kind>( \
      const ForwardArguments&, const GridIndex&, void*);
#define ASHLAR_KINDS(what, element, head_dim) \
  what(element, head_dim, full) what(element, head_dim, causal) what(element, head_dim, general)
#define ASHLAR_HEAD_DIMS(element)                                           \
  ASHLAR_KINDS(ASHLAR_FORWARD, element, 64)                                 \
  ASHLAR_KINDS(ASHLAR_FORWARD, element, 96)                                 \
  ASHLAR_KINDS(ASHLAR_FORWARD, element, 128)                                \
  ASHLAR_KINDS(ASHLAR_FORWARD, element, 256)                                \
  ASHLAR_KINDS(ASHLAR_BACKWARD, element, 64)                                \
  ASHLAR_KINDS(ASHLAR_BACKWARD, element, 96)                                \
  ASHLAR_KINDS(ASHLAR_BACKWARD, element, 128)                               \
  ASHLAR_ABLATIONS(element, 64, full)                                       \
  ASHLAR_ABLATIONS(element, 64, causal)                                     \
  ASHLAR_ABLATIONS(element, 128, full)                                      \
  ASHLAR_ABLATIONS(element, 128, causal)                                    \
  template void launch_decode<core::element, 64>(const DecodePlan&, void*); \
  template void launch_decode<core::element, 128>(const DecodePlan&, void*);
ASHLAR_HEAD_DIMS(Float16)
ASHLAR_HEAD_DIMS(BFloat16)
#undef ASHLAR_HEAD_DIMS
#undef ASHLAR_KINDS
#undef ASHLAR_ABLATIONS
#undef ASHLAR_BACKWARD
#undef ASHLAR_FORWARD

}  // namespace kernel

SampledAnswers cuda_check_rows(const AttentionParams& /*device*/,
                               std::span<const SampledRow> /*rows*/) {
  not_built();
}

}  // namespace ashlar::flashattention2
