#pragma once
// Internal; no CUDA types.
#include "baselines/bcd/naive_cuda_steps.hpp"

namespace ashlar::bcd::baselines {

bool naive_cuda_built();
/// Device pointers; start on the default stream and return. Throw std::runtime_error when a launch
/// fails or CUDA is not built.
/// gradient (columns) at x (columns); slopes (rows) are scratch.
void launch_naive_gradient(const NaiveDense& dense, const double* x, double* slopes,
                           double* gradient);
/// out (size x size), block (size).
void launch_naive_block(const NaiveDense& dense, const Index* block, Index size, double* out);
/// x_block += step.
void launch_naive_move(const Index* block, const double* step, Index size, double* x);

}  // namespace ashlar::bcd::baselines
