#include "harness/machine/text.hpp"

#include <catch2/catch.hpp>

#include "harness/machine/build.hpp"
#include "harness/machine/environment.hpp"

namespace ashlar::machine {
namespace {

using Catch::Contains;

Calibration disturbed() {
  Calibration calibration;
  calibration.f32_isa = "avx2";
  calibration.copy_method = "memcpy";
  calibration.copy_buffer_bytes = 1 << 27;
  calibration.timer_resolution_ns = 10;
  calibration.teams.push_back(
      {1, Rate{100, 101, 0, 6}, {}, Rate{15.25, 15, 0, 3}, Rate{90, 90, 0, 3}, {}});
  calibration.teams.push_back({2,
                               Rate{120, 200, 0, 6},
                               {},
                               Rate{22, 22, 0, 3},
                               Rate{130, 190, 0, 3},
                               Rate{17.75, 18, 0, 3}});
  calibration.flags = rate_flags(calibration);
  return calibration;
}

TEST_CASE("the machine is shown to people") {
  const Calibration calibration = disturbed();
  const std::string text = describe(capture_environment(), describe_build(), &calibration);
  CHECK_THAT(text, Contains("machine        ") && Contains("100.0") && Contains("15.2"));
  CHECK_THAT(text, Contains("read GB/s") && Contains("17.8"));
  CHECK_THAT(text, Contains("120.0*"));
  CHECK_THAT(text, Contains("f32 on 2 threads: even the best burst lost over 10 %"));
  CHECK_THAT(text, Contains("on 2 threads oneDNN's product beats the measured peak"));
  CHECK_THAT(text, Contains("128 MiB"));
  CHECK(text.back() == '\n');
}

TEST_CASE("a machine of which nothing is known is shown as such") {
  const std::string text = describe(Json::object(), Json(nullptr), nullptr);
  CHECK_THAT(text, Contains("unknown") && !Contains("GFLOP"));
}

TEST_CASE("flags and drift in words") {
  CHECK(describe_flag("new-flag@3") == "new-flag@3");
  CHECK_THAT(describe_flag("copy-disturbed@1"), Contains("copy on 1 thread:"));
  Calibration end = disturbed();
  CHECK(describe(drift(disturbed(), end)).empty());
  end.teams[0].f32_gflops.rate = 90;
  CHECK(describe(drift(disturbed(), end)) ==
        "f32 on 1 threads drifted by -10.0 % (100.0 to 90.0)\n");
}

}  // namespace
}  // namespace ashlar::machine
