#include "impls/bcd/lattice_reference.hpp"

#include <vector>

namespace ashlar::bcd {
namespace {

/// A comb: row `spine`, and the rows between it and the other edge in every second column.
class ReferenceComb {
 public:
  ReferenceComb(const LatticeProblem& problem, int half, std::span<double> values)
      : problem_(problem),
        half_(half),
        spine_(half == 0 ? 0 : problem.rows - 1),
        away_(half == 0 ? 1 : -1),
        x_(values),
        diagonal_(values.size()),
        right_(values.size()) {}

  void solve() {
    if (half_ == 1 && problem_.rows == 1) return;  // all of it is white
    gather();
    // Children before parents: teeth, then the spine from left to right.
    for_teeth([&](Index r, Index c) { eliminate(r, c, r - away_, c); }, true);
    for (Index c = 0; c + 1 < problem_.columns; ++c) eliminate(spine_, c, spine_, c + 1);
    for (Index c = problem_.columns - 1; c >= 0; --c) substitute(spine_, c, spine_, c + 1);
    for_teeth([&](Index r, Index c) { substitute(r, c, r - away_, c); }, false);
  }

 private:
  bool unknown(Index r, Index c) const {
    if (r < 0 || r >= problem_.rows || c < 0 || c >= problem_.columns) return false;
    return problem_.labelled[at(r, c)] == 0 &&
           half_of(LatticePartition::combs, problem_.rows, r, c) == half_;
  }
  std::size_t at(Index r, Index c) const { return static_cast<std::size_t>(problem_.node(r, c)); }
  double fixed(Index r, Index c) const {
    if (r < 0 || r >= problem_.rows || c < 0 || c >= problem_.columns || unknown(r, c)) return 0;
    return x_[at(r, c)];
  }

  /// Degrees, and sums of the neighbours that are no unknowns of this half.
  void gather() {
    for (Index c = 0; c < problem_.columns; ++c) {
      for (Index r = 0; r < problem_.rows; ++r) {
        if (!unknown(r, c)) continue;
        diagonal_[at(r, c)] = problem_.degree(r, c);
        right_[at(r, c)] = fixed(r - 1, c) + fixed(r + 1, c) + fixed(r, c - 1) + fixed(r, c + 1);
      }
    }
  }

  template <class Visit>
  void for_teeth(const Visit& visit, bool towards_spine) {
    const Index length = problem_.rows - 2;
    for (Index c = half_; c < problem_.columns; c += 2) {
      for (Index k = 0; k < length; ++k) {
        visit(spine_ + away_ * (towards_spine ? length - k : k + 1), c);
      }
    }
  }

  /// Takes a child out of its parent's equation. Without a parent it is a root.
  void eliminate(Index r, Index c, Index parent_row, Index parent_column) {
    if (!unknown(r, c) || !unknown(parent_row, parent_column)) return;
    const double factor = 1 / diagonal_[at(r, c)];
    diagonal_[at(parent_row, parent_column)] -= factor;
    right_[at(parent_row, parent_column)] += factor * right_[at(r, c)];
  }
  void substitute(Index r, Index c, Index parent_row, Index parent_column) {
    if (!unknown(r, c)) return;
    const double above =
        unknown(parent_row, parent_column) ? x_[at(parent_row, parent_column)] : 0.0;
    x_[at(r, c)] = (right_[at(r, c)] + above) / diagonal_[at(r, c)];
  }

  const LatticeProblem& problem_;
  int half_;
  Index spine_;
  Index away_;
  std::span<double> x_;
  std::vector<double> diagonal_, right_;
};

void reference_colour(const LatticeProblem& problem, int half, std::span<double> x) {
  const Index rows = problem.rows;
  const auto at = [&](Index node) -> double& { return x[static_cast<std::size_t>(node)]; };
  for (Index c = 0; c < problem.columns; ++c) {
    for (Index r = (half + c) % 2; r < rows; r += 2) {
      const Index i = problem.node(r, c);
      if (problem.labelled[static_cast<std::size_t>(i)] != 0) continue;
      double sum = 0;
      if (r > 0) sum += at(i - 1);
      if (r + 1 < rows) sum += at(i + 1);
      if (c > 0) sum += at(i - rows);
      if (c + 1 < problem.columns) sum += at(i + rows);
      at(i) = sum / problem.degree(r, c);
    }
  }
}

}  // namespace

void reference_half_sweep(const LatticeProblem& problem, LatticePartition partition, int half,
                          std::span<double> values) {
  if (partition == LatticePartition::red_black) {
    reference_colour(problem, half, values);
  } else {
    ReferenceComb(problem, half, values).solve();
  }
}

}  // namespace ashlar::bcd
