#pragma once
// What instruction sets hot loops may use, above the base of the build (x86-64-v3): one place for
// Highway's dispatch and for kernels with their own. The environment variable ASHLAR_ISA (avx2,
// avx512 or avx512_bf16) and limit_isa() lower it; nothing can raise it above the CPU.
#include <cstdint>
#include <optional>
#include <string_view>

namespace ashlar::core {

/// In increasing order; each contains the ones before it.
enum class Isa : std::uint8_t {
  avx2,         // the base: AVX2, FMA, F16C, AES (on other architectures: the compiler's default)
  avx512,       // AVX-512 F, CD, BW, DQ, VL
  avx512_bf16,  // and bfloat16 dot products
};

std::string_view name_of(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);

/// The best that the CPU and the operating system offer.
Isa hardware_isa();

/// The best that may be used now: the smallest of hardware, ASHLAR_ISA and limit_isa(). Throws
/// std::invalid_argument when ASHLAR_ISA is not the name of an instruction set.
Isa usable_isa();

inline bool may_use(Isa isa) { return isa <= usable_isa(); }

/// Lowers usable_isa() until called again; nullopt removes the limit (ASHLAR_ISA stays). Not to be
/// called while kernels run in other threads.
void limit_isa(std::optional<Isa> limit);

/// Makes Highway's dispatch obey the limits. To be called before HWY_DYNAMIC_DISPATCH, from any
/// thread; costs one atomic load after the first time.
void prepare_dispatch();

/// The Highway target that HWY_DYNAMIC_DISPATCH takes now, such as "AVX3" (Highway's name of
/// AVX-512).
std::string_view highway_target();

/// Limits the instruction set for a scope (tests, ablations).
class ScopedIsaLimit {
 public:
  explicit ScopedIsaLimit(Isa limit);
  ~ScopedIsaLimit();
  ScopedIsaLimit(const ScopedIsaLimit&) = delete;
  ScopedIsaLimit& operator=(const ScopedIsaLimit&) = delete;

 private:
  std::optional<Isa> before_;
};

}  // namespace ashlar::core
