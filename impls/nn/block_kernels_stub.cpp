// What a build without CUDA has in place of the kernels.
#include <stdexcept>

#include "impls/nn/block_kernels.hpp"

namespace ashlar::nn {
namespace {

[[noreturn]] void kernels_not_built() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

template <class Rows>
void launch_rows(const Rows& /*rows*/, void* /*stream*/) {
  kernels_not_built();
}
template <class Sums>
void launch_sums(const Sums& /*sums*/, void* /*stream*/) {
  kernels_not_built();
}

template void launch_rows(const NormRows<core::BFloat16>&, void*);
template void launch_rows(const NormBackwardRows<core::BFloat16>&, void*);
template void launch_rows(const BiasRows<core::BFloat16>&, void*);
template void launch_rows(const GeluRows<core::BFloat16>&, void*);
template void launch_rows(const GeluBackwardRows<core::BFloat16>&, void*);
template void launch_sums(const BiasSums<core::BFloat16>&, void*);
template void launch_sums(const NormSums<core::BFloat16>&, void*);

}  // namespace ashlar::nn
