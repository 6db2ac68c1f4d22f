#pragma once
// The GPU's side of cuda_wgmma_block.hpp: one PTX instruction of sm_90a per function. Source: PTX
// ISA, "Asynchronous Warpgroup Level Matrix Instructions", "Data Movement and Conversion
// Instructions: cp.async.bulk.tensor", "mbarrier", "setmaxnreg".
#include <cuda.h>

#include <cstdint>

#include "impls/flashattention2/cuda_device_machine.cuh"
#include "impls/flashattention2/cuda_wgmma_block.hpp"
#include "impls/flashattention2/cuda_wgmma_instructions.cuh"

namespace ashlar::flashattention2::kernel {

struct WgmmaMaps {
  CUtensorMap q, k, v;
};

template <class Element>
class WgmmaMachine : public DeviceMachine<Element> {
  using Base = DeviceMachine<Element>;
  using Instructions = Wgmma<Base::kHalf>;

 public:
  using TensorMap = CUtensorMap;
  using Maps = WgmmaMaps;

  /// Tiles are swizzled by address bits, so shared memory has to begin at a multiple of 1024.
  __device__ __forceinline__ explicit WgmmaMachine(unsigned char* shared)
      : Base(shared), base_(static_cast<std::uint32_t>(__cvta_generic_to_shared(shared))) {
    if (base_ % kSwizzleAtomBytes != 0) __trap();
  }

  __device__ __forceinline__ unsigned blocks() const { return gridDim.x; }
  __device__ __forceinline__ std::uint32_t address(int offset) const { return base_ + offset; }

  __device__ __forceinline__ std::uint32_t shuffle_word_xor(std::uint32_t word, int mask) {
    return __shfl_xor_sync(0xffffffffU, word, mask);
  }
  __device__ __forceinline__ void store_word(int to, int value) {
    asm volatile("st.shared.b32 [%0], %1;\n" ::"r"(address(to)), "r"(value) : "memory");
  }
  __device__ __forceinline__ int load_word(int from) {
    int value;
    asm volatile("ld.shared.b32 %0, [%1];\n" : "=r"(value) : "r"(address(from)) : "memory");
    return value;
  }

  __device__ __forceinline__ void init(int barrier, int count) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(address(barrier)), "r"(count)
                 : "memory");
  }
  __device__ __forceinline__ void share_barriers() {
    asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory");
  }
  __device__ __forceinline__ void arrive(int barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(address(barrier)) : "memory");
  }
  __device__ __forceinline__ void expect(int barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(address(barrier)),
                 "r"(bytes)
                 : "memory");
  }
  __device__ __forceinline__ void wait(int barrier, int parity) {
    while (!reached(barrier, parity)) {
    }
  }

  struct BoxPlace {
    int element, row, head, sequence;
  };
  __device__ __forceinline__ void copy_box(const CUtensorMap& map, int to, int barrier,
                                           const BoxPlace& place) {
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4, %5, %6}], [%2];\n" ::"r"(address(to)),
        "l"(&map), "r"(address(barrier)), "r"(place.element), "r"(place.row), "r"(place.head),
        "r"(place.sequence)
        : "memory");
  }

  __device__ __forceinline__ void sync_pair(int id) {
    asm volatile("bar.sync %0, %1;\n" ::"r"(id), "n"(2 * kWarpgroupSize) : "memory");
  }
  __device__ __forceinline__ void arrive_pair(int id) {
    asm volatile("bar.arrive %0, %1;\n" ::"r"(id), "n"(2 * kWarpgroupSize) : "memory");
  }

  template <int Count>
  __device__ __forceinline__ void settle(float (&c)[Count]) {
    ASHLAR_UNROLL
    for (int i = 0; i < Count; ++i) asm volatile("" : "+f"(c[i])::"memory");
  }
  template <int Count>
  __device__ __forceinline__ void settle(std::uint32_t (&words)[Count]) {
    ASHLAR_UNROLL
    for (int i = 0; i < Count; ++i) asm volatile("" : "+r"(words[i])::"memory");
  }
  template <int Count>
  __device__ __forceinline__ void begin_products(float (&c)[Count]) {
    settle(c);
    asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
  }
  __device__ __forceinline__ void commit_products() {
    asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
  }
  template <int Groups, int Count>
  __device__ __forceinline__ void wait_products(float (&c)[Count]) {
    asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(Groups) : "memory");
    settle(c);
  }
  template <int Columns>
  __device__ __forceinline__ void multiply_shared(float (&c)[Columns / 2], std::uint64_t a,
                                                  std::uint64_t b, bool accumulate) {
    Instructions::shared(c, a, b, accumulate);
  }
  template <int Columns>
  __device__ __forceinline__ void multiply_registers(float (&c)[Columns / 2], const Fragment& a,
                                                     std::uint64_t b) {
    Instructions::registers(c, a, b);
  }

  template <int Registers>
  __device__ __forceinline__ void give_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(Registers));
  }
  template <int Registers>
  __device__ __forceinline__ void take_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(Registers));
  }

  __device__ __forceinline__ int fetch_add(int* counter, int value) {
    return atomicAdd(counter, value);
  }
  __device__ __forceinline__ void device_fence() { __threadfence(); }

 private:
  __device__ __forceinline__ bool reached(int barrier, int parity) {
    std::uint32_t reached;
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}\n"
        : "=r"(reached)
        : "r"(address(barrier)), "r"(parity)
        : "memory");
    return reached != 0;
  }

  std::uint32_t base_;
};

}  // namespace ashlar::flashattention2::kernel
