#pragma once
// Loops that do nothing but multiply and add in registers: the upper limit of arithmetic here.
#include <cstdint>
#include <optional>

namespace ashlar::machine {

struct PeakKernel {
  const char* isa = "";
  double flops_per_iteration = 0;
  /// Runs the loop; the value depends on every operation, so none can be left out.
  float (*run)(std::int64_t iterations) = nullptr;
};

/// Fused multiply-adds in single precision, in the widest instruction set of this CPU: "avx512",
/// "avx2", or "portable" on other architectures.
PeakKernel f32_peak_kernel();
/// Dot products of bfloat16 pairs added to single precision (vdpbf16ps). nullopt where the CPU has
/// no avx512_bf16.
std::optional<PeakKernel> bf16_peak_kernel();

}  // namespace ashlar::machine
