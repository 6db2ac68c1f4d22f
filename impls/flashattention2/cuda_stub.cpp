// What a build without CUDA has in place of the kernels. cuda_unsupported() keeps callers away.
#include <stdexcept>

#include "impls/core/dtype.hpp"
#include "impls/flashattention2/cuda_check.hpp"
#include "impls/flashattention2/cuda_launch.hpp"

namespace ashlar::flashattention2 {
namespace {

[[noreturn]] void not_built() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

namespace kernel {

template <class Element, int HeadDim, bool Causal>
void launch_forward(const ForwardArguments& /*arguments*/, const GridIndex& /*grid*/,
                    void* /*stream*/) {
  not_built();
}

using Arguments = const ForwardArguments&;
using Grid = const GridIndex&;
template void launch_forward<core::Float16, 64, false>(Arguments, Grid, void*);
template void launch_forward<core::Float16, 64, true>(Arguments, Grid, void*);
template void launch_forward<core::Float16, 128, false>(Arguments, Grid, void*);
template void launch_forward<core::Float16, 128, true>(Arguments, Grid, void*);
template void launch_forward<core::BFloat16, 64, false>(Arguments, Grid, void*);
template void launch_forward<core::BFloat16, 64, true>(Arguments, Grid, void*);
template void launch_forward<core::BFloat16, 128, false>(Arguments, Grid, void*);
template void launch_forward<core::BFloat16, 128, true>(Arguments, Grid, void*);

}  // namespace kernel

SampledAnswers cuda_check_rows(const AttentionParams& /*device*/,
                               std::span<const SampledRow> /*rows*/) {
  not_built();
}

}  // namespace ashlar::flashattention2
