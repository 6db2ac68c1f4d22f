#include "impls/bcd/growing_cholesky.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstddef>

namespace ashlar::bcd {
namespace {

constexpr double kDependent = 1e-12;

using Factor =
    Eigen::Map<const Eigen::MatrixXd, Eigen::Unaligned, Eigen::OuterStride<Eigen::Dynamic>>;

}  // namespace

void GrowingCholesky::reserve(Index members) {
  const auto needed = static_cast<std::size_t>(members);
  if (needed <= capacity_) return;
  const std::size_t capacity = std::max<std::size_t>({needed, 2 * capacity_, 64});
  std::vector<double> larger(capacity * capacity);
  for (Index place = 0; place < size_; ++place) {
    std::copy_n(column(place), size_, larger.data() + static_cast<std::size_t>(place) * capacity);
  }
  entries_ = std::move(larger);
  capacity_ = capacity;
}

bool GrowingCholesky::append(std::span<const double> beside, double diagonal) {
  reserve(size_ + 1);
  const Factor l(entries_.data(), size_, size_,
                 Eigen::OuterStride<Eigen::Dynamic>(static_cast<Eigen::Index>(capacity_)));
  Eigen::VectorXd row = Eigen::Map<const Eigen::VectorXd>(beside.data(), size_);
  l.triangularView<Eigen::Lower>().solveInPlace(row);
  const double pivot = diagonal - row.squaredNorm();
  if (!(pivot > kDependent * diagonal)) return false;
  for (Index place = 0; place < size_; ++place) column(place)[size_] = row[place];
  column(size_)[size_] = std::sqrt(pivot);
  ++size_;
  return true;
}

void GrowingCholesky::remove(Index place) {
  // Without its row, L has one entry too many in each column from `place` on: column c reaches up
  // to row c of what is left, and rotations of neighbouring columns clear the one above.
  for (Index c = 0; c < size_; ++c) {
    double* of = column(c);
    std::copy(of + std::max(place + 1, c), of + size_, of + std::max(place, c - 1));
  }
  --size_;
  for (Index c = place; c < size_; ++c) {
    double* left = column(c);
    double* right = column(c + 1);
    const double length = std::hypot(left[c], right[c]);
    const double cosine = left[c] / length;
    const double sine = right[c] / length;
    for (Index row = c; row < size_; ++row) {
      const double from_left = left[row];
      left[row] = cosine * from_left + sine * right[row];
      right[row] = cosine * right[row] - sine * from_left;
    }
  }
}

void GrowingCholesky::solve(std::span<double> v) const {
  const Factor l(entries_.data(), size_, size_,
                 Eigen::OuterStride<Eigen::Dynamic>(static_cast<Eigen::Index>(capacity_)));
  Eigen::Map<Eigen::VectorXd> x(v.data(), size_);
  l.triangularView<Eigen::Lower>().solveInPlace(x);
  l.triangularView<Eigen::Lower>().transpose().solveInPlace(x);
}

}  // namespace ashlar::bcd
