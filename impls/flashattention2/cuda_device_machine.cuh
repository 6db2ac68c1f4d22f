#pragma once
// The GPU's side of cuda_forward_block.hpp and cuda_backward_block.hpp: one PTX instruction per
// function.
#include <cuda_runtime.h>

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "impls/core/cuda/check.cuh"
#include "impls/core/dtype.hpp"
#include "impls/flashattention2/cuda_forward_block.hpp"

namespace ashlar::flashattention2::kernel {

/// Loads are volatile, since shared memory changes between two equal ones. So are the indices: what
/// follows from them is computed anew where it is needed and takes no register during the products.
template <class Element>
class DeviceMachine {
 public:
  static constexpr bool kHalf = std::is_same_v<Element, core::Float16>;

  __device__ __forceinline__ explicit DeviceMachine(unsigned char* shared)
      : shared_(shared), base_(static_cast<std::uint32_t>(__cvta_generic_to_shared(shared))) {}

  __device__ __forceinline__ int thread() const {
    int index;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(index));
    __builtin_assume(index >= 0 && index < 1024);  // so that divisions become shifts
    return index;
  }

  __device__ __forceinline__ GridIndex block() const {
    GridIndex index{0, blockIdx.y, blockIdx.z};
    asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(index.x));
    return index;
  }
  template <class T>
  __device__ __forceinline__ T* opaque(T* pointer) const {
    asm volatile("" : "+l"(pointer));
    return pointer;
  }

  __device__ __forceinline__ void copy_async(int to, const void* from, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(base_ + to),
                 "l"(__cvta_generic_to_global(from)), "r"(valid ? 16 : 0)
                 : "memory");
  }
  __device__ __forceinline__ void commit_copies() {
    asm volatile("cp.async.commit_group;\n" ::: "memory");
  }
  template <int Groups>
  __device__ __forceinline__ void wait_for_copies_but() {
    asm volatile("cp.async.wait_group %0;\n" ::"n"(Groups) : "memory");
  }
  __device__ __forceinline__ void wait_for_copies() {
    asm volatile("cp.async.wait_all;\n" ::: "memory");
  }
  __device__ __forceinline__ void barrier() { __syncthreads(); }
  __device__ __forceinline__ void warp_barrier() { __syncwarp(); }

  __device__ __forceinline__ Fragment load_matrices(int from) {
    Fragment f;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(f.word[0]), "=r"(f.word[1]), "=r"(f.word[2]), "=r"(f.word[3])
                 : "r"(base_ + from));
    return f;
  }
  __device__ __forceinline__ Fragment load_matrices_transposed(int from) {
    Fragment f;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(f.word[0]), "=r"(f.word[1]), "=r"(f.word[2]), "=r"(f.word[3])
                 : "r"(base_ + from));
    return f;
  }

  __device__ __forceinline__ void multiply_add(float (&c)[4], const Fragment& a, std::uint32_t b0,
                                               std::uint32_t b1) {
    if constexpr (kHalf) {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
          "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b0), "r"(b1));
    } else {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
          "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b0), "r"(b1));
    }
  }

  __device__ __forceinline__ float shuffle_xor(float value, int mask) {
    return __shfl_xor_sync(0xffffffffU, value, mask);
  }
  __device__ __forceinline__ float exp2(float value) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(result) : "f"(value));
    return result;
  }
  __device__ __forceinline__ float log2(float value) { return log2f(value); }
  __device__ __forceinline__ float tanh(float value) { return tanhf(value); }

  __device__ __forceinline__ std::uint32_t pack(float low, float high) {
    std::uint32_t result;
    if constexpr (kHalf) {
      asm("cvt.rn.f16x2.f32 %0, %1, %2;\n" : "=r"(result) : "f"(high), "f"(low));
    } else {
      asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(result) : "f"(high), "f"(low));
    }
    return result;
  }

  __device__ __forceinline__ float low(std::uint32_t pair) const {
    if constexpr (kHalf) {
      float result;
      asm("{.reg .b16 low, high;\n mov.b32 {low, high}, %1;\n cvt.f32.f16 %0, low;}\n"
          : "=f"(result)
          : "r"(pair));
      return result;
    }
    return __uint_as_float(pair << 16);
  }
  __device__ __forceinline__ float high(std::uint32_t pair) const {
    if constexpr (kHalf) return low(pair >> 16);
    return __uint_as_float(pair & 0xffff0000U);
  }

  __device__ __forceinline__ void store_pair(int to, std::uint32_t value) {
    *reinterpret_cast<std::uint32_t*>(shared_ + to) = value;
  }
  __device__ __forceinline__ void store_float(int to, float value) {
    *reinterpret_cast<float*>(shared_ + to) = value;
  }
  __device__ __forceinline__ float load_float(int from) {
    return *reinterpret_cast<const float*>(shared_ + from);
  }
  __device__ __forceinline__ void store_sums(int to, const ThreadSums& sums) {
    *reinterpret_cast<ThreadSums*>(shared_ + to) = sums;
  }
  __device__ __forceinline__ ThreadSums load_sums(int from) {
    return *reinterpret_cast<const ThreadSums*>(shared_ + from);
  }
  __device__ __forceinline__ Fragment load_chunk(int from) {
    return *reinterpret_cast<const Fragment*>(shared_ + from);
  }
  __device__ __forceinline__ void store_chunk(void* to, const Fragment& value) {
    *static_cast<Fragment*>(to) = value;
  }
  __device__ __forceinline__ void store_word(void* to, std::uint32_t value) {
    *static_cast<std::uint32_t*>(to) = value;
  }
  __device__ __forceinline__ Fragment fetch_chunk(const void* from) {
    return *static_cast<const Fragment*>(from);
  }
  __device__ __forceinline__ void add(float* to, float value) { atomicAdd(to, value); }

 private:
  unsigned char* shared_;
  std::uint32_t base_;
};

/// Shared memory beyond 48 KiB has to be asked for, once for each kernel and device: asking again
/// would be the longest part of a launch.
template <auto Kernel, int Bytes>
void allow_shared_memory() {
  static std::atomic<std::uint64_t> allowed{0};  // a bit for each device
  int device = 0;
  ASHLAR_CUDA_CHECK(cudaGetDevice(&device));
  const std::uint64_t bit = device < 64 ? std::uint64_t{1} << device : 0;
  if ((allowed.load(std::memory_order_relaxed) & bit) != 0) return;
  ASHLAR_CUDA_CHECK(
      cudaFuncSetAttribute(Kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Bytes));
  allowed.fetch_or(bit, std::memory_order_relaxed);
}

}  // namespace ashlar::flashattention2::kernel
