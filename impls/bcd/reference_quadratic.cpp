// Quadratics: f(x) = 0.5 x'M x - c'x; H = M.
#include <algorithm>
#include <cmath>
#include <memory>

#include "impls/bcd/gram.hpp"
#include "impls/bcd/lambda_max.hpp"
#include "impls/bcd/reference_objective.hpp"

namespace ashlar::bcd {
namespace {

class ReferenceQuadratic final : public ReferenceObjective {
 public:
  explicit ReferenceQuadratic(const Problem& problem)
      : ReferenceObjective(problem), m_(*problem.matrix), c_(problem.linear) {}

  void bound_product(std::span<const double> v, std::span<double> out) override {
    for (Index i = 0; i < m_.size(); ++i) out[i] = row_times(i, v);
    count_rows(static_cast<double>(m_.rest.entries()), m_.size());
  }
  void bound_block(Block block, BlockMatrix out) override {
    const std::size_t size = block.size();
    for (std::size_t j = 0; j < size; ++j) {
      for (std::size_t i = 0; i < size; ++i) out[i + j * size] = entry(block[i], block[j]);
    }
    count(0, static_cast<double>(size * size), static_cast<double>(size * size));
  }
  void hessian_block(Block block, BlockMatrix out) override { bound_block(block, out); }

 protected:
  Vector make_lipschitz() override { return m_.diagonal; }
  Vector make_row_sums() override {
    Vector sums;
    for (Index i = 0; i < m_.size(); ++i) sums.push_back(std::abs(m_.diagonal[i]) + beside(i));
    count_rows(static_cast<double>(m_.rest.entries()), m_.size());
    return sums;
  }
  double make_lambda_max() override {
    return largest_eigenvalue_from_above(m_.size(),
                                         [&](auto v, auto out) { bound_product(v, out); });
  }

  double loss_at(std::span<const double> x) override {
    double sum = 0;
    for (Index i = 0; i < m_.size(); ++i) sum += x[i] * (0.5 * row_times(i, x) - c_[i]);
    count_rows(static_cast<double>(m_.rest.entries()), m_.size());
    return sum;
  }
  void loss_gradient_at(std::span<const double> x, std::span<double> out) override {
    for (Index i = 0; i < m_.size(); ++i) out[i] = row_times(i, x) - c_[i];
    count_rows(static_cast<double>(m_.rest.entries()), m_.size());
  }
  void loss_gradient_of(std::span<const double> x, Block block, std::span<double> out) override {
    double touched = 0;
    for (std::size_t k = 0; k < block.size(); ++k) {
      out[k] = row_times(block[k], x) - c_[block[k]];
      touched += static_cast<double>(m_.rest.indices_of(block[k]).size());
    }
    count_rows(touched, static_cast<double>(block.size()));
  }
  /// d'Md = sum_{i<j} |M_ij| (d_i + sign(M_ij) d_j)^2 + sum_i (M_ii - sum_j |M_ij|) d_i^2, where no
  /// term is negative if M is diagonally dominant, as Laplacians are.
  std::optional<double> half_square(std::span<const double> d) override {
    double sum = 0;
    for (Index i = 0; i < m_.size(); ++i) {
      sum += (m_.diagonal[i] - beside(i)) * d[i] * d[i];
      const auto neighbours = m_.rest.indices_of(i);
      const auto values = m_.rest.values_of(i);
      for (std::size_t e = 0; e < neighbours.size() && neighbours[e] < i; ++e) {
        const double together = d[i] + std::copysign(1.0, values[e]) * d[neighbours[e]];
        sum += std::abs(values[e]) * together * together;
      }
    }
    return std::max(0.5 * sum, 0.0);
  }

 private:
  double row_times(Index i, std::span<const double> v) const {
    return m_.diagonal[i] * v[i] + dot_of_line(m_.rest, i, v);
  }
  double beside(Index i) const {
    double sum = 0;
    for (const double value : m_.rest.values_of(i)) sum += std::abs(value);
    return sum;
  }
  double entry(Index i, Index j) const {
    if (i == j) return m_.diagonal[i];
    const auto neighbours = m_.rest.indices_of(i);
    const auto place = std::lower_bound(neighbours.begin(), neighbours.end(), j);
    if (place == neighbours.end() || *place != j) return 0;
    return m_.rest.values_of(i)[static_cast<std::size_t>(place - neighbours.begin())];
  }
  void count_rows(double touched, double rows) {
    count(2 * touched + 4 * rows, touched, touched + 4 * rows);
  }

  const SymmetricMatrix& m_;
  std::span<const double> c_;
};

}  // namespace

std::unique_ptr<Objective> make_reference_quadratic(const Problem& problem) {
  return std::make_unique<ReferenceQuadratic>(problem);
}

}  // namespace ashlar::bcd
