#include <utility>

#include "harness/measure/cuda_timer.hpp"

namespace ashlar::measure {
namespace {

class CudaSampleTimer final : public Timer {
 public:
  explicit CudaSampleTimer(Clock& clock) : clock_(clock) {}

  Sample take(model::Trial& trial, std::int64_t batch) override {
    trial.reset();
    const std::int64_t cpu_start = clock_.cpu_ns();
    std::int64_t device_ns = 0;
    for (std::int64_t i = 0; i < batch; ++i) {
      device_ns += timer_.time_ns([&trial](void* stream) { trial.execute(stream); });
    }
    const std::int64_t cpu_ns = clock_.cpu_ns() - cpu_start;
    return {(device_ns + batch / 2) / batch, (cpu_ns + batch / 2) / batch, 0, 0};
  }

  void run_once(model::Trial& trial) override {
    trial.reset();
    timer_.run([&trial](void* stream) { trial.execute(stream); });
  }

 private:
  Clock& clock_;
  CudaTimer timer_;
};

}  // namespace

std::unique_ptr<Timer> make_cuda_timer(Clock& clock) {
  return std::make_unique<CudaSampleTimer>(clock);
}

}  // namespace ashlar::measure
