#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "baselines/flashattention2/naive_cuda_softmax.hpp"
#include "impls/core/cuda/check.cuh"

namespace ashlar::flashattention2::baselines {
namespace {

__device__ float decode(float value) { return value; }
__device__ float decode(__half value) { return __half2float(value); }
__device__ float decode(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ void encode(float value, float& to) { to = value; }
__device__ void encode(float value, __half& to) { to = __float2half_rn(value); }
__device__ void encode(float value, __nv_bfloat16& to) { to = __float2bfloat16_rn(value); }

template <class T>
struct alignas(16) Vector {
  static constexpr int kSize = 16 / sizeof(T);
  T element[kSize];
};

/// The sum over the block, in a fixed order, known to every thread.
template <int Threads>
__device__ RunningSum reduce(RunningSum own) {
  __shared__ RunningSum of_warp[Threads / 32];
  for (int mask = 16; mask > 0; mask /= 2) {
    own = merge(own, {__shfl_xor_sync(0xffffffffU, own.maximum, mask),
                      __shfl_xor_sync(0xffffffffU, own.sum, mask)});
  }
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = own;
  __syncthreads();
  RunningSum total;
  for (int warp = 0; warp < Threads / 32; ++warp) total = merge(total, of_warp[warp]);
  return total;
}

/// One block per row: maximum and sum in one pass, P in a second one that finds the row in cache.
template <class T, int Threads>
__global__ void __launch_bounds__(Threads)
    softmax_kernel(const __grid_constant__ SoftmaxArguments arguments) {
  const std::int64_t row = blockIdx.x;
  const auto visible = static_cast<int>(visible_columns(arguments, row));
  auto* const vectors = reinterpret_cast<Vector<T>*>(static_cast<T*>(arguments.scores) +
                                                     row * arguments.padded_columns);
  constexpr int kSize = Vector<T>::kSize;
  RunningSum own;
  for (int v = threadIdx.x; v * kSize < visible; v += Threads) {
    const Vector<T> scores = vectors[v];
    RunningSum part;
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      if (v * kSize + i < visible) part.maximum = fmaxf(part.maximum, decode(scores.element[i]));
    }
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      if (v * kSize + i < visible) part.sum += expf(decode(scores.element[i]) - part.maximum);
    }
    own = merge(own, part);
  }
  const RowEnd end = finish_row(reduce<Threads>(own));
  if (threadIdx.x == 0) arguments.lse[lse_offset(arguments, row)] = end.lse;
  for (int v = threadIdx.x; v * kSize < arguments.padded_columns; v += Threads) {
    Vector<T> p;
    if (v * kSize < visible) p = vectors[v];
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      const bool seen = v * kSize + i < visible;
      encode(seen ? expf(decode(p.element[i]) - end.shift) * end.factor : 0.0F, p.element[i]);
    }
    vectors[v] = p;
  }
}

template <class T, int Threads>
void start(const SoftmaxArguments& arguments, cudaStream_t stream) {
  softmax_kernel<T, Threads>
      <<<static_cast<unsigned>(arguments.rows), Threads, 0, stream>>>(arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("softmax_kernel");
}

/// Short rows take small blocks, so that no thread idles.
template <class T>
void launch(const SoftmaxArguments& arguments, cudaStream_t stream) {
  const std::int64_t vectors = arguments.padded_columns / Vector<T>::kSize;
  if (vectors <= 64) return start<T, 64>(arguments, stream);
  if (vectors <= 128) return start<T, 128>(arguments, stream);
  start<T, 256>(arguments, stream);
}

}  // namespace

void launch_softmax(const SoftmaxArguments& arguments, core::DType dtype, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  switch (dtype) {
    case core::DType::f16:
      return launch<__half>(arguments, cuda_stream);
    case core::DType::bf16:
      return launch<__nv_bfloat16>(arguments, cuda_stream);
    case core::DType::f32:
      return launch<float>(arguments, cuda_stream);
    default:
      throw std::invalid_argument("softmax kernel: element type " +
                                  std::string(core::name_of(dtype)));
  }
}

}  // namespace ashlar::flashattention2::baselines
