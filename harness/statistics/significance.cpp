#include "harness/statistics/significance.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "harness/statistics/interval.hpp"

namespace ashlar::statistics {
namespace {

/// Largest side for which U is counted: all subsets of 20 among 40 still fit a double exactly.
constexpr std::size_t kExactLimit = 20;

/// P(U <= limit) under the null hypothesis, by counting how many of the choices of n ranks among
/// n + m give each U: the coefficients of the Gaussian binomial (n + m choose n) in q.
double exact_lower_tail(std::size_t n, std::size_t m, std::size_t limit) {
  const std::size_t most = n * m;
  std::vector<double> counts(most + 1, 0.0);
  counts[0] = 1;
  for (std::size_t i = 1; i <= n; ++i) {
    for (std::size_t u = most; u + 1 > m + i; --u) counts[u] -= counts[u - (m + i)];
    for (std::size_t u = i; u <= most; ++u) counts[u] += counts[u - i];
  }
  const double all = std::accumulate(counts.begin(), counts.end(), 0.0);
  const auto end = counts.begin() + static_cast<std::ptrdiff_t>(std::min(limit, most)) + 1;
  return std::accumulate(counts.begin(), end, 0.0) / all;
}

/// Twice the rank sum of the first sample (an integer, mid-ranks doubled) and the sum of t^3 - t
/// over groups of t equal values.
struct Ranks {
  double twice_rank_sum = 0;
  double tie_sum = 0;
};

Ranks rank(std::span<const double> a, std::span<const double> b) {
  struct Entry {
    double value;
    bool first;
  };
  std::vector<Entry> all;
  for (const double value : a) all.push_back({value, true});
  for (const double value : b) all.push_back({value, false});
  std::ranges::sort(all, {}, &Entry::value);
  Ranks ranks;
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin;
    double from_first = 0;
    for (; end < all.size() && all[end].value == all[begin].value; ++end) {
      from_first += all[end].first ? 1 : 0;
    }
    const auto ties = static_cast<double>(end - begin);
    ranks.twice_rank_sum += from_first * static_cast<double>(begin + 1 + end);
    ranks.tie_sum += ties * ties * ties - ties;
    begin = end;
  }
  return ranks;
}

std::vector<std::size_t> ascending_order(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return values[i]; });
  return order;
}

std::vector<double> checked(std::span<const double> p_values) {
  std::vector<double> checked(p_values.begin(), p_values.end());
  for (double& p : checked) {
    if (std::isnan(p)) p = 1;
    if (p < 0 || p > 1) throw std::invalid_argument("a p-value must lie in [0, 1]");
  }
  return checked;
}

}  // namespace

double sign_test(std::size_t positive, std::size_t negative) {
  const std::size_t n = positive + negative;
  const std::size_t fewer = std::min(positive, negative);
  if (n == 0) return 1;
  // ln P(Bin(n, 1/2) = fewer), then downwards by the ratio of neighbouring terms: small p-values
  // keep their relative precision, and nothing underflows before the p-value itself does.
  double log_term = -static_cast<double>(n) * std::log(2.0);
  for (std::size_t k = 1; k <= fewer; ++k) {
    log_term += std::log(static_cast<double>(n - k + 1) / static_cast<double>(k));
  }
  double relative = 1;
  double sum = 0;
  for (std::size_t k = fewer;; --k) {
    sum += relative;
    if (k == 0) break;
    relative *= static_cast<double>(k) / static_cast<double>(n - k + 1);
  }
  return std::min(1.0, 2 * std::exp(log_term) * sum);
}

double sign_test(std::span<const double> differences) {
  std::size_t positive = 0;
  std::size_t negative = 0;
  for (const double difference : differences) {
    if (std::isnan(difference)) return kNaN;
    positive += difference > 0 ? 1 : 0;
    negative += difference < 0 ? 1 : 0;
  }
  return sign_test(positive, negative);
}

MannWhitney mann_whitney(std::span<const double> a, std::span<const double> b) {
  const auto is_nan = [](double value) { return std::isnan(value); };
  if (a.empty() || b.empty() || std::ranges::any_of(a, is_nan) || std::ranges::any_of(b, is_nan)) {
    return {kNaN, kNaN, false};
  }
  const auto n = static_cast<double>(a.size());
  const auto m = static_cast<double>(b.size());
  const Ranks ranks = rank(a, b);
  const double u = 0.5 * ranks.twice_rank_sum - n * (n + 1) / 2;
  const double smaller = std::min(u, n * m - u);
  if (ranks.tie_sum == 0 && a.size() <= kExactLimit && b.size() <= kExactLimit) {
    const double tail = exact_lower_tail(a.size(), b.size(), static_cast<std::size_t>(smaller));
    return {u, std::min(1.0, 2 * tail), true};
  }
  const double all = n + m;
  const double variance = n * m / 12 * (all + 1 - ranks.tie_sum / (all * (all - 1)));
  if (!(variance > 0)) return {u, 1, false};
  const double z = (n * m / 2 - smaller - 0.5) / std::sqrt(variance);
  return {u, std::clamp(std::erfc(z / std::sqrt(2.0)), 0.0, 1.0), false};
}

std::vector<double> benjamini_hochberg(std::span<const double> p_values) {
  const std::vector<double> p = checked(p_values);
  const auto order = ascending_order(p);
  std::vector<double> adjusted(p.size());
  double least = 1;
  for (std::size_t i = p.size(); i-- > 0;) {
    const double scaled = p[order[i]] * static_cast<double>(p.size()) / static_cast<double>(i + 1);
    least = std::min(least, scaled);
    adjusted[order[i]] = least;
  }
  return adjusted;
}

std::vector<double> holm(std::span<const double> p_values) {
  const std::vector<double> p = checked(p_values);
  const auto order = ascending_order(p);
  std::vector<double> adjusted(p.size());
  double most = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    most = std::max(most, p[order[i]] * static_cast<double>(p.size() - i));
    adjusted[order[i]] = std::min(1.0, most);
  }
  return adjusted;
}

}  // namespace ashlar::statistics
