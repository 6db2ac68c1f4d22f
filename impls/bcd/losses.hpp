#pragma once
// The losses of one example, without overflow and without cancellation near the infimum.
#include <cmath>
#include <cstddef>
#include <span>

namespace ashlar::bcd {

/// log(1 + exp(-margin)), margin = y a'x.
inline double logistic_loss(double margin) {
  return margin > 0 ? std::log1p(std::exp(-margin)) : std::log1p(std::exp(margin)) - margin;
}
/// d/dmargin: -1 / (1 + exp(margin)).
inline double logistic_slope(double margin) {
  if (margin > 0) {
    const double small = std::exp(-margin);
    return -small / (1 + small);
  }
  return -1 / (1 + std::exp(margin));
}
/// The second derivative, at most 0.25.
inline double logistic_curvature(double margin) {
  const double small = std::exp(-std::abs(margin));
  return small / ((1 + small) * (1 + small));
}

/// Of one example, in place of its scores z: probabilities exp(z_c) / sum exp(z). Returns
/// logsumexp(z) - z_target. `complement` is 1 minus the largest probability, whose place is
/// `largest`: summed from the others, as it cannot be had from a probability that rounds to 1.
struct SoftmaxRow {
  double loss = 0;
  std::size_t largest = 0;
  double complement = 0;

  double one_minus(std::span<const double> probabilities, std::size_t c) const {
    return c == largest ? complement : 1 - probabilities[c];
  }
};

inline SoftmaxRow softmax_in_place(std::span<double> scores, std::size_t target) {
  SoftmaxRow row;
  for (std::size_t c = 1; c < scores.size(); ++c) {
    if (scores[c] > scores[row.largest]) row.largest = c;
  }
  const double top = scores[row.largest];
  const double below = top - scores[target];
  double others = 0;
  for (std::size_t c = 0; c < scores.size(); ++c) {
    scores[c] = std::exp(scores[c] - top);
    if (c != row.largest) others += scores[c];
  }
  row.loss = below + std::log1p(others);
  for (double& score : scores) score /= 1 + others;
  row.complement = others / (1 + others);
  return row;
}

}  // namespace ashlar::bcd
