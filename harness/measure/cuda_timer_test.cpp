#include <catch2/catch.hpp>

#include <iostream>
#include <string>

#include "harness/measure/cuda_timer.hpp"
#include "harness/measure/cuda_timing.hpp"

namespace ashlar::measure {

TEST_CASE("without a device everything says why") {
  if (!cuda_unavailable()) return;
  const std::string reason = *cuda_unavailable();
  CHECK((reason == "not built" || reason.rfind("no device", 0) == 0));
  CHECK_THROWS(cuda_device());
  CHECK_THROWS(make_cuda_steps());
  CHECK_THROWS(calibrate_cuda());
  CHECK_THROWS(make_cuda_timer(system_clock(), false));
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
  for (const Lead lead : {Lead::block, Lead::hold, Lead::none}) {
    CudaTimingOptions options;
    options.lead = lead;
    CudaTiming timing(make_cuda_steps(), system_clock(), options,
                      [](std::chrono::milliseconds pause) { std::this_thread::sleep_for(pause); });
    int calls = 0;
    const CudaTimed nothing = timing.time([&](void* stream) {
      CHECK(stream == timing.stream());
      ++calls;
    });
    CHECK(calls == 1);
    CHECK(nothing.device_ns >= 0);
    CHECK(nothing.device_ns < 1'000'000);  // neither lead nor flush is in it
  }
}

TEST_CASE("the device reads its own clock, between half and twice of what it is sold with") {
  if (cuda_unavailable()) return;
  const auto steps = make_cuda_steps();
  steps->clock_start();
  for (int i = 0; i < 100; ++i) steps->hold();
  steps->clock_stop();
  steps->synchronize();
  const auto span = steps->clock_span();
  REQUIRE(span.has_value());
  const double hz = static_cast<double>(span->cycles) * 1e9 / static_cast<double>(span->elapsed_ns);
  CHECK(hz > 0.25 * steps->default_clock_hz());
  CHECK(hz < 2 * steps->default_clock_hz());
}

TEST_CASE("work that waits behind the blocking kernel is let go and told what to set") {
  if (cuda_unavailable()) return;
  CudaTimingOptions options;
  options.watchdog = std::chrono::milliseconds(200);
  auto steps = make_cuda_steps();
  CudaSteps& device = *steps;
  CudaTiming timing(std::move(steps), system_clock(), options, [](std::chrono::milliseconds) {});
  CHECK_THROWS_WITH(timing.time([&](void*) { device.synchronize(); }),
                    Catch::Contains("set syncs_internally"));
  CHECK(timing.time([](void*) {}).device_ns >= 0);
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
