#pragma once
// What this machine can do at most, measured at the start and at the end of every run: the roof
// that shares are taken of, and the witness of a machine that changed in between.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace ashlar::machine {

using Json = nlohmann::ordered_json;

/// The best of several short bursts. Preemption and neighbours only ever take away, so the best one
/// is the nearest to the machine.
struct Rate {
  double rate = 0;              // by wall time of the whole team
  double rate_by_cpu_time = 0;  // of the same burst: what the team would reach undisturbed
  double spread = 0;            // 1 - worst burst / best burst
  int bursts = 0;
  /// The best burst still lost more than 10 % of its wall time to others.
  bool disturbed() const { return rate < 0.9 * rate_by_cpu_time; }
  bool operator==(const Rate&) const = default;
};

/// The rates of one thread count.
struct TeamRates {
  int threads = 1;
  Rate f32_gflops;                   // fused multiply-adds in registers, 2 FLOP each
  std::optional<Rate> bf16_gflops;   // bfloat16 dot products; nullopt without the instruction
  Rate copy_gb_per_s;                // 1e9 bytes per second, read and written together
  std::optional<Rate> sgemm_gflops;  // oneDNN's product; nullopt without oneDNN
  /// 1e9 bytes per second, only read, by the better of one stream and four a thread: where cores
  /// wait for lines, not the memory for cores, less than copies make. nullopt in older records.
  std::optional<Rate> read_gb_per_s;
  bool operator==(const TeamRates&) const = default;
};

/// The rates of GPU 0, measured by whoever knows the device.
struct DeviceRates {
  std::optional<double> copy_gb_per_s;
  std::optional<double> bf16_gflops;  // a matrix product; nullopt without the library
  bool operator==(const DeviceRates&) const = default;
};

struct Calibration {
  double timer_resolution_ns = 0;  // smallest step of the steady clock
  double timer_cost_ns = 0;        // of reading it once
  double cpu_timer_cost_ns = 0;    // of reading the thread's CPU time once
  std::string f32_isa;             // avx512, avx2, portable
  std::optional<std::string> bf16_isa;
  std::string copy_method;  // nontemporal or memcpy: the faster one on the largest team
  std::int64_t copy_buffer_bytes = 0;
  double seconds = 0;            // what the calibration took
  std::vector<TeamRates> teams;  // ascending thread counts
  std::optional<DeviceRates> cuda;
  /// What to be wary of: "f32-disturbed@2" (also bf16, copy, sgemm, read), "sgemm-above-peak@1" and
  /// "sgemm-below-peak@1" (outside 0.80 to 1.0 of the peak), "time-limit"; the number after @ is
  /// the thread count.
  std::vector<std::string> flags;

  /// nullptr where that thread count was not measured.
  const TeamRates* team(int threads) const;
  bool operator==(const Calibration&) const = default;
};

struct CalibrationOptions {
  std::vector<int> threads;  // empty: 1 and the number of usable CPUs
  /// Per measurement; as many again, up to three times, while the best one is disturbed.
  int bursts = 24;
  /// Shorter than a scheduler's slice, so that some bursts fall between other people's. Of
  /// arithmetic; a copy is an eighth of its buffers in turn, a product about as long.
  double burst_s = 0.002;
  /// Shared by all measurements; one that has used its part does without further bursts, but takes
  /// at least one.
  double limit_s = 1.8;
};

/// Under a second on a quiet machine. Throws std::invalid_argument for a thread count below 1,
/// std::bad_alloc or std::system_error when memory or threads are short.
Calibration calibrate(const CalibrationOptions& options = {});

/// {"timer": {"resolution_ns", "cost_ns", "cpu_clock_cost_ns"}, "f32_isa", "bf16_isa",
///  "copy_method", "copy_buffer_bytes", "seconds", "flags": [...],
///  "teams": [{"threads", "f32_gflops": R, "bf16_gflops": R or null, "copy_gb_per_s": R,
///             "sgemm_gflops": R or null, "read_gb_per_s": R or null}],
///  "cuda": {"copy_gb_per_s", "bf16_gflops": {"rate"} or null} or null}
/// with R = {"rate", "rate_by_cpu_time", "spread", "bursts"}.
Json to_json(const Calibration& calibration);
/// Throws std::invalid_argument, naming the field that is missing or of the wrong type. "cuda" and
/// "read_gb_per_s" may be missing.
Calibration from_json(const Json& json);

/// The flags that follow from the rates alone.
std::vector<std::string> rate_flags(const Calibration& calibration);

/// One rate at the start and at the end of a run.
struct Change {
  std::string rate;  // f32, bf16, copy, sgemm, read, cuda-copy, cuda-bf16
  int threads = 1;   // 0 on a GPU
  double start = 0;
  double end = 0;
  double relative = 0;   // end / start - 1
  bool drifted = false;  // beyond the limit, either way
};
struct Drift {
  std::vector<Change> changes;
  bool any() const;
};
/// Of everything that both calibrations measured.
Drift drift(const Calibration& start, const Calibration& end, double limit = 0.05);
Json to_json(const Drift& drift);

}  // namespace ashlar::machine
