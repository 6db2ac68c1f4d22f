// What a build without CUDA has in place of the kernels.
#include <stdexcept>

#include "baselines/flashattention2/fa1_cuda_launch.hpp"
#include "baselines/flashattention2/naive_cuda_softmax.hpp"
#include "impls/core/dtype.hpp"

namespace ashlar::flashattention2::baselines {

namespace {

[[noreturn]] void not_built() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

void launch_softmax(const SoftmaxArguments& /*arguments*/, core::DType /*dtype*/,
                    void* /*stream*/) {
  not_built();
}

void launch_softmax_gradient(const SoftmaxGradientArguments& /*arguments*/, core::DType /*dtype*/,
                             void* /*stream*/) {
  not_built();
}

void launch_zeros(void* /*first*/, std::size_t /*pitch*/, std::size_t /*row_bytes*/,
                  std::size_t /*rows*/, void* /*stream*/) {
  not_built();
}

template <class Element, int HeadDim, kernel::PassKind Kind>
void launch_fa1_cuda(const Fa1CudaPlan& /*plan*/, void* /*stream*/) {
  not_built();
}

#define ASHLAR_FA1(element, head_dim, kind)                                       \
  template void launch_fa1_cuda<core::element, head_dim, kernel::PassKind::kind>( \
      const Fa1CudaPlan&, void*);
#define ASHLAR_FA1_HEAD_DIMS(element) \
  ASHLAR_FA1(element, 64, full)       \
  ASHLAR_FA1(element, 64, causal)     \
  ASHLAR_FA1(element, 128, full)      \
  ASHLAR_FA1(element, 128, causal)
ASHLAR_FA1_HEAD_DIMS(Float16)
ASHLAR_FA1_HEAD_DIMS(BFloat16)
#undef ASHLAR_FA1_HEAD_DIMS
#undef ASHLAR_FA1

}  // namespace ashlar::flashattention2::baselines
