// What a build without CUDA has in place of the kernels.
#include <stdexcept>

#include "baselines/flashattention2/naive_cuda_softmax.hpp"

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

}  // namespace ashlar::flashattention2::baselines
