// What a build without CUDA has in place of the softmax kernel.
#include <stdexcept>

#include "baselines/flashattention2/naive_cuda_softmax.hpp"

namespace ashlar::flashattention2::baselines {

void launch_softmax(const SoftmaxArguments& /*arguments*/, core::DType /*dtype*/,
                    void* /*stream*/) {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace ashlar::flashattention2::baselines
