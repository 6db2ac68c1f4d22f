#include "impls/core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#ifdef ASHLAR_THREADS_OPENMP
#include <omp.h>
#else
#include <sched.h>

#include <cstdlib>
#include <vector>
#endif

namespace ashlar::core {
namespace {

/// Leaves the core's resources to its neighbour for a few nanoseconds.
void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

#ifdef ASHLAR_THREADS_OPENMP

// The OpenMP runtime read OMP_NUM_THREADS and the affinity mask before OMP_PROC_BIND bound this
// thread to a single CPU; asking the kernel now would answer 1.
int default_thread_count() { return std::max(1, omp_get_max_threads()); }

/// The calling thread waits for the others before the region's closing barrier, awake: under a
/// passive wait policy it would fall asleep in the barrier, and waking it was measured to cost 25
/// us at the end of every loop. As the last one there it passes. Not for long, since a worker that
/// still computes then may need this CPU.
void await_others(const std::atomic<int>& finished, int others) {
  constexpr int kSpins = 20'000;  // a few hundred microseconds
  for (int spin = 0; spin < kSpins && finished.load(std::memory_order_acquire) < others; ++spin)
    pause_briefly();
  // From their last item to the barrier.
  for (int spin = 0; spin < 50; ++spin) pause_briefly();
}

template <class Work>
void run_team(int threads, const Work& work) {
  std::atomic<int> finished{0};
#pragma omp parallel num_threads(threads)
  {
    work(omp_get_thread_num(), omp_get_num_threads());
    if (omp_get_thread_num() == 0) {
      await_others(finished, omp_get_num_threads() - 1);
    } else {
      finished.fetch_add(1, std::memory_order_release);
    }
  }
}

#else

int default_thread_count() {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int asked = std::atoi(text);  // the first of a comma-separated list
    if (asked > 0) return asked;
  }
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) == 0) return std::max(1, CPU_COUNT(&usable));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

template <class Work>
void run_team(int threads, const Work& work) {
  std::vector<std::jthread> team;
  team.reserve(static_cast<std::size_t>(threads) - 1);
  for (int worker = 1; worker < threads; ++worker) {
    team.emplace_back([&work, worker, threads] { work(worker, threads); });
  }
  work(0, threads);
}

#endif

std::atomic<int>& configured_threads() {
  static std::atomic<int> threads{default_thread_count()};
  return threads;
}

/// Keeps the first exception of a team: none may leave a parallel region.
class FirstError {
 public:
  template <class Work>
  void guard(const Work& work) {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      raised_.store(true, std::memory_order_relaxed);
    }
  }
  bool raised() const { return raised_.load(std::memory_order_relaxed); }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
  std::atomic<bool> raised_{false};
};

int team_size(std::int64_t items, int threads) {
  const std::int64_t wanted = threads > 0 ? threads : thread_count();
  return static_cast<int>(std::min(wanted, items));
}

}  // namespace

void set_thread_count(int threads) { configured_threads().store(std::max(1, threads)); }

int thread_count() { return configured_threads().load(); }

bool threads_are_openmp() {
#ifdef ASHLAR_THREADS_OPENMP
  return true;
#else
  return false;
#endif
}

void parallel_for_dynamic(std::int64_t items, const std::function<void(std::int64_t, int)>& body,
                          int threads) {
  if (items <= 0) return;
  const int team = team_size(items, threads);
  if (team == 1) {
    for (std::int64_t item = 0; item < items; ++item) body(item, 0);
    return;
  }
  std::atomic<std::int64_t> next{0};
  FirstError error;
  run_team(team, [&](int worker, int) {
    error.guard([&] {
      while (!error.raised()) {
        const std::int64_t item = next.fetch_add(1, std::memory_order_relaxed);
        if (item >= items) return;
        body(item, worker);
      }
    });
  });
  error.rethrow();
}

void parallel_for_dynamic_in_turn(std::int64_t first_items,
                                  const std::function<void(std::int64_t, int)>& first,
                                  std::int64_t items,
                                  const std::function<void(std::int64_t, int)>& body, int threads) {
  const int team = team_size(std::max(first_items, items), threads);
  if (team <= 1) {
    for (std::int64_t item = 0; item < first_items; ++item) first(item, 0);
    for (std::int64_t item = 0; item < items; ++item) body(item, 0);
    return;
  }
  std::atomic<std::int64_t> next_first{0};
  std::atomic<std::int64_t> done_first{0};
  std::atomic<std::int64_t> next{0};
  FirstError error;
  const auto wait_for_first = [&] {
    constexpr int kSpins = 10'000;  // then others may need this CPU to get done
    for (int spin = 0; done_first.load(std::memory_order_acquire) < first_items; ++spin) {
      if (error.raised()) return false;
      if (spin < kSpins) {
        pause_briefly();
      } else {
        std::this_thread::yield();
      }
    }
    return !error.raised();
  };
  run_team(team, [&](int worker, int) {
    error.guard([&] {
      while (!error.raised()) {
        const std::int64_t item = next_first.fetch_add(1, std::memory_order_relaxed);
        if (item >= first_items) break;
        first(item, worker);
        done_first.fetch_add(1, std::memory_order_release);
      }
      if (!wait_for_first()) return;
      while (!error.raised()) {
        const std::int64_t item = next.fetch_add(1, std::memory_order_relaxed);
        if (item >= items) return;
        body(item, worker);
      }
    });
  });
  error.rethrow();
}

void parallel_for_static(std::int64_t items,
                         const std::function<void(std::int64_t, std::int64_t, int)>& body,
                         int threads) {
  if (items <= 0) return;
  const int team = team_size(items, threads);
  if (team == 1) {
    body(0, items, 0);
    return;
  }
  FirstError error;
  // The runtime may grant fewer workers than asked for, so shares follow the granted number.
  run_team(team, [&](int worker, int granted) {
    const std::int64_t share = items / granted;
    const std::int64_t longer = items % granted;  // the first `longer` workers take one more
    const std::int64_t begin = worker * share + std::min<std::int64_t>(worker, longer);
    const std::int64_t end = begin + share + (worker < longer ? 1 : 0);
    error.guard([&] {
      if (begin < end) body(begin, end, worker);
    });
  });
  error.rethrow();
}

}  // namespace ashlar::core
