// What a build without CUDA answers.
#include <stdexcept>

#include "harness/measure/cuda_steps.hpp"
#include "harness/measure/cuda_timer.hpp"

namespace ashlar::measure {
namespace {

[[noreturn]] void not_built() {
  throw std::runtime_error("CUDA is not built into this binary; configure with ASHLAR_CUDA=ON");
}

}  // namespace

const std::optional<std::string>& cuda_unavailable() {
  static const std::optional<std::string> reason = "not built";
  return reason;
}

CudaDevice cuda_device() { not_built(); }
CudaRates calibrate_cuda() { not_built(); }

std::unique_ptr<CudaSteps> make_cuda_steps() { not_built(); }

}  // namespace ashlar::measure
