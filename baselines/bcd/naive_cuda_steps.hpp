#pragma once
// What one thread does in plain kernels on a dense A, for both sides. A is row by row.
#include <cmath>
#include <cstdint>

#include "impls/bcd/matrix.hpp"
#include "impls/core/cuda/host_device.hpp"

namespace ashlar::bcd::baselines {

/// Device pointers in launches, host pointers in tests.
struct NaiveDense {
  Index rows = 0;
  Index columns = 0;
  bool logistic = false;  // else least squares
  double factor = 1;      // of A'A in the bound's matrix
  double penalty = 0;     // added to every derivative
  const double* a = nullptr;
  const double* targets = nullptr;  // rows

  ASHLAR_HOST_DEVICE double at(Index row, Index column) const {
    return a[static_cast<std::int64_t>(row) * columns + column];
  }
};

/// A thread's part of a_r'x.
ASHLAR_HOST_DEVICE double naive_row_part(const NaiveDense& dense, const double* x, Index row,
                                         Index thread, Index threads) {
  double sum = 0;
  for (Index column = thread; column < dense.columns; column += threads)
    sum += dense.at(row, column) * x[column];
  return sum;
}

/// The loss's derivative by z = a_r'x. The exponential may be infinite: the slope is then 0.
ASHLAR_HOST_DEVICE double naive_slope(const NaiveDense& dense, Index row, double z) {
  const double y = dense.targets[row];
  return dense.logistic ? -y / (1 + exp(y * z)) : z - y;
}

/// An element of the gradient.
ASHLAR_HOST_DEVICE double naive_column_sum(const NaiveDense& dense, const double* slopes,
                                           Index column) {
  double sum = 0;
  for (Index row = 0; row < dense.rows; ++row) sum += dense.at(row, column) * slopes[row];
  return sum + dense.penalty;
}

/// An entry of the bound's matrix.
ASHLAR_HOST_DEVICE double naive_gram(const NaiveDense& dense, Index one, Index other) {
  double sum = 0;
  for (Index row = 0; row < dense.rows; ++row) sum += dense.at(row, one) * dense.at(row, other);
  return dense.factor * sum;
}

}  // namespace ashlar::bcd::baselines
