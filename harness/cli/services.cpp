#include "harness/cli/services.hpp"

#include "harness/machine/calibration.hpp"
#include "harness/measure/cuda_timer.hpp"

namespace ashlar::cli {

namespace {

/// Rates as {"rate": value}, like those of the CPU's teams.
model::Json device_rates() {
  const measure::CudaRates rates = measure::calibrate_cuda();
  const auto rate = [](double value) { return model::Json{{"rate", value}}; };
  return {{"copy_gb_per_s", rate(rates.copy_bytes_per_s * 1e-9)},
          {"bf16_gflops",
           rates.bf16_flop_per_s ? rate(*rates.bf16_flop_per_s * 1e-9) : model::Json(nullptr)},
          {"matrix_size", rates.matrix_size},
          {"matrix_library", rates.matrix_library},
          {"copy_buffer_bytes", rates.copy_buffer_bytes}};
}

model::Json calibrate(int threads) {
  machine::CalibrationOptions options;
  options.threads = threads == 1 ? std::vector<int>{1} : std::vector<int>{1, threads};
  model::Json calibration = machine::to_json(machine::calibrate(options));
  calibration["cuda"] = measure::cuda_unavailable() ? model::Json(nullptr) : device_rates();
  return calibration;
}

std::unique_ptr<measure::Timer> make_timer(model::Device device) {
  if (device == model::Device::cuda) return measure::make_cuda_timer(measure::system_clock());
  return measure::make_cpu_timer(measure::system_clock());
}

}  // namespace

run::WorkerServices worker_services() { return {calibrate, make_timer}; }

model::Json device_description() {
  if (measure::cuda_unavailable()) return nullptr;
  const measure::CudaDevice device = measure::cuda_device();
  return {{"name", device.name},
          {"compute_capability", device.compute_capability},
          {"multiprocessors", device.multiprocessors},
          {"clock_khz", device.clock_khz},
          {"memory_clock_khz", device.memory_clock_khz},
          {"memory_bus_bits", device.memory_bus_bits},
          {"memory_bytes", device.memory_bytes},
          {"l2_bytes", device.l2_bytes},
          {"ecc", device.ecc},
          {"driver_version", device.driver_version},
          {"runtime_version", device.runtime_version}};
}

}  // namespace ashlar::cli
