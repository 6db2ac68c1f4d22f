#pragma once
// Rows of tensors as the packed words that backward_kernels.hpp describes, and gradients back into
// storage. Internal.
#include <cstdint>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/backward_kernels.hpp"

namespace ashlar::flashattention2 {

constexpr Index round_up_to(Index value, Index multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// `words` rounded up to an odd number of cache lines: rows that far apart spread over all sets of
/// a cache, where a power of two would put them into a few.
constexpr Index odd_lines(Index words) {
  constexpr Index kLineWords = 16;
  return ((words + kLineWords - 1) / kLineWords | 1) * kLineWords;
}

/// Strides of one row's packed forms, for a storage type's kernels and a head_dim. A row is needed
/// *along depth*, to be multiplied with by rows (`step` elements of head_dim per word), and *along
/// rows*, to be summed over rows (`step` rows per word, one element of head_dim each). Where step
/// is 1 the two are the same.
struct BackwardShape {
  BackwardShape(const BackwardKernels& kernels, Index head_dim_in)
      : step(kernels.step),
        lanes(kernels.lanes),
        panel(kernels.panel()),
        head_dim(head_dim_in),
        depth_words((head_dim_in + step - 1) / step),
        vectors((head_dim_in + lanes - 1) / lanes),
        along_rows_stride(odd_lines(vectors * lanes)),
        along_depth_stride(step == 1 ? along_rows_stride : odd_lines(depth_words)) {}

  Index step;                                                // elements per word
  Index lanes;                                               // floats per vector
  Index panel;                                               // floats per panel of vectors
  Index head_dim;                                            // elements
  Index depth_words;                                         // words of one row along depth
  Index vectors;                                             // vectors of one row
  Index along_rows_stride;                                   // words
  Index along_depth_stride;                                  // words
  Index gradient_stride() const { return vectors * lanes; }  // floats of a row of dq, dk or dv
};

/// Rows [first, first + count) of one head of a tensor.
struct HeadRows {
  core::ConstAnyView<4> tensor;
  Index batch;
  Index head;
  Index first;
  Index count;
};

/// out[row][w]; rows from rows.count to `padded` become zero.
void pack_along_depth(const HeadRows& rows, const BackwardShape& shape, Index padded,
                      std::uint32_t* out);
/// out[row / step][i]; `padded` is a multiple of step.
void pack_along_rows(const HeadRows& rows, const BackwardShape& shape, Index padded,
                     std::uint32_t* out);
/// Zeroes what one row has put into the two forms (the same memory where step is 1).
void clear_packed_row(Index row, const BackwardShape& shape, std::uint32_t* along_depth,
                      std::uint32_t* along_rows);

/// From rows along depth to panels of columns: out[panel][w][column of the panel]. `columns` is a
/// multiple of lanes, the last panel may be narrower than the others.
void transpose_into_panels(const std::uint32_t* along_depth, const BackwardShape& shape,
                           Index columns, std::uint32_t* out);

/// sum_i a[row][i] * b[row][i] of rows `row` of two tensors of one storage type and shape.
float row_dot(const core::ConstAnyView<4>& a, const core::ConstAnyView<4>& b, Index batch,
              Index row, Index head);

/// to[row][i] = factor * gradient[i] in the storage type.
void store_gradient_row(const core::AnyView<4>& to, Index batch, Index row, Index head,
                        float factor, const float* gradient);

}  // namespace ashlar::flashattention2
