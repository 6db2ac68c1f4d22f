#include "impls/core/simd.hpp"

#include <hwy/highway.h>
#include <hwy/nanobenchmark.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>

namespace hwy::platform {

/// Stands before the library's own, which its constructor calls and which reads the time-stamp
/// counter by RDTSCP: valgrind 3.19 dies of that on CPUs where it does not offer the instruction.
/// Nothing here times anything with Highway.
uint64_t TimerResolution() { return 1; }

}  // namespace hwy::platform

namespace ashlar::core {
namespace {

constexpr std::uint8_t kNoLimit = 0xff;

std::atomic<std::uint8_t> g_limit{kNoLimit};
std::atomic<bool> g_dispatch_ready{false};
std::atomic<const char*> g_target{""};

Isa detect_hardware() {
#if HWY_ARCH_X86
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (!avx512) return Isa::avx2;
  return __builtin_cpu_supports("avx512bf16") ? Isa::avx512_bf16 : Isa::avx512;
#else
  return Isa::avx2;
#endif
}

Isa environment_limit() {
  const char* text = std::getenv("ASHLAR_ISA");
  if (text == nullptr || *text == '\0') return Isa::avx512_bf16;
  if (const auto isa = isa_from_name(text)) return *isa;
  throw std::invalid_argument("ASHLAR_ISA is '" + std::string(text) +
                              "'; it must be avx2, avx512 or avx512_bf16");
}

std::optional<Isa> current_limit() {
  const std::uint8_t limit = g_limit.load();
  if (limit == kNoLimit) return std::nullopt;
  return static_cast<Isa>(limit);
}

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::avx512_bf16:
      return "avx512_bf16";
  }
  return "?";
}

std::optional<Isa> isa_from_name(std::string_view name) {
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_bf16}) {
    if (name == name_of(isa)) return isa;
  }
  return std::nullopt;
}

Isa hardware_isa() {
  static const Isa isa = detect_hardware();
  return isa;
}

Isa usable_isa() {
  static const Isa environment = environment_limit();
  return std::min({hardware_isa(), environment, current_limit().value_or(Isa::avx512_bf16)});
}

void limit_isa(std::optional<Isa> limit) {
  g_limit.store(limit ? static_cast<std::uint8_t>(*limit) : kNoLimit);
  g_dispatch_ready.store(false);
  prepare_dispatch();
}

void prepare_dispatch() {
  if (g_dispatch_ready.load(std::memory_order_acquire)) return;
  // The first call often comes from all threads of a loop at once. Highway's set of disabled
  // targets is a plain variable, and disabling makes every thread choose anew, so one thread does
  // it, and chooses too: from then on dispatch only reads.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (g_dispatch_ready.load(std::memory_order_relaxed)) return;
#if HWY_ARCH_X86
  // Highway numbers its targets from the best (lowest bit) to the plainest.
  const std::int64_t above_avx2 = HWY_AVX2 - 1;
  hwy::DisableTargets(usable_isa() == Isa::avx2 ? above_avx2 : 0);
#endif
  // Asking for what is supported makes Highway choose among all targets, whatever is disabled: it
  // is done here alone, and the choice made anew.
  const std::int64_t supported = hwy::SupportedTargets();
  hwy::GetChosenTarget().Update(supported);
  const std::int64_t built = supported & HWY_TARGETS;
  g_target.store(hwy::TargetName(built & -built));
  g_dispatch_ready.store(true, std::memory_order_release);
}

std::string_view highway_target() {
  prepare_dispatch();
  return g_target.load();
}

ScopedIsaLimit::ScopedIsaLimit(Isa limit) : before_(current_limit()) { limit_isa(limit); }

ScopedIsaLimit::~ScopedIsaLimit() { limit_isa(before_); }

}  // namespace ashlar::core
