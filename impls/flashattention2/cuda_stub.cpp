// What a build without CUDA has in place of the kernels. cuda_unsupported() keeps callers away.
#include <stdexcept>

#include "impls/core/dtype.hpp"
#include "impls/flashattention2/cuda_ablations_launch.hpp"
#include "impls/flashattention2/cuda_backward_launch.hpp"
#include "impls/flashattention2/cuda_check.hpp"
#include "impls/flashattention2/cuda_decode_launch.hpp"
#include "impls/flashattention2/cuda_launch.hpp"
#include "impls/flashattention2/cuda_tiled_launch.hpp"
#include "impls/flashattention2/cuda_wgmma_launch.hpp"

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

EncodedMaps encode_maps(const WgmmaTensors& /*tensors*/, bool /*half*/) { not_built(); }

template <class Element, int HeadDim, bool Causal, WgmmaRung Rung>
void launch_wgmma(const WgmmaArguments& /*arguments*/, const EncodedMaps& /*maps*/,
                  unsigned /*blocks*/, void* /*stream*/) {
  not_built();
}

template <int HeadDim, int Rows, int Columns, int Warps>
void launch_tiled(const ForwardArguments& /*arguments*/, const GridIndex& /*grid*/,
                  void* /*stream*/) {
  not_built();
}
template void launch_tiled<64, 64, 64, 4>(const ForwardArguments&, const GridIndex&, void*);
template void launch_tiled<64, 128, 128, 8>(const ForwardArguments&, const GridIndex&, void*);
template void launch_tiled<64, 64, 256, 4>(const ForwardArguments&, const GridIndex&, void*);
template void launch_tiled<64, 256, 64, 4>(const ForwardArguments&, const GridIndex&, void*);
template void launch_tiled<128, 64, 64, 4>(const ForwardArguments&, const GridIndex&, void*);
template void launch_tiled<128, 128, 128, 8>(const ForwardArguments&, const GridIndex&, void*);
template void launch_tiled<128, 256, 64, 8>(const ForwardArguments&, const GridIndex&, void*);

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
#define ASHLAR_WGMMA(element, head_dim, rung)                                  \
  template void launch_wgmma<core::element, head_dim, false, WgmmaRung::rung>( \
      const WgmmaArguments&, const EncodedMaps&, unsigned, void*);             \
  template void launch_wgmma<core::element, head_dim, true, WgmmaRung::rung>(  \
      const WgmmaArguments&, const EncodedMaps&, unsigned, void*);
#define ASHLAR_RUNGS(head_dim)                   \
  ASHLAR_WGMMA(Float16, head_dim, plain)         \
  ASHLAR_WGMMA(Float16, head_dim, specialised)   \
  ASHLAR_WGMMA(Float16, head_dim, ping_pong)     \
  ASHLAR_WGMMA(Float16, head_dim, overlapped)    \
  ASHLAR_WGMMA(Float16, head_dim, unspecialised) \
  ASHLAR_WGMMA(BFloat16, head_dim, overlapped)
ASHLAR_RUNGS(64)
ASHLAR_RUNGS(128)
#undef ASHLAR_RUNGS
#undef ASHLAR_WGMMA

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
