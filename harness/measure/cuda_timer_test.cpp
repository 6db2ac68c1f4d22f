#include <catch2/catch.hpp>

#include <iostream>
#include <string>

#include "harness/measure/cuda_timer.hpp"

namespace ashlar::measure {

TEST_CASE("without a device everything says why") {
  if (!cuda_unavailable()) return;
  const std::string reason = *cuda_unavailable();
  CHECK((reason == "not built" || reason.rfind("no device", 0) == 0));
  CHECK_THROWS(cuda_device());
  CHECK_THROWS(CudaTimer());
  CHECK_THROWS(calibrate_cuda());
  CHECK_THROWS(make_cuda_timer(system_clock()));
  std::cout << "skipped: " << reason << "\n";
}

TEST_CASE("the device is described and timed") {
  if (cuda_unavailable()) return;
  const CudaDevice device = cuda_device();
  CHECK_FALSE(device.name.empty());
  CHECK(device.compute_capability >= 80);
  CHECK(device.multiprocessors > 0);
  CHECK(device.l2_bytes > 0);
  CHECK(device.memory_bytes > device.l2_bytes);
  CHECK(device.driver_version.find('.') != std::string::npos);
  CudaTimer timer;
  int calls = 0;
  const std::int64_t nothing_ns = timer.time_ns([&](void* stream) {
    CHECK(stream == timer.stream());
    ++calls;
  });
  CHECK(calls == 1);
  CHECK(nothing_ns >= 0);
}

TEST_CASE("the calibration gives rates that exist") {
  if (cuda_unavailable()) return;
  const CudaRates rates = calibrate_cuda();
  CHECK(rates.copy_bytes_per_s > 1e9);
  CHECK(rates.copy_buffer_bytes > 0);
  if (rates.bf16_flop_per_s) CHECK(*rates.bf16_flop_per_s > 1e12);
  std::cout << "copy " << rates.copy_bytes_per_s / 1e9 << " GB/s, product "
            << rates.bf16_flop_per_s.value_or(0) / 1e12 << " TFLOP/s (" << rates.matrix_library
            << ")\n";
}

}  // namespace ashlar::measure
