#pragma once
// The micro-kernels of the backward pass on a CPU. Internal; backward.cpp has the design.
//
// Operands consist of 32-bit *words*, as in the forward pass (strip_kernels.hpp): a float, or a
// pair of bfloat16 that are neighbours along the axis that is summed over (`step` = 1 or 2
// elements).
#include <cstdint>
#include <optional>
#include <vector>

#include "impls/core/dtype.hpp"
#include "impls/core/simd.hpp"
#include "impls/core/tensor.hpp"

namespace ashlar::flashattention2 {

using core::Index;

/// Rows of the left operand that one pass of the micro-kernel takes.
inline constexpr Index kProductRows = 6;

/// c[r][0, vectors * lanes) (+)= sum over k of a(r, k) * b(k, :) for strips * kProductRows rows.
struct Product {
  const std::uint32_t* a = nullptr;
  Index a_stride = 0;  // words between rows of a (multiply_rows) or of its transpose
  const std::uint32_t* b = nullptr;
  Index b_stride = 0;  // words between rows of b
  Index depth = 0;     // words that are summed
  float* c = nullptr;
  Index c_stride = 0;  // floats between rows of c
  Index strips = 0;
  Index vectors = 0;  // 1 to max_vectors
  bool add = false;   // to what c holds
};

/// Columns [begin, end) of a tile that a row sees.
struct Visible {
  Index begin;
  Index end;
};

/// From scores and dP to the weights P and the gradients dS of `rows` rows (an even number) and
/// `vectors` vectors of columns.
struct Weighing {
  const float* scores = nullptr;  // S, unscaled
  const float* dp = nullptr;
  Index stride = 0;                // floats between rows of both
  const float* factors = nullptr;  // see `kind`
  Index factor_stride = 0;
  const float* lse_log2 = nullptr;  // lse * log2(e) per row
  const float* delta = nullptr;     // D per row
  float scale_log2e = 0;
  Index rows = 0;
  Index vectors = 0;
  const Visible* visible = nullptr;  // per row; null: everything
  Index first_column = 0;            // column of the tile that the first vector begins with

  // Where the answers go: floats by row, possibly over scores and dp, or pairs of bfloat16.
  std::uint32_t* p = nullptr;          // [row / step][column]
  std::uint32_t* ds = nullptr;         // [row / step][column]
  std::uint32_t* ds_by_row = nullptr;  // [row][column / step]; not written where step is 1
  Index answer_stride = 0;             // words between rows of p and ds
  Index by_row_stride = 0;
};

/// What `Weighing::factors` are.
enum class Factors : std::uint8_t {
  none,
  kept,   // z: P z and P (z dP - D)
  slope,  // derivative of the softcap: P and P (dP - D) slope
};

/// One instruction set's kernels and the shapes they expect.
struct BackwardKernels {
  core::Isa isa;
  int step;           // elements per word
  Index lanes;        // floats per vector
  Index max_vectors;  // vectors per panel

  void (*multiply_rows)(const Product& product);     // a(r, k) = a[r * a_stride + k]
  void (*multiply_columns)(const Product& product);  // a(r, k) = a[k * a_stride + r]
  void (*weigh)(const Weighing& weighing, Factors kind);
  /// scores[r][c] becomes cap / scale * tanh(scale / cap * scores[r][c]), slope[r][c] the
  /// derivative 1 - tanh^2, for rows of `vectors` vectors.
  void (*softcap)(float* scores, Index stride, float* slope, Index slope_stride, Index rows,
                  Index vectors, float scale, float cap);

  Index panel() const { return lanes * max_vectors; }
};

/// Kernels for `dtype` that core::usable_isa() allows, fastest first; never empty. Storage types
/// without kernels of their own are widened to float when they are packed.
std::vector<const BackwardKernels*> usable_backward_kernels(core::DType dtype);

/// The fastest of them that need no more than `limit`.
const BackwardKernels& select_backward_kernels(core::DType dtype, std::optional<core::Isa> limit);

namespace detail {
/// What was compiled, whether or not this machine can run it, fastest first.
std::vector<const BackwardKernels*> float_backward_kernels();
/// Null where the compiler lacks vdpbf16ps.
const BackwardKernels* bfloat16_backward_kernels();
}  // namespace detail

}  // namespace ashlar::flashattention2
