// A softmax is bound by memory: its kernel must read each score once, write each weight once, and
// keep enough loads in flight. Rows of up to 16384 columns stay in registers between the two: every
// thread holds 32 scores as floats, so a row takes 1, 2, 4, 8 or 16 warps. With one warp per row
// (1024 columns) nothing is exchanged through shared memory; short rows share a block, four at a
// time. Maximum, exponential and sum each happen once per score, on the registers. Longer rows are
// read twice: a running maximum and sum first, then the weights.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "baselines/flashattention2/naive_cuda_softmax.hpp"
#include "impls/core/cuda/check.cuh"

namespace ashlar::flashattention2::baselines {
namespace {

constexpr int kWarp = 32;
constexpr int kHeldScores = 32;  // by one thread
constexpr int kMostWarps = 16;
constexpr int kLeastBlockWarps = 4;
constexpr unsigned kAllLanes = 0xffffffffU;

__device__ float decode(float value) { return value; }
__device__ float decode(__half value) { return __half2float(value); }
__device__ float decode(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ void encode(float value, float& to) { to = value; }
__device__ void encode(float value, __half& to) { to = __float2half_rn(value); }
__device__ void encode(float value, __nv_bfloat16& to) { to = __float2bfloat16_rn(value); }

/// One instruction; within 2 units in the last place, 2^-inf = 0.
__device__ float fast_exp2(float value) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}

__device__ float weight(float score, float shift) { return fast_exp2(fmaf(score, kLog2E, -shift)); }

/// What one thread reads or writes at once.
template <class T>
union Vector {
  static constexpr int kSize = 16 / sizeof(T);
  uint4 word;
  T element[kSize];
  __device__ Vector() : word{} {}
};

template <class T>
__device__ uint4* row_vectors(const SoftmaxArguments& arguments, std::int64_t row) {
  return reinterpret_cast<uint4*>(static_cast<T*>(arguments.scores) +
                                  row * arguments.padded_columns);
}

template <class Combine>
__device__ float over_warp(float value, Combine combine) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    value = combine(value, __shfl_xor_sync(kAllLanes, value, mask));
  }
  return value;
}

/// Over the warps of one row, in a fixed order; `shared` has a place for each warp of the block and
/// is used once.
template <int Warps, class Combine>
__device__ float over_row(float value, float* shared, Combine combine) {
  value = over_warp(value, combine);
  if constexpr (Warps > 1) {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    if (threadIdx.x % kWarp == 0) shared[warp] = value;
    __syncthreads();
    const int first = warp / Warps * Warps;
    value = shared[first];
#pragma unroll
    for (int i = 1; i < Warps; ++i) value = combine(value, shared[first + i]);
  }
  return value;
}

template <int Warps>
constexpr int kBlockWarps = Warps < kLeastBlockWarps ? kLeastBlockWarps : Warps;

/// Rows of at most Warps * 1024 columns.
template <class T, int Warps>
__global__ void __launch_bounds__(kBlockWarps<Warps>* kWarp)
    held_kernel(const __grid_constant__ SoftmaxArguments arguments) {
  constexpr int kThreads = Warps * kWarp;  // of a row
  constexpr int kSize = Vector<T>::kSize;
  constexpr int kVectors = kHeldScores / kSize;
  __shared__ float shared[2][kBlockWarps<Warps>];
  const int thread = static_cast<int>(threadIdx.x) % kThreads;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kBlockWarps<Warps> / Warps) +
                           static_cast<int>(threadIdx.x) / kThreads;
  const bool exists = row < arguments.rows;  // not so for some in the last block
  const int visible = exists ? static_cast<int>(visible_columns(arguments, row)) : 0;
  uint4* const vectors = row_vectors<T>(arguments, row);

  float held[kVectors][kSize];
  float greatest = -INFINITY;
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    const int column = (thread + n * kThreads) * kSize;
    Vector<T> scores;
    if (column < visible) scores.word = vectors[thread + n * kThreads];
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      held[n][i] = column + i < visible ? decode(scores.element[i]) : -INFINITY;
      greatest = fmaxf(greatest, held[n][i]);
    }
  }
  greatest = over_row<Warps>(greatest, shared[0], [](float a, float b) { return fmaxf(a, b); });
  const float maximum = scaled(greatest);
  const float shift = guarded(maximum);
  float sum = 0;
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      held[n][i] = weight(held[n][i], shift);
      sum += held[n][i];
    }
  }
  sum = over_row<Warps>(sum, shared[1], [](float a, float b) { return a + b; });
  if (!exists) return;
  const RowEnd end = finish_row({maximum, sum}, visible);
  if (thread == 0) arguments.lse[lse_offset(arguments, row)] = end.lse;
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    if ((thread + n * kThreads) * kSize >= arguments.padded_columns) break;
    Vector<T> p;
#pragma unroll
    for (int i = 0; i < kSize; ++i) encode(held[n][i] * end.factor, p.element[i]);
    vectors[thread + n * kThreads] = p.word;
  }
}

/// The sum over a block, known to every thread, in a fixed order.
__device__ RunningSum over_block(RunningSum own) {
  __shared__ RunningSum of_warp[kMostWarps];
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    own = merge(own, {__shfl_xor_sync(kAllLanes, own.maximum, mask),
                      __shfl_xor_sync(kAllLanes, own.sum, mask)});
  }
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = own;
  __syncthreads();
  RunningSum total;
  for (int warp = 0; warp < kMostWarps; ++warp) total = merge(total, of_warp[warp]);
  return total;
}

/// Rows of any length, a block for each.
template <class T>
__global__ void __launch_bounds__(kMostWarps* kWarp)
    streamed_kernel(const __grid_constant__ SoftmaxArguments arguments) {
  constexpr std::int64_t kThreads = kMostWarps * kWarp;
  constexpr int kSize = Vector<T>::kSize;
  const std::int64_t row = blockIdx.x;
  const std::int64_t visible = visible_columns(arguments, row);
  uint4* const vectors = row_vectors<T>(arguments, row);
  RunningSum own;
  Vector<T> scores;
  for (std::int64_t v = threadIdx.x; v * kSize < visible; v += kThreads) {
    scores.word = vectors[v];
    float greatest = -INFINITY;
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      if (v * kSize + i < visible) greatest = fmaxf(greatest, decode(scores.element[i]));
    }
    RunningSum part{scaled(greatest), 0};
    const float shift = guarded(part.maximum);
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      if (v * kSize + i < visible) part.sum += weight(decode(scores.element[i]), shift);
    }
    own = merge(own, part);
  }
  const RowEnd end = finish_row(over_block(own), visible);
  if (threadIdx.x == 0) arguments.lse[lse_offset(arguments, row)] = end.lse;
  for (std::int64_t v = threadIdx.x; v * kSize < arguments.padded_columns; v += kThreads) {
    if (v * kSize < visible) scores.word = vectors[v];
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      const bool seen = v * kSize + i < visible;
      encode(seen ? weight(decode(scores.element[i]), end.shift) * end.factor : 0.0F,
             scores.element[i]);
    }
    vectors[v] = scores.word;
  }
}

template <class T, int Warps>
void start_held(const SoftmaxArguments& arguments, cudaStream_t stream) {
  constexpr int kRows = kBlockWarps<Warps> / Warps;
  const auto blocks = static_cast<unsigned>((arguments.rows + kRows - 1) / kRows);
  held_kernel<T, Warps><<<blocks, kBlockWarps<Warps> * kWarp, 0, stream>>>(arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("held_kernel");
}

template <class T>
void start(const SoftmaxArguments& arguments, cudaStream_t stream) {
  constexpr std::int64_t kWarpScores = kWarp * kHeldScores;
  const std::int64_t warps = (arguments.padded_columns + kWarpScores - 1) / kWarpScores;
  if (warps <= 1) return start_held<T, 1>(arguments, stream);
  if (warps <= 2) return start_held<T, 2>(arguments, stream);
  if (warps <= 4) return start_held<T, 4>(arguments, stream);
  if (warps <= 8) return start_held<T, 8>(arguments, stream);
  if (warps <= kMostWarps) return start_held<T, kMostWarps>(arguments, stream);
  streamed_kernel<T>
      <<<static_cast<unsigned>(arguments.rows), kMostWarps * kWarp, 0, stream>>>(arguments);
  ASHLAR_CUDA_CHECK_LAUNCH("streamed_kernel");
}

}  // namespace

void launch_softmax(const SoftmaxArguments& arguments, core::DType dtype, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  switch (dtype) {
    case core::DType::f16:
      return start<__half>(arguments, cuda_stream);
    case core::DType::bf16:
      return start<__nv_bfloat16>(arguments, cuda_stream);
    case core::DType::f32:
      return start<float>(arguments, cuda_stream);
    default:
      throw std::invalid_argument("softmax kernel: element type " +
                                  std::string(core::name_of(dtype)));
  }
}

void launch_zeros(void* first, std::size_t pitch, std::size_t row_bytes, std::size_t rows,
                  void* stream) {
  ASHLAR_CUDA_CHECK(
      cudaMemset2DAsync(first, pitch, 0, row_bytes, rows, static_cast<cudaStream_t>(stream)));
}

}  // namespace ashlar::flashattention2::baselines
