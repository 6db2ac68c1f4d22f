#pragma once
// A'A and A'WA of a sparse matrix A, without storing them.
#include <span>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// sum_r w_r a_ri a_rj. `weights` has one number per row; empty: all are 1.
double weighted_dot(const SparseLines& columns, Index i, Index j, std::span<const double> weights);
/// (A'A)_ii of all columns.
std::vector<double> squared_norms(const SparseLines& columns);
/// sum_j |(A'A)_ij| of all columns, one row of A'A at a time: 2 sum_r entries(r)^2 operations.
std::vector<double> gram_row_sums(const FeatureMatrix& a);
/// Entries of all rows that column i meets, summed over i.
double gram_operations(const FeatureMatrix& a);
/// out = line times v, for all lines: A v of rows, A'v of columns.
void multiply(const SparseLines& lines, std::span<const double> v, std::span<double> out);
double dot_of_line(const SparseLines& lines, Index line, std::span<const double> v);
/// lambda_max(A'A) to a relative error of 1e-6 from above; on the shorter side of A.
double gram_lambda_max(const FeatureMatrix& a);

}  // namespace ashlar::bcd
