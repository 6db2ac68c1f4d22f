#include "impls/core/cuda/allocations.hpp"

#include <atomic>

namespace ashlar::core::cuda {
namespace {

std::atomic<std::ptrdiff_t> held{0};
std::atomic<std::ptrdiff_t> peak{0};

}  // namespace

AllocationCount::AllocationCount() : start_(held) { peak = start_; }

std::ptrdiff_t AllocationCount::held_bytes() const { return held - start_; }

std::ptrdiff_t AllocationCount::peak_bytes() const { return peak - start_; }

namespace detail {

void count_allocation(std::ptrdiff_t bytes) noexcept {
  const std::ptrdiff_t now = held.fetch_add(bytes) + bytes;
  std::ptrdiff_t before = peak;
  while (before < now && !peak.compare_exchange_weak(before, now)) {
  }
}

}  // namespace detail

}  // namespace ashlar::core::cuda
