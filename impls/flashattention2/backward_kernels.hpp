#pragma once
// The micro-kernels of the backward pass on a CPU, and the design of the pass. Internal.
//
// A *tile* is a block of query rows against a block of keys. Of every tile that the mask does not
// empty, five products are taken (Algorithm 2 of the paper):
//   S = Q K^T, dP = dO V^T     by rows, four strips of 6 rows against one panel of keys at a time
//   P = exp2(S - lse), dS = P (dP - D)    over those 24 rows, in the first-level cache, in place
//   dV += P^T dO, dK += dS^T Q by columns: 6 keys against one panel of head_dim, rows inside
//   dQ += dS K                 by rows: 6 rows against one panel of head_dim, keys inside
// Registers. All five are one micro-kernel of 6 rows x max_vectors vectors, 24 accumulators with
// AVX-512 and 12 with AVX2, as in the forward pass (strip_kernels.hpp). The left operand is
// broadcast word by word from where it lies, so a transposed left operand costs nothing: P and dS
// are stored once and read by rows and by columns. Panels are the outer loop and strips the inner,
// so a panel stays in the first-level cache while the left operand streams.
//
// Packed operands consist of 32-bit *words*, as in the forward pass: a float, or a pair of bfloat16
// that are neighbours along the axis that is summed over (`step` = 1 or 2 elements). With step 2,
// Q, dO and K are needed along two axes and packed twice, and dS is rounded into both.
//
// What is read how often. A worker owns a block of keys: K^T, K, V^T, dK and dV stay in its L2 (5
// head_dim floats per key) while rows stream by. Per tile, Q, dO and dQ come from further away, and
// dQ goes back: 16 head_dim bytes per row for 10 * keys * head_dim operations, 0.6 * keys
// operations per byte, 120 with 192 keys; at 220 GFLOP/s that is 2 GB/s. The tile's P and dS are
// written and read in L2: 96 rows x 192 keys are 2 x 78 KB. Panels in L1: of keys head_dim * 4 *
// lanes * max_vectors bytes (4 KB with AVX2 and head_dim 64, 16 KB with AVX-512), of rows as much.
//
// Parallel over column blocks, dK and dV are each one worker's, and their sums run over rows in one
// order whatever the blocks of keys; query heads of a group follow one another into the same sums.
// dQ is summed per worker and the sums are added at the end; where the caller wants the same bits
// always, per slice of the keys instead, up to eight of them, which no thread count changes.
//
// Floor. Beside the products there is one exponential per score: 0.5 ns with AVX2 for 640
// operations at head_dim 64, 7 % of the time at 97 GFLOP/s. Packing a block of keys and storing its
// gradients is 1 % of 1024 rows.
//
// Measured on Zen 3 (AVX2; 32 KB L1d, 512 KB L2, peak 97 GFLOP/s), other programs running, best of
// short runs in CPU time: a tile alone reaches 88 GFLOP/s (90 %); a pass of one thread over 1024
// keys 72 to 76 % at head_dim 64 and up to 68 % at 128. Runs of one setting spread so far that
// block sizes could not be ranked: those of AVX2 follow from half of a 512 KB L2. Not timed at all
// are two threads undisturbed, and the AVX-512 and bfloat16 kernels, whose block sizes follow from
// 1 MB.
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
