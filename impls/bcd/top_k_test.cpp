// top_k() against a sort.
#include "impls/bcd/top_k.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "impls/bcd/test_drawn.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::bcd::drawn {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<Index> sorted_top(const std::vector<double>& scores, Index k) {
  std::vector<Index> order(scores.size());
  std::iota(order.begin(), order.end(), Index{0});
  const auto key = [&](Index i) { return std::isnan(scores[i]) ? -kInfinity : scores[i]; };
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return key(a) > key(b); });
  order.resize(static_cast<std::size_t>(k));
  std::sort(order.begin(), order.end());
  return order;
}

void check_top(const std::vector<double>& scores, const std::vector<Index>& counts) {
  for (const core::Isa isa : {core::Isa::avx2, core::Isa::avx512}) {
    if (isa > core::hardware_isa()) continue;
    const core::ScopedIsaLimit limit(isa);
    TopKWorkspace workspace;
    std::vector<Index> chosen;
    for (const Index k : counts) {
      if (k > static_cast<Index>(scores.size())) continue;
      CAPTURE(scores.size(), k);
      top_k(scores, k, workspace, chosen);
      CHECK(chosen == sorted_top(scores, k));
    }
  }
}

const std::vector<Index> kCounts{0, 1, 2, 3, 5, 13, 50, 100, 999, 4999, 5000, 49999, 50000};

TEST_CASE("the k largest of p scores are those of a sort") {
  for (const Index p : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000, 50000}) {
    Draws draws(static_cast<std::uint64_t>(p));
    std::vector<double> scores = draws.vector(p);
    std::vector<Index> counts = kCounts;
    counts.push_back(p);
    counts.push_back(p - 1);
    check_top(scores, counts);
    for (double& score : scores) score = std::abs(score) < 0.5 ? 0 : std::abs(score);
    check_top(scores, counts);
  }
}

TEST_CASE("ties go to the lowest index, whatever they are worth") {
  for (const Index p : {9, 100, 5003}) {
    check_top(std::vector<double>(static_cast<std::size_t>(p), 3.5), kCounts);
    check_top(std::vector<double>(static_cast<std::size_t>(p), -kInfinity), kCounts);
    Draws draws(1);
    std::vector<double> few;
    for (Index i = 0; i < p; ++i) few.push_back(std::floor(4 * draws.uniform()));
    check_top(few, kCounts);
    std::vector<double> zeros(static_cast<std::size_t>(p), 0.0);
    for (std::size_t i = 0; i < zeros.size(); i += 2) zeros[i] = -0.0;
    check_top(zeros, kCounts);
    // Fifty times each, as the L_i of softmax.
    std::vector<double> fifty;
    for (Index i = 0; i < p; ++i) fifty.push_back(static_cast<double>((i / 50 * 37) % 11));
    check_top(fifty, kCounts);
    // All large ones in one place: groups see few of them.
    std::vector<double> together(static_cast<std::size_t>(p), 1.0);
    std::fill(together.begin() + p / 2, together.begin() + p / 2 + p / 4, 2.0);
    check_top(together, kCounts);
  }
}

TEST_CASE("infinities and scores that are no numbers have a place") {
  Draws draws(2);
  std::vector<double> scores = draws.vector(2000);
  for (std::size_t i = 0; i < scores.size(); i += 7) scores[i] = kNan;
  for (std::size_t i = 3; i < scores.size(); i += 50) scores[i] = kInfinity;
  for (std::size_t i = 5; i < scores.size(); i += 11) scores[i] = -kInfinity;
  check_top(scores, kCounts);
  check_top(std::vector<double>(77, kNan), kCounts);
  for (std::size_t i = 4; i < scores.size(); ++i) scores[i] = kNan;
  check_top(scores, kCounts);
}

TEST_CASE("more than there are cannot be chosen") {
  TopKWorkspace workspace;
  std::vector<Index> chosen;
  const std::vector<double> scores{1, 2};
  CHECK_THROWS_AS(top_k(scores, 3, workspace, chosen), std::invalid_argument);
  CHECK_THROWS_AS(top_k(scores, -1, workspace, chosen), std::invalid_argument);
}

}  // namespace
}  // namespace ashlar::bcd::drawn
