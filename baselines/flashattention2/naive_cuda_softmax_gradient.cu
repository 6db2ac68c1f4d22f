// The gradient of the softmax, dS = P o (dP - D) with D = rowsum(P o dP), in dP's place: bound by
// memory as the softmax is, and built in the same way (naive_cuda_softmax.cu). P and dP of a row
// stay in registers, packed as they came, between the sum and the differences; rows of more than
// 16384 columns are read twice. Columns that a row does not see are neither read nor summed, and
// become zeros, so that the products after it may run over all of them.
#include "baselines/flashattention2/naive_cuda_rows.cuh"
#include "baselines/flashattention2/naive_cuda_softmax.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

template <class T>
__device__ float delta_of(const Vector<T>& p, const Vector<T>& dp, int seen) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < Vector<T>::kSize; ++i) {
    sum += delta_part(decode(p.element[i]), decode(dp.element[i]), i < seen);
  }
  return sum;
}

template <class T>
__device__ Vector<T> gradients_of(const Vector<T>& p, const Vector<T>& dp, float delta, int seen) {
  Vector<T> ds;
#pragma unroll
  for (int i = 0; i < Vector<T>::kSize; ++i) {
    encode(score_gradient(decode(p.element[i]), decode(dp.element[i]), delta, i < seen),
           ds.element[i]);
  }
  return ds;
}

__device__ float plus(float a, float b) { return a + b; }

/// Rows of at most Warps * 1024 columns.
template <class T, int Warps>
__global__ void __launch_bounds__(kBlockWarps<Warps>* kWarp)
    held_gradient_kernel(const __grid_constant__ SoftmaxGradientArguments arguments) {
  constexpr int kThreads = Warps * kWarp;  // of a row
  constexpr int kSize = Vector<T>::kSize;
  constexpr int kVectors = kHeldScores / kSize;
  __shared__ float shared[kBlockWarps<Warps>];
  const int thread = static_cast<int>(threadIdx.x) % kThreads;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kBlockWarps<Warps> / Warps) +
                           static_cast<int>(threadIdx.x) / kThreads;
  const bool exists = row < arguments.rows;  // not so for some in the last block
  const int visible = exists ? static_cast<int>(visible_columns(arguments, row)) : 0;
  const uint4* const weights = vectors_of_row<T>(arguments.weights, arguments.padded_columns, row);
  uint4* const gradients = vectors_of_row<T>(arguments.gradients, arguments.padded_columns, row);

  Vector<T> p[kVectors];
  Vector<T> dp[kVectors];
  float sum = 0;
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    const int vector = thread + n * kThreads;
    if (vector * kSize >= visible) continue;
    p[n].word = weights[vector];
    dp[n].word = gradients[vector];
    sum += delta_of(p[n], dp[n], visible - vector * kSize);
  }
  const float delta = over_row<Warps>(sum, shared, plus);
  if (!exists) return;
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    const int vector = thread + n * kThreads;
    if (vector * kSize >= arguments.padded_columns) break;
    gradients[vector] = gradients_of(p[n], dp[n], delta, visible - vector * kSize).word;
  }
}

/// Rows of any length, a block for each.
template <class T>
__global__ void __launch_bounds__(kMostWarps* kWarp)
    streamed_gradient_kernel(const __grid_constant__ SoftmaxGradientArguments arguments) {
  constexpr int kThreads = kMostWarps * kWarp;
  constexpr int kSize = Vector<T>::kSize;
  __shared__ float shared[kMostWarps];
  const std::int64_t row = blockIdx.x;
  const int visible = static_cast<int>(visible_columns(arguments, row));
  const uint4* const weights = vectors_of_row<T>(arguments.weights, arguments.padded_columns, row);
  uint4* const gradients = vectors_of_row<T>(arguments.gradients, arguments.padded_columns, row);
  const int count = static_cast<int>(arguments.padded_columns / kSize);
  Vector<T> p;
  Vector<T> dp;
  float sum = 0;
  for (int vector = static_cast<int>(threadIdx.x); vector < count; vector += kThreads) {
    if (vector * kSize >= visible) break;
    p.word = weights[vector];
    dp.word = gradients[vector];
    sum += delta_of(p, dp, visible - vector * kSize);
  }
  const float delta = over_row<kMostWarps>(sum, shared, plus);
  for (int vector = static_cast<int>(threadIdx.x); vector < count; vector += kThreads) {
    const int seen = visible - vector * kSize;
    if (seen > 0) {
      p.word = weights[vector];
      dp.word = gradients[vector];
    }
    gradients[vector] = gradients_of(p, dp, delta, seen).word;
  }
}

}  // namespace

void launch_softmax_gradient(const SoftmaxGradientArguments& arguments, core::DType dtype,
                             void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  for_element_type(dtype, [&]<class T>() {
    const auto hold = [&]<int Warps>() {
      held_gradient_kernel<T, Warps>
          <<<blocks_of_rows<Warps>(arguments.rows), kBlockWarps<Warps> * kWarp, 0, cuda_stream>>>(
              arguments);
    };
    const auto streamed = [&] {
      streamed_gradient_kernel<T>
          <<<static_cast<unsigned>(arguments.rows), kMostWarps * kWarp, 0, cuda_stream>>>(
              arguments);
    };
    for_row_length(arguments.padded_columns, hold, streamed);
    ASHLAR_CUDA_CHECK_LAUNCH("softmax_gradient");
  });
}

}  // namespace ashlar::flashattention2::baselines
