#pragma once
// Threads that work at the same time: what a peak of several cores is measured with.
#include <chrono>
#include <functional>
#include <vector>

namespace ashlar::machine {

/// CPUs this process may use, ascending. OpenMP's runtime may have bound the calling thread to one
/// of them (OMP_PROC_BIND), so its list of places is asked first, where it keeps one.
std::vector<int> usable_cpus();

/// One burst of a team: from the first thread's start to the last one's end, and the CPU time of
/// all threads together, which preemption does not add to.
struct Burst {
  double wall_s = 0;
  double cpu_s = 0;
};

struct BurstPlan {
  int threads = 1;
  int bursts = 1;
  /// No further burst starts after this moment, but one always runs.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

/// Calls body(worker, burst) once per burst on each of plan.threads threads, which start each burst
/// together. Several threads are pinned to one usable CPU each; a single one may use all of them.
/// body must not throw. Throws std::system_error when a thread cannot be started.
std::vector<Burst> run_bursts(const BurstPlan& plan, const std::function<void(int, int)>& body);

}  // namespace ashlar::machine
