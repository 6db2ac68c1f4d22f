#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/check.cuh"
#include "impls/flashattention2/cuda_check.hpp"
#include "impls/flashattention2/cuda_check_math.hpp"

namespace ashlar::flashattention2 {
namespace {

constexpr int kThreads = 128;
constexpr std::size_t kMostRows = 65535;  // of one launch: samples are the grid's y

/// scores[sample][column], minus infinity where the mask hides the column. One thread per score.
__global__ void score_kernel(const check::Problem problem, const SampledRow* rows, double* scores) {
  const Index column = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= problem.seqlen_k) return;
  const Index sample = blockIdx.y;
  scores[sample * problem.seqlen_k + column] = check::score(problem, rows[sample], column);
}

/// A reduction over the block in a fixed order.
template <class Combine>
__device__ double reduce(double value, double* shared, Combine combine) {
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int step = kThreads / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) {
      shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + step]);
    }
    __syncthreads();
  }
  const double result = shared[0];
  __syncthreads();
  return result;
}

/// One block per sample: scores become weights that sum to 1, and lse their logarithm.
__global__ void softmax_kernel(Index seqlen_k, double* scores, double* lse) {
  __shared__ double shared[kThreads];
  double* const row = scores + static_cast<Index>(blockIdx.x) * seqlen_k;
  double maximum = -INFINITY;
  for (Index c = threadIdx.x; c < seqlen_k; c += kThreads) maximum = fmax(maximum, row[c]);
  maximum = reduce(maximum, shared, [](double a, double b) { return fmax(a, b); });
  double sum = 0;
  for (Index c = threadIdx.x; c < seqlen_k; c += kThreads) {
    row[c] = row[c] == -INFINITY ? 0.0 : exp(row[c] - maximum);  // NaN stays, even if all are
    sum += row[c];
  }
  sum = reduce(sum, shared, [](double a, double b) { return a + b; });
  const bool empty = sum == 0;
  for (Index c = threadIdx.x; c < seqlen_k && !empty; c += kThreads) row[c] /= sum;
  if (threadIdx.x == 0) lse[blockIdx.x] = empty ? INFINITY : maximum + log(sum);
}

/// One thread per element of the answer.
__global__ void output_kernel(const check::Problem problem, const SampledRow* rows,
                              const double* weights, double* out) {
  const Index element = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  if (element >= problem.head_dim) return;
  const Index sample = blockIdx.y;
  out[sample * problem.head_dim + element] =
      check::weighted_value(problem, rows[sample], weights + sample * problem.seqlen_k, element);
}

check::Problem problem_of(const AttentionParams& device) {
  check::Problem problem;
  problem.q = {device.q.data, device.q.dtype, {}};
  problem.k = {device.k.data, device.k.dtype, {}};
  problem.v = {device.v.data, device.v.dtype, {}};
  for (int axis = 0; axis < 4; ++axis) {
    problem.q.strides[axis] = device.q.strides[static_cast<std::size_t>(axis)];
    problem.k.strides[axis] = device.k.strides[static_cast<std::size_t>(axis)];
    problem.v.strides[axis] = device.v.strides[static_cast<std::size_t>(axis)];
  }
  problem.seqlen_q = device.seqlen_q();
  problem.seqlen_k = device.seqlen_k();
  problem.head_dim = device.head_dim();
  problem.group = device.group();
  problem.scale = device.scale;
  problem.causal = device.causal;
  return problem;
}

void require_inside(const AttentionParams& device, std::span<const SampledRow> rows) {
  for (const SampledRow& r : rows) {
    if (r.batch < 0 || r.batch >= device.batch() || r.head < 0 || r.head >= device.heads_q() ||
        r.row < 0 || r.row >= device.seqlen_q()) {
      throw std::out_of_range("sampled row (" + std::to_string(r.batch) + ", " +
                              std::to_string(r.head) + ", " + std::to_string(r.row) +
                              ") is outside the problem");
    }
  }
}

unsigned blocks(Index items) { return static_cast<unsigned>((items + kThreads - 1) / kThreads); }

/// Device pointers; scores has room for `count` rows.
void compute_rows(const check::Problem& problem, std::size_t count, const SampledRow* samples,
                  double* scores, double* lse, double* out) {
  const auto y = static_cast<unsigned>(count);
  if (problem.seqlen_k > 0) {
    score_kernel<<<dim3(blocks(problem.seqlen_k), y), kThreads>>>(problem, samples, scores);
    ASHLAR_CUDA_CHECK_LAUNCH("score_kernel");
  }
  softmax_kernel<<<y, kThreads>>>(problem.seqlen_k, scores, lse);
  ASHLAR_CUDA_CHECK_LAUNCH("softmax_kernel");
  output_kernel<<<dim3(blocks(problem.head_dim), y), kThreads>>>(problem, samples, scores, out);
  ASHLAR_CUDA_CHECK_LAUNCH("output_kernel");
}

}  // namespace

SampledAnswers cuda_check_rows(const AttentionParams& device, std::span<const SampledRow> rows) {
  validate_forward(device);
  require_inside(device, rows);
  const check::Problem problem = problem_of(device);
  const auto width = static_cast<std::size_t>(problem.head_dim);
  SampledAnswers answers{std::vector<double>(rows.size() * width),
                         std::vector<double>(rows.size())};
  const std::size_t most = std::min(rows.size(), kMostRows);
  if (most == 0) return answers;
  core::cuda::DeviceBuffer samples(most * sizeof(SampledRow));
  const core::cuda::DeviceBuffer scores(most * static_cast<std::size_t>(problem.seqlen_k) *
                                        sizeof(double));
  const core::cuda::DeviceBuffer lse(most * sizeof(double));
  const core::cuda::DeviceBuffer out(most * width * sizeof(double));
  for (std::size_t first = 0; first < rows.size(); first += most) {
    const std::size_t count = std::min(most, rows.size() - first);
    samples.copy_in(&rows[first], count * sizeof(SampledRow));
    compute_rows(problem, count, static_cast<const SampledRow*>(samples.data()),
                 static_cast<double*>(scores.data()), static_cast<double*>(lse.data()),
                 static_cast<double*>(out.data()));
    out.copy_out(&answers.out[first * width], count * width * sizeof(double));
    lse.copy_out(&answers.lse[first], count * sizeof(double));
  }
  return answers;
}

}  // namespace ashlar::flashattention2
