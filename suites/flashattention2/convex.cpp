// The invariants of the forward pass: what holds for every row, sampled or not.
#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"
#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/oracle.hpp"

namespace ashlar::flashattention2::suite {

namespace {

constexpr double kSumError = 3e-5;  // of weights that a right lse stands for

/// |sum of exp(s - lse) - 1| over the columns of one row, for its scores as they are and for scores
/// rounded to the storage type.
struct WeightSums {
  double exact = 0;
  double stored = 0;
  /// What may be added to `stored` where another order of summation puts a score on the other side
  /// of the midpoint between two numbers of the storage type.
  double flips = 0;
};

WeightSums weight_sums(const AttentionParams& params, const SampledRow& at, double lse) {
  constexpr double kScoreError = 1e-5;  // of sums in float over up to 128 products
  const RowElements row(params, at.sequence, at.head, at.row);
  const auto round = [&](double exact) {
    return static_cast<double>(rounded(params.q.dtype, static_cast<float>(exact)));
  };
  // A softcap is one more pass over what is stored.
  const auto stored = [&](double scaled) {
    return params.softcap > 0 ? round(row.capped(round(scaled))) : round(scaled);
  };
  WeightSums sums{-1, -1, 0};
  for (Index c = row.columns().begin; c < row.columns().end; ++c) {
    const double scaled = row.scaled(c);
    const double weight = std::exp(row.capped(scaled) - lse);
    sums.exact += weight;
    sums.stored += std::exp(stored(scaled) - lse);
    sums.flips += weight * (stored(scaled + kScoreError) - stored(scaled - kScoreError));
  }
  return {std::abs(sums.exact), std::abs(sums.stored), sums.flips};
}

/// Three rows that see something, drawn from the seed, the last one of the last sequence first.
std::vector<SampledRow> rows_to_sum(const AttentionProblem& problem,
                                    const AttentionParams& params) {
  constexpr int kRows = 3;
  const auto drawn_below = [&](Index count, const std::string& name) {
    const std::uint64_t word = core::seed_of(problem.seed, name);
    return static_cast<Index>(word % static_cast<std::uint64_t>(count));
  };
  std::vector<SampledRow> rows;
  for (int i = 0; i < kRows; ++i) {
    const Index pair =
        drawn_below(params.sequences() * params.heads_q(), "sum of head " + std::to_string(i));
    const Index id = pair / params.heads_q();
    const Index seqlen = params.sequence(id).seqlen_q;
    if (seqlen == 0) continue;
    const Index row = i == 0 ? seqlen - 1 : drawn_below(seqlen, "sum of " + std::to_string(i));
    if (params.mask(params.sequence(id)).columns(row).empty()) continue;
    rows.push_back({id, pair % params.heads_q(), row});
  }
  return rows;
}

/// The weights that lse stands for must sum to one in every row: those of exact scores, or those of
/// scores stored in 16 bits, in all rows the same. A few rows, as each costs N d; the oracle has
/// rows of its own.
std::optional<std::string> weights_sum_to_one(const AttentionProblem& problem,
                                              const model::TensorView& lse) {
  if (problem.q.dtype() == DType::f32) return std::nullopt;  // the oracle's own limit is as tight
  const AttentionParams params = forward_params(problem, nullptr);
  std::string exact_wrong;
  std::string stored_wrong;
  for (const SampledRow& at : rows_to_sum(problem, params)) {
    const double answer = lse.value(element_of_lse(params, at));
    const WeightSums sums = weight_sums(params, at, answer);
    const std::string place =
        fmt::format("lse({}, {}, {}) is {:.8g}", at.sequence, at.head, at.row, answer);
    if (!(sums.exact <= kSumError)) {
      exact_wrong =
          fmt::format("{}, by which the row's weights sum to 1 +- {:.2g}", place, sums.exact);
    }
    if (!(sums.stored <= kSumError + sums.flips)) {
      stored_wrong = fmt::format("1 +- {:.2g} with scores rounded to 16 bits", sums.stored);
    }
  }
  if (exact_wrong.empty() || stored_wrong.empty()) return std::nullopt;
  return exact_wrong + ", and to " + stored_wrong;
}

/// Between which values the elements of a column of out lie.
struct Bounds {
  std::vector<float> low;
  std::vector<float> high;
};

/// The least and the greatest value per column of one head, widened by what rounding may add. With
/// dropout weights no longer sum to one but to anything from 0 to 1, times the factor of what is
/// kept.
template <class T>
Bounds bounds_of(const AttentionParams& params, const Sequence& sequence, Index head) {
  const auto head_dim = static_cast<std::size_t>(params.head_dim());
  const auto v = params.v.as<T>();
  Bounds bounds{std::vector<float>(head_dim), std::vector<float>(head_dim)};
  for (Index n = 0; n < sequence.seqlen_k; ++n) {
    const T* row = &v(sequence.batch, sequence.first_k + n, params.kv_head(head), 0);
    for (std::size_t k = 0; k < head_dim; ++k) {
      const float element = core::to_float(row[k]);
      bounds.low[k] = n == 0 ? element : std::min(bounds.low[k], element);
      bounds.high[k] = n == 0 ? element : std::max(bounds.high[k], element);
    }
  }
  const Mask<Index> mask = params.mask(sequence);
  const bool some_are_zero =
      params.dropout.active() ||
      (sequence.seqlen_q > 0 &&
       (mask.columns(0).empty() || mask.columns(sequence.seqlen_q - 1).empty()));
  const float factor =
      params.dropout.active() ? params.dropout_mask(sequence, head).keep_factor() : 1.0f;
  const float slack = params.q.dtype == DType::f32 ? 1e-5f : 2e-2f;
  for (std::size_t k = 0; k < head_dim; ++k) {
    const float low = some_are_zero ? std::min(bounds.low[k], 0.0f) : bounds.low[k];
    const float high = some_are_zero ? std::max(bounds.high[k], 0.0f) : bounds.high[k];
    bounds.low[k] = factor * low - slack * std::max(1.0f, std::abs(low));
    bounds.high[k] = factor * high + slack * std::max(1.0f, std::abs(high));
  }
  return bounds;
}

/// Looks at every element of `out` (contiguous, as q) of one head of one sequence.
template <class T>
std::optional<std::string> head_outside(const AttentionParams& params, const T* out, Index id,
                                        Index h) {
  const Sequence sequence = params.sequence(id);
  const Bounds bounds = bounds_of<T>(params, sequence, h);
  for (Index n = 0; n < sequence.seqlen_q; ++n) {
    const T* row = out + element_of_row(params, {id, h, n});
    for (std::size_t k = 0; k < bounds.low.size(); ++k) {
      const float element = core::to_float(row[k]);
      if (element >= bounds.low[k] && element <= bounds.high[k]) continue;
      return fmt::format(
          "out({}, {}, {}, {}) is {:.6g}, outside the values it averages, {:.6g} to {:.6g}", id, n,
          h, k, element, bounds.low[k], bounds.high[k]);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> rows_are_convex(const AttentionProblem& problem,
                                           const std::vector<model::TensorView>& answer) {
  const auto find = [&](const char* name) {
    return std::find_if(answer.begin(), answer.end(),
                        [name](const auto& view) { return view.name == name; });
  };
  const auto found = find("out");
  if (found == answer.end()) return "there is no tensor 'out'";
  if (const auto lse = find("lse"); lse != answer.end()) {
    if (auto wrong = weights_sum_to_one(problem, *lse)) return wrong;
  }
  const AttentionParams params = forward_params(problem, nullptr);
  std::vector<std::optional<std::string>> wrong(
      static_cast<std::size_t>(params.sequences() * params.heads_q()));
  core::parallel_for_dynamic(static_cast<Index>(wrong.size()), [&](Index item, int) {
    wrong[static_cast<std::size_t>(item)] = core::visit_float_type(params.q.dtype, [&]<class T>() {
      return head_outside(params, static_cast<const T*>(found->data), item / params.heads_q(),
                          item % params.heads_q());
    });
  });
  for (auto& one : wrong) {
    if (one) return one;
  }
  return std::nullopt;
}

}  // namespace ashlar::flashattention2::suite
