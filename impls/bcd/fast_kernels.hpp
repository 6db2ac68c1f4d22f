#pragma once
// The inner loops of the optimized tier, once per instruction set. Internal.
//
// Floors, per core, n x p with nnz entries of 12 bytes (8 value, 4 row):
//   full gradient  2 nnz FLOP, 12 nnz bytes (10 in slices), one load from a vector of n doubles per
//                  entry. With 3 loads a cycle and a quarter of a vector of indices, of values, and
//                  one gathered number per entry nothing goes below 0.5 cycles; gather instructions
//                  take more than twice the time of four plain loads and three inserts.
//   Gram update    2 k p FLOP, 8 k p bytes, all contiguous: bandwidth of the cache that holds them.
//   classes        2 nnz K FLOP; the n x K matrix is read from L2 nnz times, K contiguous numbers
//   each.
#include "impls/bcd/matrix.hpp"
#include "impls/bcd/sliced_columns.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::bcd {

/// A row of K numbers, one per class, is kept at a stride of whole cache lines.
inline Index class_stride(Index classes) { return (classes + 7) / 8 * 8; }

/// Of the scores of one row.
struct SoftmaxSums {
  double max;
  double others;  // sum of exp(z_c - max) over all but one largest: without cancellation
};

struct FastKernels {
  core::Isa isa;

  /// out[j - first] = offset + <column j, v> for first <= j < last.
  void (*column_dots)(const SparseLines& columns, Index first, Index last, const double* v,
                      double offset, double* out);

  /// out[j] = offset + <column j, v> for the columns of slices first <= slice < last.
  void (*sliced_dots)(const SlicedColumns& sliced, Index first, Index last, const double* v,
                      double offset, double* out);

  /// out[(j - first) * classes + c] = offset + sum over rows r of column j of a_rj v[r * stride +
  /// c]. Rows of v are aligned to 64 bytes and padded with numbers that are not NaN.
  void (*class_dots)(const SparseLines& columns, Index first, Index last, const double* v,
                     Index classes, double offset, double* out);

  /// out[i] += sum over l of factors[l] * lines[l][i] for begin <= i < end.
  void (*add_lines)(const double* const* lines, const double* factors, Index count, Index begin,
                    Index end, double* out);

  /// For each of n rows with margin m = y z: weights = -y / (1 + exp(m)), curvatures =
  /// exp(m) / (1 + exp(m))^2, losses = log(1 + exp(-m)); no overflow for any finite m.
  void (*logistic)(const double* z, const double* y, Index n, double* weights, double* curvatures,
                   double* losses);

  /// exp(z_c) / sum exp(z) into out (padding: 0); both aligned to 64 bytes.
  SoftmaxSums (*softmax)(const double* z, Index classes, double* out);
  /// out = log(1 + v), v >= 0.
  void (*log1p)(const double* v, Index n, double* out);

  double (*dot)(const double* a, const double* b, Index n);
  /// <a, b - c>
  double (*dot_of_difference)(const double* a, const double* b, const double* c, Index n);
  double (*sum)(const double* v, Index n);
  /// Numbers other than 0.
  Index (*nonzeros)(const double* v, Index n);

  /// maxima[g] for groups of scores that are disjoint and cover all of them; NaN counts as
  /// -infinity. A group holds at most `depth` scores; returns how many groups there are, at most
  /// size / depth + 2 * 8.
  Index (*group_maxima)(const double* scores, Index size, Index depth, double* maxima);

  /// Indices (rising) and scores of all that are >= threshold, NaN counting as -infinity; the
  /// arrays have room for size + 8. Returns how many.
  Index (*keep_from)(const double* scores, Index size, double threshold, std::int64_t* indices,
                     double* kept);
};

/// For the best instruction set that core::usable_isa() allows.
const FastKernels& fast_kernels();

}  // namespace ashlar::bcd
