#pragma once
// wgmma.mma_async.m64nNk16 with sums in float: an instruction has to name all of its accumulators,
// so there is a function for each of their counts, N / 2, that the kernels have.
#include <cstdint>

#include "impls/flashattention2/cuda_forward_block.hpp"

namespace ashlar::flashattention2::kernel {

#define ASHLAR_WGMMA_D32                                    \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10"             \
  ", %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21" \
  ", %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define ASHLAR_WGMMA_D64                                    \
  ASHLAR_WGMMA_D32                                          \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42" \
  ", %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53" \
  ", %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define ASHLAR_WGMMA_D88                                    \
  ASHLAR_WGMMA_D64                                          \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74" \
  ", %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85" \
  ", %86, %87"
#define ASHLAR_WGMMA_C8(c, i)                                                         \
  "+f"(c[i]), "+f"(c[(i) + 1]), "+f"(c[(i) + 2]), "+f"(c[(i) + 3]), "+f"(c[(i) + 4]), \
      "+f"(c[(i) + 5]), "+f"(c[(i) + 6]), "+f"(c[(i) + 7])
#define ASHLAR_WGMMA_C24(c, i) \
  ASHLAR_WGMMA_C8(c, i), ASHLAR_WGMMA_C8(c, (i) + 8), ASHLAR_WGMMA_C8(c, (i) + 16)
#define ASHLAR_WGMMA_C32(c) ASHLAR_WGMMA_C24(c, 0), ASHLAR_WGMMA_C8(c, 24)
#define ASHLAR_WGMMA_C64(c) ASHLAR_WGMMA_C32(c), ASHLAR_WGMMA_C24(c, 32), ASHLAR_WGMMA_C8(c, 56)
#define ASHLAR_WGMMA_C88(c) ASHLAR_WGMMA_C64(c), ASHLAR_WGMMA_C24(c, 64)

// a0 to a3 and p are the numbers of the operands behind the accumulators. A and B of shared() have
// their depth along rows; B of registers() has it across them.
#define ASHLAR_WGMMA(n, type, count, a0, a1, a2, a3, b)                                            \
  __device__ __forceinline__ static void shared(float(&c)[count], std::uint64_t a,                 \
                                                std::uint64_t right, bool accumulate) {            \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #a2                                          \
                 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type             \
                 " {" ASHLAR_WGMMA_D##count "}, %" #a0 ", %" #a1 ", p, 1, 1, 0, 0;\n}\n"           \
                 : ASHLAR_WGMMA_C##count(c)                                                        \
                 : "l"(a), "l"(right), "r"(accumulate ? 1 : 0));                                   \
  }                                                                                                \
  __device__ __forceinline__ static void registers(float(&c)[count], const Fragment& a,            \
                                                   std::uint64_t right) {                          \
    asm volatile(                                                                                  \
        "{\n.reg .pred p;\nsetp.ne.b32 p, 1, 0;\n"                                                 \
        "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type " {" ASHLAR_WGMMA_D##count \
        "}, {%" #a0 ", %" #a1 ", %" #a2 ", %" #a3 "}, %" #b ", p, 1, 1, 1;\n}\n"                   \
        : ASHLAR_WGMMA_C##count(c)                                                                 \
        : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(right));             \
  }
#define ASHLAR_WGMMA_TYPE(half, type)               \
  template <>                                       \
  struct Wgmma<half> {                              \
    ASHLAR_WGMMA(64, type, 32, 32, 33, 34, 35, 36)  \
    ASHLAR_WGMMA(128, type, 64, 64, 65, 66, 67, 68) \
    ASHLAR_WGMMA(176, type, 88, 88, 89, 90, 91, 92) \
  };

/// Of 16-bit floats, or (Half is false) bfloat16.
template <bool Half>
struct Wgmma;
ASHLAR_WGMMA_TYPE(true, "f16")
ASHLAR_WGMMA_TYPE(false, "bf16")

#undef ASHLAR_WGMMA_TYPE
#undef ASHLAR_WGMMA
#undef ASHLAR_WGMMA_C88
#undef ASHLAR_WGMMA_C64
#undef ASHLAR_WGMMA_C32
#undef ASHLAR_WGMMA_C24
#undef ASHLAR_WGMMA_C8
#undef ASHLAR_WGMMA_D88
#undef ASHLAR_WGMMA_D64
#undef ASHLAR_WGMMA_D32

}  // namespace ashlar::flashattention2::kernel
