#pragma once
// The reference: the definitions of attention.hpp, row by row, in double precision, with the
// two-pass softmax (maximum first, then exponentials) and the gradients written out. Every feature
// is there. Slow on purpose where that is clearer.
#include <vector>

#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

/// One row of the answer, before rounding to the storage type.
struct RowResult {
  std::vector<double> out;  // head_dim values
  double lse = 0;           // natural logarithm; +infinity for a row that sees no column
};

/// The answer of one row alone: the oracle of large problems computes sampled rows. `row` counts
/// within the sequence. Reads inputs and options of params; out and lse may be empty. Indices must
/// be in range.
RowResult reference_row(const AttentionParams& params, Index sequence, Index head, Index row);

/// All rows, in parallel, rounded to out and lse. Takes every floating-point storage type, f64 too.
/// Throws what validate_forward() throws.
void reference_forward(const AttentionParams& params);

/// What the backward pass knows of every row: lse and D = <dout, out>. Index head * seqlen_q + row.
struct RowStatistics {
  std::vector<double> lse;
  std::vector<double> delta;
};

/// Of one sequence, from params.out and params.lse as they are: the gradients that follow are those
/// of an implementation that is handed the same.
RowStatistics given_statistics(const AttentionParams& params, Index sequence);
/// Of all sequences.
std::vector<RowStatistics> given_statistics(const AttentionParams& params);
/// The same from q, k and v in double precision; params.out and params.lse may be empty.
RowStatistics exact_statistics(const AttentionParams& params, Index sequence);

/// dq of one row, before rounding.
std::vector<double> reference_query_gradient(const AttentionParams& params,
                                             const RowStatistics& statistics, Index sequence,
                                             Index head, Index row);

struct KeyGradient {
  std::vector<double> dk;
  std::vector<double> dv;
};
/// dk and dv of one key, summed over the query heads of its group, before rounding.
KeyGradient reference_key_gradient(const AttentionParams& params, const RowStatistics& statistics,
                                   Index sequence, Index head_kv, Index column);

/// All gradients, in parallel, from exact_statistics(), rounded to dq, dk and dv. Takes every
/// floating-point storage type. Throws what validate_backward() throws.
void reference_backward(const AttentionParams& params);

}  // namespace ashlar::flashattention2
