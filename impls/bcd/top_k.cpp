#include "impls/bcd/top_k.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "impls/bcd/fast_kernels.hpp"

namespace ashlar::bcd {
namespace {

constexpr Index kTopKGroupsPerChoice = 4;
constexpr std::size_t kTopKLanes = 8;  // of the widest vector

double top_k_bound(std::span<const double> scores, Index k, TopKWorkspace& workspace) {
  const auto size = static_cast<Index>(scores.size());
  const Index depth = size / (kTopKGroupsPerChoice * k);
  if (depth < 2) return -std::numeric_limits<double>::infinity();
  workspace.maxima.resize(static_cast<std::size_t>(size / depth) + 2 * kTopKLanes);
  const Index groups =
      fast_kernels().group_maxima(scores.data(), size, depth, workspace.maxima.data());
  if (groups < k) return -std::numeric_limits<double>::infinity();
  const auto begin = workspace.maxima.begin();
  std::nth_element(begin, begin + (k - 1), begin + groups, std::greater<>());
  return workspace.maxima[k - 1];
}

}  // namespace

void top_k(std::span<const double> scores, Index k, TopKWorkspace& workspace,
           std::vector<Index>& chosen) {
  const auto size = static_cast<Index>(scores.size());
  if (k < 0 || k > size) {
    throw std::invalid_argument("top_k: k = " + std::to_string(k) + " of " + std::to_string(size) +
                                " scores; choose at most as many as there are");
  }
  chosen.resize(static_cast<std::size_t>(k));
  if (k == size) {
    std::iota(chosen.begin(), chosen.end(), Index{0});
    return;
  }
  if (k == 0) return;
  workspace.indices.resize(scores.size() + kTopKLanes);
  workspace.kept.resize(scores.size() + kTopKLanes);
  const double bound = top_k_bound(scores, k, workspace);
  const Index left = fast_kernels().keep_from(scores.data(), size, bound, workspace.indices.data(),
                                              workspace.kept.data());
  auto& order = workspace.order;
  order.resize(static_cast<std::size_t>(left));
  std::iota(order.begin(), order.end(), Index{0});
  if (left > k) {
    const double* kept = workspace.kept.data();
    // Indices rise with the place.
    std::nth_element(order.begin(), order.begin() + (k - 1), order.end(), [kept](Index a, Index b) {
      return kept[a] != kept[b] ? kept[a] > kept[b] : a < b;
    });
  }
  for (Index i = 0; i < k; ++i) {
    chosen[i] = static_cast<Index>(workspace.indices[order[i]]);
  }
  std::sort(chosen.begin(), chosen.end());
}

}  // namespace ashlar::bcd
