#pragma once
// What the softmax kernels of standard attention have in common: numbers of every type, rows in
// vectors, and sums over the threads of a row.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "impls/core/cuda/check.cuh"
#include "impls/core/dtype.hpp"

namespace ashlar::flashattention2::baselines {

inline constexpr int kWarp = 32;
inline constexpr int kHeldScores = 32;  // by one thread, of each matrix
inline constexpr int kMostWarps = 16;
inline constexpr int kLeastBlockWarps = 4;
inline constexpr unsigned kAllLanes = 0xffffffffU;

__device__ inline float decode(float value) { return value; }
__device__ inline float decode(__half value) { return __half2float(value); }
__device__ inline float decode(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ inline void encode(float value, float& to) { to = value; }
__device__ inline void encode(float value, __half& to) { to = __float2half_rn(value); }
__device__ inline void encode(float value, __nv_bfloat16& to) { to = __float2bfloat16_rn(value); }

/// What one thread reads or writes at once.
template <class T>
union Vector {
  static constexpr int kSize = 16 / sizeof(T);
  uint4 word;
  T element[kSize];
  __device__ Vector() : word{} {}
};

/// A row of a matrix (rows, padded columns).
template <class T, class Pointer>
__device__ auto* vectors_of_row(Pointer* matrix, std::int64_t padded_columns, std::int64_t row) {
  using Word = std::conditional_t<std::is_const_v<Pointer>, const uint4, uint4>;
  using Element = std::conditional_t<std::is_const_v<Pointer>, const T, T>;
  return reinterpret_cast<Word*>(static_cast<Element*>(matrix) + row * padded_columns);
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
inline constexpr int kBlockWarps = Warps < kLeastBlockWarps ? kLeastBlockWarps : Warps;

/// Warps that hold a row of so many columns; 0 where it is too long.
inline int warps_of_row(std::int64_t padded_columns) {
  for (int warps = 1; warps <= kMostWarps; warps *= 2) {
    if (padded_columns <= std::int64_t{warps} * kWarp * kHeldScores) return warps;
  }
  return 0;
}

/// Blocks of a kernel whose every row is held by so many warps.
template <int Warps>
unsigned blocks_of_rows(std::int64_t rows) {
  constexpr int kRows = kBlockWarps<Warps> / Warps;
  return static_cast<unsigned>((rows + kRows - 1) / kRows);
}

/// start<T>() for the element type T.
template <class Start>
void for_element_type(core::DType dtype, const Start& start) {
  switch (dtype) {
    case core::DType::f16:
      return start.template operator()<__half>();
    case core::DType::bf16:
      return start.template operator()<__nv_bfloat16>();
    case core::DType::f32:
      return start.template operator()<float>();
    default:
      throw std::invalid_argument("softmax kernel: element type " +
                                  std::string(core::name_of(dtype)));
  }
}

/// hold<Warps>() for rows of so many columns, or stream() for rows that no block holds.
template <class Hold, class Stream>
void for_row_length(std::int64_t padded_columns, const Hold& hold, const Stream& stream) {
  switch (warps_of_row(padded_columns)) {
    case 1:
      return hold.template operator()<1>();
    case 2:
      return hold.template operator()<2>();
    case 4:
      return hold.template operator()<4>();
    case 8:
      return hold.template operator()<8>();
    case 16:
      return hold.template operator()<16>();
    default:
      return stream();
  }
}

}  // namespace ashlar::flashattention2::baselines
