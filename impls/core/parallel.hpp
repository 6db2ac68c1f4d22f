#pragma once
// Parallel loops over OpenMP (or std::thread in builds for ThreadSanitizer, whose view of libgomp
// is wrong). The thread count is a process-wide setting; every loop takes an optional limit of its
// own.
#include <cstdint>
#include <functional>

namespace ashlar::core {

/// Threads that parallel loops use from now on; at least 1. The default is the number of usable
/// CPUs (affinity mask), or OMP_NUM_THREADS where set.
void set_thread_count(int threads);
int thread_count();
/// Whether parallel loops run on OpenMP's threads, else on std::thread (option ASHLAR_THREADS). A
/// library that is built for OpenMP may guard what its calls share against the former only.
bool threads_are_openmp();

/// Calls body(item, worker) for every item in [0, items), items handed out one at a time in
/// increasing order to idle workers (so an order "longest first" is kept). worker is in [0,
/// threads); threads = 0 means thread_count(). The first exception is rethrown after all workers
/// have stopped.
void parallel_for_dynamic(std::int64_t items, const std::function<void(std::int64_t, int)>& body,
                          int threads = 0);

/// The same for two loops of which the second needs all of the first, in one parallel region:
/// waking a sleeping team a second time costs more (some 40 us on two cores) than short work takes.
/// An idle worker spins for the others between the two, so the first loop's items should be short.
void parallel_for_dynamic_in_turn(std::int64_t first_items,
                                  const std::function<void(std::int64_t, int)>& first,
                                  std::int64_t items,
                                  const std::function<void(std::int64_t, int)>& body,
                                  int threads = 0);

/// Calls body(begin, end, worker) once per worker with equal contiguous shares of [0, items).
void parallel_for_static(std::int64_t items,
                         const std::function<void(std::int64_t, std::int64_t, int)>& body,
                         int threads = 0);

}  // namespace ashlar::core
