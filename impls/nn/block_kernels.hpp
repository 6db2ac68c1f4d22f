#pragma once
// Kernels of a block on a GPU beside its matrix products and attention, in bfloat16: the code of
// block_rows.hpp, one warp per row, and sums over tokens by threads for eight columns and a part of
// the tokens each, without atomics, so that every call gives the same bits. No CUDA types, so that
// every build reads this header.
#include "impls/nn/block_rows.hpp"

namespace ashlar::nn {

/// Start on `stream` (a cudaStream_t; null is the default stream) and return; all pointers are
/// device pointers. For NormRows, NormBackwardRows, BiasRows, GeluRows and GeluBackwardRows of
/// core::BFloat16, and for its BiasSums and NormSums. Throw std::runtime_error when a launch fails
/// or CUDA is not built.
template <class Rows>
void launch_rows(const Rows& rows, void* stream);
template <class Sums>
void launch_sums(const Sums& sums, void* stream);

}  // namespace ashlar::nn
