#include "impls/bcd/gram.hpp"

#include <cmath>
#include <cstddef>

#include "impls/bcd/lambda_max.hpp"

namespace ashlar::bcd {

double weighted_dot(const SparseLines& columns, Index i, Index j, std::span<const double> weights) {
  double sum = 0;
  std::int64_t at_i = columns.starts[i];
  std::int64_t at_j = columns.starts[j];
  while (at_i < columns.starts[i + 1] && at_j < columns.starts[j + 1]) {
    const Index row_i = columns.indices[at_i];
    const Index row_j = columns.indices[at_j];
    if (row_i == row_j) {
      const double product = columns.values[at_i] * columns.values[at_j];
      sum += weights.empty() ? product : weights[row_i] * product;
    }
    at_i += row_i <= row_j ? 1 : 0;
    at_j += row_j <= row_i ? 1 : 0;
  }
  return sum;
}

std::vector<double> squared_norms(const SparseLines& columns) {
  std::vector<double> norms;
  for (Index column = 0; column < columns.lines(); ++column) {
    double sum = 0;
    for (const double value : columns.values_of(column)) sum += value * value;
    norms.push_back(sum);
  }
  return norms;
}

std::vector<double> gram_row_sums(const FeatureMatrix& a) {
  std::vector<double> sums(static_cast<std::size_t>(a.columns), 0.0);
  std::vector<double> row_of_gram(static_cast<std::size_t>(a.columns), 0.0);
  // G is symmetric: with j >= i alone, each entry counts for both. Columns come in order, so that
  // the entries of row r from column i on are those not passed yet.
  std::vector<std::int64_t> next(a.by_row.starts.begin(), a.by_row.starts.end() - 1);
  for (Index i = 0; i < a.columns; ++i) {
    for (std::int64_t at = a.by_column.starts[i]; at < a.by_column.starts[i + 1]; ++at) {
      const Index row = a.by_column.indices[at];
      const double value = a.by_column.values[at];
      for (std::int64_t entry = next[row]; entry < a.by_row.starts[row + 1]; ++entry) {
        row_of_gram[a.by_row.indices[entry]] += value * a.by_row.values[entry];
      }
      ++next[row];
    }
    sums[i] += row_of_gram[i];
    for (Index j = i + 1; j < a.columns; ++j) {
      sums[i] += std::abs(row_of_gram[j]);
      sums[j] += std::abs(row_of_gram[j]);
      row_of_gram[j] = 0;
    }
  }
  return sums;
}

double gram_operations(const FeatureMatrix& a) {
  double operations = 0;
  for (Index row = 0; row < a.rows; ++row) {
    const auto entries = static_cast<double>(a.by_row.indices_of(row).size());
    operations += entries * entries;
  }
  return operations;
}

double dot_of_line(const SparseLines& lines, Index line, std::span<const double> v) {
  double sum = 0;
  for (std::int64_t entry = lines.starts[line]; entry < lines.starts[line + 1]; ++entry) {
    sum += lines.values[entry] * v[lines.indices[entry]];
  }
  return sum;
}

void multiply(const SparseLines& lines, std::span<const double> v, std::span<double> out) {
  for (Index line = 0; line < lines.lines(); ++line) out[line] = dot_of_line(lines, line, v);
}

double gram_lambda_max(const FeatureMatrix& a) {
  const bool by_rows = a.rows < a.columns;  // A A' has the eigenvalues of A'A that are not 0
  const SparseLines& first = by_rows ? a.by_column : a.by_row;
  const SparseLines& second = by_rows ? a.by_row : a.by_column;
  std::vector<double> between(static_cast<std::size_t>(first.lines()));
  return largest_eigenvalue_from_above(second.lines(), [&](auto v, auto out) {
    multiply(first, v, between);
    multiply(second, between, out);
  });
}

}  // namespace ashlar::bcd
