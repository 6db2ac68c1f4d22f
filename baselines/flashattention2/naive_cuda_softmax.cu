// A softmax is bound by memory: its kernel must read each score once, write each weight once, and
// keep enough loads in flight. Rows of up to 16384 columns stay in registers between the two: every
// thread holds 32 scores as floats, so a row takes 1, 2, 4, 8 or 16 warps. With one warp per row
// (1024 columns) nothing is exchanged through shared memory; short rows share a block, four at a
// time. Maximum, exponential and sum each happen once per score, on the registers. Longer rows are
// read twice: a running maximum and sum first, then the weights.
#include "baselines/flashattention2/naive_cuda_rows.cuh"
#include "baselines/flashattention2/naive_cuda_softmax.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

/// One instruction; within 2 units in the last place, 2^-inf = 0.
__device__ float fast_exp2(float value) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}

__device__ float weight(float score, float shift) { return fast_exp2(fmaf(score, kLog2E, -shift)); }

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
  uint4* const vectors = vectors_of_row<T>(arguments.scores, arguments.padded_columns, row);

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
  uint4* const vectors = vectors_of_row<T>(arguments.scores, arguments.padded_columns, row);
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

}  // namespace

void launch_softmax(const SoftmaxArguments& arguments, core::DType dtype, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  for_element_type(dtype, [&]<class T>() {
    const auto hold = [&]<int Warps>() {
      held_kernel<T, Warps>
          <<<blocks_of_rows<Warps>(arguments.rows), kBlockWarps<Warps> * kWarp, 0, cuda_stream>>>(
              arguments);
    };
    const auto streamed = [&] {
      streamed_kernel<T>
          <<<static_cast<unsigned>(arguments.rows), kMostWarps * kWarp, 0, cuda_stream>>>(
              arguments);
    };
    for_row_length(arguments.padded_columns, hold, streamed);
    ASHLAR_CUDA_CHECK_LAUNCH("softmax");
  });
}

void launch_zeros(void* first, std::size_t pitch, std::size_t row_bytes, std::size_t rows,
                  void* stream) {
  ASHLAR_CUDA_CHECK(
      cudaMemset2DAsync(first, pitch, 0, row_bytes, rows, static_cast<cudaStream_t>(stream)));
}

}  // namespace ashlar::flashattention2::baselines
