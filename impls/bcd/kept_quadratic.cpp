// Quadratics: the gradient M x - c is kept at every move, through the neighbours of what moved.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>

#include "impls/bcd/kept_objective.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

class KeptQuadratic final : public KeptObjective {
 public:
  KeptQuadratic(const Problem& problem, const OptimizedOptions& options)
      : KeptObjective(problem, options),
        m_(*problem.matrix),
        gradient_(static_cast<std::size_t>(m_.size())),
        place_(static_cast<std::size_t>(m_.size()), -1) {
    renew();
  }

  std::span<const double> gradient() override { return gradient_; }
  void gradient_of(Block block, std::span<double> out) override {
    for (std::size_t k = 0; k < block.size(); ++k) out[k] = gradient_[block[k]];
  }
  void bound_product(std::span<const double> v, std::span<double> out) override {
    kernels().column_dots(m_.rest, 0, m_.size(), v.data(), 0, out.data());
    for (Index i = 0; i < m_.size(); ++i) out[i] += m_.diagonal[i] * v[i];
    count_rows(static_cast<double>(m_.rest.entries()), m_.size());
  }
  void hessian_block(Block block, BlockMatrix out) override { bound_block(block, out); }
  void bound_block(Block block, BlockMatrix out) override {
    const core::Range range("assemble", static_cast<std::int64_t>(block.size()));
    const std::size_t k = block.size();
    std::fill(out.begin(), out.end(), 0.0);
    for (std::size_t i = 0; i < k; ++i) place_[block[i]] = static_cast<Index>(i);
    double touched = 0;
    for (std::size_t j = 0; j < k; ++j) {
      double* column = out.data() + j * k;
      column[j] = m_.diagonal[block[j]];
      const auto neighbours = m_.rest.indices_of(block[j]);
      const auto values = m_.rest.values_of(block[j]);
      for (std::size_t e = 0; e < neighbours.size(); ++e) {
        if (place_[neighbours[e]] >= 0) column[place_[neighbours[e]]] = values[e];
      }
      touched += static_cast<double>(neighbours.size());
    }
    for (const Index i : block) place_[i] = -1;
    count(0, touched, static_cast<double>(k * k));
  }

 protected:
  void renew() override {
    bound_product(x(), gradient_);
    for (Index i = 0; i < m_.size(); ++i) gradient_[i] += slope() - problem().linear[i];
  }

  void moved(Block block, std::span<const double> step) override {
    double touched = 0;
    for (std::size_t k = 0; k < block.size(); ++k) {
      if (step[k] == 0) continue;
      gradient_[block[k]] += m_.diagonal[block[k]] * step[k];
      const auto neighbours = m_.rest.indices_of(block[k]);
      const auto values = m_.rest.values_of(block[k]);
      for (std::size_t e = 0; e < neighbours.size(); ++e) {
        gradient_[neighbours[e]] += values[e] * step[k];
      }
      touched += static_cast<double>(neighbours.size());
    }
    count_rows(touched, static_cast<double>(block.size()));
  }

  /// 0.5 x'M x - c'x = 0.5 x'(g - c) where g = M x - c.
  double loss() override {
    const double half_slope = slope() == 0 ? 0 : slope() * kernels().sum(x().data(), size());
    count(4.0 * size(), 0, 3.0 * size());
    return 0.5 * (kernels().dot_of_difference(x().data(), gradient_.data(), problem().linear.data(),
                                              size()) -
                  half_slope);
  }

  double loss_change(Block block, std::span<const double> step) override {
    for (std::size_t k = 0; k < block.size(); ++k) place_[block[k]] = static_cast<Index>(k);
    double change = 0;
    double touched = 0;
    for (std::size_t k = 0; k < block.size(); ++k) {
      double product = m_.diagonal[block[k]] * step[k];
      const auto neighbours = m_.rest.indices_of(block[k]);
      const auto values = m_.rest.values_of(block[k]);
      for (std::size_t e = 0; e < neighbours.size(); ++e) {
        const Index place = place_[neighbours[e]];
        if (place >= 0) product += values[e] * step[place];
      }
      change += step[k] * (gradient_[block[k]] - slope() + 0.5 * product);
      touched += static_cast<double>(neighbours.size());
    }
    for (const Index i : block) place_[i] = -1;
    count_rows(touched, static_cast<double>(block.size()));
    return change;
  }

  /// The gradients differ by M (x - x*).
  std::optional<double> half_square(const Optimum& optimum) override {
    double sum = 0;
    for (Index i = 0; i < size(); ++i) {
      sum += (x()[i] - optimum.x[i]) * (gradient_[i] - optimum.gradient[i]);
    }
    return 0.5 * sum;
  }

 private:
  void count_rows(double touched, double rows) {
    count(2 * touched + 4 * rows, touched, touched + 4 * rows);
  }

  const SymmetricMatrix& m_;
  Vector gradient_;
  std::vector<Index> place_;  // in the block that is looked at, else -1
};

}  // namespace

std::unique_ptr<Objective> make_kept_quadratic(const Problem& problem,
                                               const OptimizedOptions& options) {
  return std::make_unique<KeptQuadratic>(problem, options);
}

}  // namespace ashlar::bcd
