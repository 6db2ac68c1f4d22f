#include "harness/cli/services.hpp"

#include <optional>

#include "harness/machine/calibration.hpp"
#include "harness/machine/sha256.hpp"
#include "harness/measure/cuda_timer.hpp"
#include "harness/measure/nvml.hpp"

namespace ashlar::cli {

namespace {

using model::or_null;

/// Rates as {"rate": value}, like those of the CPU's teams.
model::Json device_rates() {
  const measure::CudaRates rates = measure::calibrate_cuda();
  // Right after the product: as warm and as hungry as the device gets.
  const measure::GpuState state = measure::gpu_state(measure::cuda_device().pci_bus_id);
  const auto rate = [](double value) { return model::Json{{"rate", value}}; };
  return {{"copy_gb_per_s", rate(rates.copy_bytes_per_s * 1e-9)},
          {"bf16_gflops",
           rates.bf16_flop_per_s ? rate(*rates.bf16_flop_per_s * 1e-9) : model::Json(nullptr)},
          {"matrix_size", rates.matrix_size},
          {"matrix_library", rates.matrix_library},
          {"copy_buffer_bytes", rates.copy_buffer_bytes},
          {"temperature_celsius", or_null(state.temperature_celsius)},
          {"power_watts", or_null(state.power_watts)}};
}

model::Json calibrate(int threads) {
  machine::CalibrationOptions options;
  options.threads = threads == 1 ? std::vector<int>{1} : std::vector<int>{1, threads};
  model::Json calibration = machine::to_json(machine::calibrate(options));
  calibration["cuda"] = measure::cuda_unavailable() ? model::Json(nullptr) : device_rates();
  return calibration;
}

std::unique_ptr<measure::Timer> make_timer(const model::ImplementationOptions& options) {
  if (options.device == model::Device::cuda)
    return measure::make_cuda_timer(measure::system_clock(), options.syncs_internally);
  return measure::make_cpu_timer(measure::system_clock());
}

}  // namespace

run::WorkerServices worker_services() { return {calibrate, make_timer, measure::cuda_unavailable}; }

model::Json device_description() {
  if (measure::cuda_unavailable()) return nullptr;
  const measure::CudaDevice device = measure::cuda_device();
  const measure::GpuState state = measure::gpu_state(device.pci_bus_id);
  // The device's number is nobody's business; that it is the same one is.
  std::optional<std::string> hash;
  if (state.uuid) hash = machine::sha256("ashlar gpu\n" + *state.uuid).substr(0, 16);
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
          {"runtime_version", device.runtime_version},
          {"driver", or_null(state.driver)},
          {"uuid_hash", or_null(hash)},
          {"temperature_celsius", or_null(state.temperature_celsius)},
          {"power_watts", or_null(state.power_watts)},
          {"power_limit_watts", or_null(state.power_limit_watts)},
          {"persistence", or_null(state.persistence)}};
}

}  // namespace ashlar::cli
