#include "harness/machine/team.hpp"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <system_error>
#include <thread>

#ifdef ASHLAR_MACHINE_OPENMP
#include <omp.h>
#endif

namespace ashlar::machine {
namespace {

using Clock = std::chrono::steady_clock;

struct CpuSetDeleter {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using CpuSet = std::unique_ptr<cpu_set_t, CpuSetDeleter>;

std::vector<int> affinity_mask() {
  // Grown until the kernel's mask fits: machines with more than CPU_SETSIZE CPUs exist.
  for (int capacity = CPU_SETSIZE; capacity <= (1 << 20); capacity *= 2) {
    const CpuSet set(CPU_ALLOC(static_cast<std::size_t>(capacity)));
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(capacity));
    if (!set || sched_getaffinity(0, bytes, set.get()) != 0) continue;
    std::vector<int> cpus;
    for (int cpu = 0; cpu < capacity; ++cpu) {
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, set.get())) cpus.push_back(cpu);
    }
    return cpus;
  }
  return {};
}

std::vector<int> openmp_places() {
  std::vector<int> cpus;
#ifdef ASHLAR_MACHINE_OPENMP
  for (int place = 0; place < omp_get_num_places(); ++place) {
    std::vector<int> ids(static_cast<std::size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, ids.data());
    cpus.insert(cpus.end(), ids.begin(), ids.end());
  }
  std::ranges::sort(cpus);
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
#endif
  return cpus;
}

/// Best effort: a peak measured on threads that may wander is low, not wrong.
void bind_this_thread(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  const auto capacity = static_cast<std::size_t>(*std::ranges::max_element(cpus)) + 1;
  const CpuSet set(CPU_ALLOC(capacity));
  if (!set) return;
  const std::size_t bytes = CPU_ALLOC_SIZE(capacity);
  CPU_ZERO_S(bytes, set.get());
  for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), bytes, set.get());
  sched_setaffinity(0, bytes, set.get());
}

double thread_cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Spins, so that a team starts within a fraction of a microsecond; yields, so that a team larger
/// than the machine still gets on.
class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}

  /// False when the team was given up.
  bool wait() {
    const int generation = generation_.load();
    if (arrived_.fetch_add(1) + 1 == threads_) {
      arrived_.store(0);
      generation_.store(generation + 1);
      return !given_up_.load();
    }
    for (int spins = 0; generation_.load() == generation && !given_up_.load(); ++spins) {
      if (spins > 2000) std::this_thread::yield();
    }
    return !given_up_.load();
  }
  void give_up() { given_up_.store(true); }

 private:
  const int threads_;
  std::atomic<int> arrived_{0};
  std::atomic<int> generation_{0};
  std::atomic<bool> given_up_{false};
};

struct Mark {
  Clock::time_point begin;
  Clock::time_point end;
  double cpu_s = 0;
};

/// What the threads of one team share. marks[worker][burst]: each thread writes its own row.
struct Team {
  explicit Team(const BurstPlan& plan)
      : barrier(plan.threads), marks(static_cast<std::size_t>(plan.threads)) {}
  Barrier barrier;
  std::atomic<bool> stop{false};
  std::vector<std::vector<Mark>> marks;
};

void work(Team& team, const BurstPlan& plan, int worker,
          const std::function<void(int, int)>& body) {
  auto& marks = team.marks[static_cast<std::size_t>(worker)];
  for (int burst = 0; burst < plan.bursts; ++burst) {
    if (worker == 0 && burst > 0 && Clock::now() > plan.deadline) team.stop.store(true);
    if (!team.barrier.wait() || team.stop.load()) return;
    const double cpu = thread_cpu_s();
    Mark mark;
    mark.begin = Clock::now();
    body(worker, burst);
    mark.end = Clock::now();
    mark.cpu_s = thread_cpu_s() - cpu;
    marks.push_back(mark);
    // Nobody may pass the next decision to stop before all have seen this one.
    if (!team.barrier.wait()) return;
  }
}

std::vector<Burst> summary(const std::vector<std::vector<Mark>>& marks) {
  std::vector<Burst> bursts;
  for (std::size_t burst = 0; burst < marks[0].size(); ++burst) {
    Clock::time_point begin = marks[0][burst].begin;
    Clock::time_point end = marks[0][burst].end;
    double cpu_s = 0;
    for (const auto& of_worker : marks) {
      begin = std::min(begin, of_worker[burst].begin);
      end = std::max(end, of_worker[burst].end);
      cpu_s += of_worker[burst].cpu_s;
    }
    bursts.push_back({std::chrono::duration<double>(end - begin).count(), cpu_s});
  }
  return bursts;
}

}  // namespace

std::vector<int> usable_cpus() {
  std::vector<int> places = openmp_places();
  return places.empty() ? affinity_mask() : places;
}

std::vector<Burst> run_bursts(const BurstPlan& plan, const std::function<void(int, int)>& body) {
  const std::vector<int> cpus = usable_cpus();
  Team team(plan);
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(plan.threads));
  try {
    for (int worker = 0; worker < plan.threads; ++worker) {
      threads.emplace_back([&, worker] {
        const bool alone = plan.threads == 1 || cpus.empty();
        const auto place = static_cast<std::size_t>(worker) % std::max<std::size_t>(cpus.size(), 1);
        bind_this_thread(alone ? cpus : std::vector<int>{cpus[place]});
        work(team, plan, worker, body);
      });
    }
  } catch (const std::system_error&) {
    team.barrier.give_up();
    for (auto& thread : threads) thread.join();
    throw;
  }
  for (auto& thread : threads) thread.join();
  return summary(team.marks);
}

}  // namespace ashlar::machine
