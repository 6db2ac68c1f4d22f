// What a build without CUDA answers.
#include <stdexcept>

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

struct CudaTimer::State {};
CudaTimer::CudaTimer() { not_built(); }
CudaTimer::~CudaTimer() = default;
CudaTimer::CudaTimer(CudaTimer&&) noexcept = default;
CudaTimer& CudaTimer::operator=(CudaTimer&&) noexcept = default;
void* CudaTimer::stream() const { not_built(); }
std::int64_t CudaTimer::time_ns(const std::function<void(void*)>& /*launch*/) { not_built(); }
void CudaTimer::run(const std::function<void(void*)>& /*launch*/) { not_built(); }

}  // namespace ashlar::measure
