#include "harness/machine/calibration.hpp"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <stdexcept>

#include "harness/machine/copy.hpp"
#include "harness/machine/matmul.hpp"
#include "harness/machine/peak.hpp"
#include "harness/machine/system.hpp"
#include "harness/machine/team.hpp"

namespace ashlar::machine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double clock_s(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Best of several rounds of many calls, in nanoseconds per call.
template <class Read>
double cost_ns(Read&& read) {
  constexpr int kCalls = 2000;
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 10; ++round) {
    const auto begin = Clock::now();
    for (int i = 0; i < kCalls; ++i) read();
    best = std::min(best, seconds_since(begin) * 1e9 / kCalls);
  }
  return best;
}

/// The smallest step that the clock makes.
double resolution_ns() {
  auto best = Clock::duration::max();
  for (int i = 0; i < 2000; ++i) {
    const auto before = Clock::now();
    auto after = Clock::now();
    while (after == before) after = Clock::now();
    best = std::min(best, after - before);
  }
  return std::chrono::duration<double, std::nano>(best).count();
}

Rate best_of(const std::vector<Burst>& bursts, double work, int threads) {
  const auto [best, worst] = std::ranges::minmax_element(bursts, {}, &Burst::wall_s);
  Rate rate;
  rate.rate = work / best->wall_s;
  rate.rate_by_cpu_time = work / (best->cpu_s / threads);
  rate.spread = 1 - best->wall_s / worst->wall_s;
  rate.bursts = static_cast<int>(bursts.size());
  return rate;
}

/// Where every thread's last value goes, so that no loop is idle work to the compiler.
std::atomic<float> sink;
std::atomic<std::uint64_t> words_sink;

constexpr int kCopySlices = 8;
/// f32, bf16, two ways to copy, two to read, sgemm.
constexpr int kMeasurementsPerTeam = 7;

/// Measures one thread count after the other with shared buffers.
class Calibrator {
 public:
  /// `measurements`: how many there will be, to share the time until `end` among them. Writes each
  /// buffer once on `most_threads` threads: that makes the pages.
  Calibrator(const CalibrationOptions& options, Clock::time_point end, std::size_t copy_bytes,
             int measurements, int most_threads)
      : options_(options),
        measurements_(measurements),
        from_(copy_bytes),
        to_(copy_bytes),
        end_(end) {
    touch(most_threads);
    start_ = std::min(Clock::now(), end_);
  }

  TeamRates measure(int threads);
  const std::string& copy_method() const { return copy_method_; }
  bool cut_short() const { return cut_short_; }

 private:
  /// Batches of `bursts` bursts until one was not disturbed. batch(deadline) takes them; `work` is
  /// what a burst does, in the unit of the rate times seconds.
  template <class Batch>
  Rate best_batch(double work, int threads, int bursts, Batch&& batch);
  void touch(int threads);
  Rate arithmetic(const PeakKernel& kernel, int threads);
  Rate copy(int threads);
  Rate read(int threads);
  /// The rate at which one_share(offset, bytes) works through the buffers, slice after slice, so
  /// that by its next turn each has left the caches; `passes` bytes move for each byte of a buffer.
  template <class OneShare>
  Rate sweep(int threads, int passes, OneShare&& one_share);
  std::optional<Rate> sgemm(int threads);
  /// Calls body(offset, bytes) with the worker's share of a slice, a multiple of 64.
  template <class Body>
  void with_share(int worker, int threads, int slice, int slices, Body&& body) const;

  CalibrationOptions options_;
  int measurements_;
  int done_ = 0;
  bool cut_short_ = false;
  int next_slice_ = 0;
  Pages from_;
  Pages to_;
  Clock::time_point start_;
  Clock::time_point end_;
  std::string copy_method_;
};

template <class Batch>
Rate Calibrator::best_batch(double work, int threads, int bursts, Batch&& batch) {
  constexpr int kMostBatches = 4;
  ++done_;  // each measurement may use its part of the time, and what those before it left
  const auto deadline = start_ + (end_ - start_) * done_ / measurements_;
  std::vector<Burst> all;
  Rate rate;
  for (int i = 0; i < kMostBatches && (i == 0 || Clock::now() < deadline); ++i) {
    const std::vector<Burst> more = batch(deadline);
    all.insert(all.end(), more.begin(), more.end());
    rate = best_of(all, work, threads);
    if (!rate.disturbed()) break;
  }
  cut_short_ = cut_short_ || rate.bursts < bursts;
  return rate;
}

template <class Body>
void Calibrator::with_share(int worker, int threads, int slice, int slices, Body&& body) const {
  const std::size_t lines = from_.bytes() / 64;
  const auto parts = static_cast<std::size_t>(threads) * static_cast<std::size_t>(slices);
  const auto part = static_cast<std::size_t>(slice) * static_cast<std::size_t>(threads) +
                    static_cast<std::size_t>(worker);
  const std::size_t begin = lines * part / parts * 64;
  const std::size_t end = lines * (part + 1) / parts * 64;
  body(begin, end - begin);
}

void Calibrator::touch(int threads) {
  run_bursts({threads, kCopySlices}, [&](int worker, int slice) {
    with_share(worker, threads, slice, kCopySlices, [&](std::size_t at, std::size_t bytes) {
      std::memset(from_.data() + at, 1, bytes);
      std::memset(to_.data() + at, 2, bytes);
    });
  });
}

Rate Calibrator::arithmetic(const PeakKernel& kernel, int threads) {
  // As many iterations as fill a burst, from a trial long enough to time; this also wakes the core.
  std::int64_t iterations = 1 << 12;
  double trial_s = 0;
  for (; trial_s < 1e-3; iterations *= 2) {
    const double begin = clock_s(CLOCK_THREAD_CPUTIME_ID);
    sink.store(kernel.run(iterations), std::memory_order_relaxed);
    trial_s = clock_s(CLOCK_THREAD_CPUTIME_ID) - begin;
  }
  const double scale = options_.burst_s / trial_s / 2;  // the loop doubled once too often
  iterations = std::max<std::int64_t>(std::llround(static_cast<double>(iterations) * scale), 1);
  const double flops = kernel.flops_per_iteration * static_cast<double>(iterations) * threads;
  return best_batch(flops * 1e-9, threads, options_.bursts, [&](Clock::time_point deadline) {
    return run_bursts({threads, options_.bursts, deadline}, [&](int, int) {
      sink.store(kernel.run(iterations), std::memory_order_relaxed);
    });
  });
}

template <class OneShare>
Rate Calibrator::sweep(int threads, int passes, OneShare&& one_share) {
  const double gigabytes = 1e-9 * passes * static_cast<double>(from_.bytes()) / kCopySlices;
  return best_batch(gigabytes, threads, options_.bursts, [&](Clock::time_point deadline) {
    const BurstPlan plan{threads, options_.bursts, deadline};
    auto bursts = run_bursts(plan, [&](int worker, int burst) {
      with_share(worker, threads, (next_slice_ + burst) % kCopySlices, kCopySlices, one_share);
    });
    next_slice_ += static_cast<int>(bursts.size());
    return bursts;
  });
}

Rate Calibrator::copy(int threads) {
  const Rate bypassing = sweep(threads, 2, [&](std::size_t at, std::size_t bytes) {
    copy_nontemporal(to_.data() + at, from_.data() + at, bytes);
  });
  const Rate library = sweep(threads, 2, [&](std::size_t at, std::size_t bytes) {
    std::memcpy(to_.data() + at, from_.data() + at, bytes);
  });
  const bool bypassing_wins = bypassing.rate >= library.rate;
  copy_method_ = bypassing_wins ? "nontemporal" : "memcpy";
  return bypassing_wins ? bypassing : library;
}

Rate Calibrator::read(int threads) {
  const auto in_streams = [&](int streams) {
    return sweep(threads, 1, [&, streams](std::size_t at, std::size_t bytes) {
      words_sink.store(read_all(from_.data() + at, bytes, streams), std::memory_order_relaxed);
    });
  };
  const Rate one = in_streams(1);
  const Rate four = in_streams(4);
  return one.rate >= four.rate ? one : four;
}

std::optional<Rate> Calibrator::sgemm(int threads) {
  const auto product = make_sgemm(threads);
  if (!product) return std::nullopt;
  product->run();  // makes the code and the team
  const int count = std::max(options_.bursts / 2, 1);
  return best_batch(product->flops * 1e-9, threads, count, [&](Clock::time_point deadline) {
    std::vector<Burst> bursts;
    for (int burst = 0; burst < count && (burst == 0 || Clock::now() < deadline); ++burst) {
      const double cpu = product->team_cpu_s();
      const auto begin = Clock::now();
      product->run();
      const double wall_s = seconds_since(begin);
      bursts.push_back({wall_s, product->team_cpu_s() - cpu});
    }
    return bursts;
  });
}

TeamRates Calibrator::measure(int threads) {
  TeamRates rates;
  rates.threads = threads;
  rates.f32_gflops = arithmetic(f32_peak_kernel(), threads);
  if (const auto kernel = bf16_peak_kernel()) rates.bf16_gflops = arithmetic(*kernel, threads);
  rates.copy_gb_per_s = copy(threads);
  rates.read_gb_per_s = read(threads);
  // Last: OpenMP's threads may spin for a while after their work.
  rates.sgemm_gflops = sgemm(threads);
  return rates;
}

}  // namespace

Calibration calibrate(const CalibrationOptions& options) {
  const auto begin = Clock::now();
  const int usable = std::max<int>(static_cast<int>(usable_cpus().size()), 1);
  std::set<int> threads(options.threads.begin(), options.threads.end());
  if (threads.empty()) threads = {1, usable};
  if (*threads.begin() < 1) {
    throw std::invalid_argument("calibration: thread counts must be at least 1");
  }
  const int most = *threads.rbegin();

  const System system;
  const auto memory = parse_meminfo(system.read("/proc/meminfo").value_or(""));
  const auto available = memory.find("MemAvailable");
  const std::size_t bytes =
      copy_buffer_bytes(read_caches(system).last_level_bytes(),
                        available == memory.end() ? 0 : available->second, most);

  Calibration result;
  result.timer_resolution_ns = resolution_ns();
  result.timer_cost_ns = cost_ns([] { return Clock::now(); });
  result.cpu_timer_cost_ns = cost_ns([] { return clock_s(CLOCK_THREAD_CPUTIME_ID); });
  result.f32_isa = f32_peak_kernel().isa;
  if (const auto kernel = bf16_peak_kernel()) result.bf16_isa = kernel->isa;
  result.copy_buffer_bytes = static_cast<std::int64_t>(bytes);
  const auto limit = std::chrono::duration<double>(options.limit_s);
  Calibrator calibrator(options, begin + std::chrono::duration_cast<Clock::duration>(limit), bytes,
                        kMeasurementsPerTeam * static_cast<int>(threads.size()), most);
  for (const int count : threads) result.teams.push_back(calibrator.measure(count));
  result.copy_method = calibrator.copy_method();
  result.flags = rate_flags(result);
  if (calibrator.cut_short()) result.flags.emplace_back("time-limit");
  result.seconds = seconds_since(begin);
  return result;
}

}  // namespace ashlar::machine
