#pragma once
// The Cholesky factor of a matrix that rows and columns join and leave.
#include <span>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// L L' = H_FF of a set F that starts empty. A member joins in |F|^2 operations and leaves in
/// 3 (|F| - place)^2, by rotations (Golub, Van Loan, "Matrix Computations", section 6.5).
class GrowingCholesky {
 public:
  Index size() const { return size_; }
  /// `beside`: H of the new member with those there, in their order; `diagonal`: with itself.
  /// False, and nothing joins, where it depends on them as far as can be told: a pivot of at most
  /// 1e-12 times its diagonal.
  bool append(std::span<const double> beside, double diagonal);
  /// Those behind it move up.
  void remove(Index place);
  /// v = H_FF^-1 v.
  void solve(std::span<double> v) const;

 private:
  double* column(Index place) { return entries_.data() + std::size_t(place) * capacity_; }
  void reserve(Index members);

  Index size_ = 0;
  std::size_t capacity_ = 0;     // rows
  std::vector<double> entries_;  // L, column after column; above its diagonal nothing is read
};

}  // namespace ashlar::bcd
