#pragma once
// The reference: the definition of attention in attention.hpp, row by row, in double precision,
// with the two-pass softmax (maximum first, then exponentials). Slow on purpose where that is
// clearer.
#include <vector>

#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

/// One row of the answer, before rounding to the storage type.
struct RowResult {
  std::vector<double> out;  // head_dim values
  double lse = 0;           // natural logarithm; +infinity for a row that sees no column
};

/// The answer of one row alone: the oracle of large problems computes sampled rows. Reads q, k, v,
/// scale and causal of params; out and lse may be empty. Indices must be in range.
RowResult reference_row(const ForwardParams& params, Index batch, Index head, Index row);

/// All rows, in parallel, rounded to out and lse. Takes every floating-point storage type, f64 too.
/// Throws what validate() throws.
void reference_forward(const ForwardParams& params);

}  // namespace ashlar::flashattention2
