// What a build without CUDA has in place of the kernels.
#include <stdexcept>

#include "baselines/bcd/naive_cuda_launch.hpp"

namespace ashlar::bcd::baselines {
namespace {

[[noreturn]] void naive_cuda_missing() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

bool naive_cuda_built() { return false; }
void launch_naive_gradient(const NaiveDense& /*dense*/, const double* /*x*/, double* /*slopes*/,
                           double* /*gradient*/) {
  naive_cuda_missing();
}
void launch_naive_block(const NaiveDense& /*dense*/, const Index* /*block*/, Index /*size*/,
                        double* /*out*/) {
  naive_cuda_missing();
}
void launch_naive_move(const Index* /*block*/, const double* /*step*/, Index /*size*/,
                       double* /*x*/) {
  naive_cuda_missing();
}

}  // namespace ashlar::bcd::baselines
