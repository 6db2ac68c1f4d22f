#include "suites/flashattention2/oracle.hpp"

#include <algorithm>
#include <string>

#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/plain.hpp"

namespace ashlar::flashattention2::suite {

namespace {

constexpr Index kLinesPerHead = 24;
constexpr Index kMostHeads = 4;
// The log-sum-exp is summed in single precision whatever the storage type. A key too many or too
// few moves it by more than this in nearly every row of 512 keys, and in about half of the rows of
// 16384.
constexpr double kLseError = 3e-5;

/// Up to `most` of [0, count), ascending: all, or `fixed` and what is drawn from the seed.
std::vector<Index> drawn(Index count, Index most, std::vector<Index> fixed, std::uint64_t seed) {
  if (count <= most) {
    std::vector<Index> all(static_cast<std::size_t>(count));
    for (Index i = 0; i < count; ++i) all[static_cast<std::size_t>(i)] = i;
    return all;
  }
  std::erase_if(fixed, [&](Index i) { return i < 0 || i >= count; });
  for (std::uint64_t draw = 0; static_cast<Index>(fixed.size()) < most; ++draw) {
    const std::uint64_t word = core::seed_of(seed, std::to_string(draw));
    fixed.push_back(static_cast<Index>(word % static_cast<std::uint64_t>(count)));
    std::sort(fixed.begin(), fixed.end());
    fixed.erase(std::unique(fixed.begin(), fixed.end()), fixed.end());
  }
  return fixed;
}

}  // namespace

std::vector<Index> sampled_heads(Index count, std::uint64_t seed, const std::string& what) {
  return drawn(count, kMostHeads, {0, count - 1}, core::seed_of(seed, what));
}

std::vector<Index> sampled_lines(Index count, std::uint64_t seed, const std::string& what,
                                 Index pair) {
  const std::vector<Index> edges = {0,   1,   63,        64,        95,       96,
                                    127, 128, count / 2, count - 2, count - 1};
  return drawn(count, kLinesPerHead, edges, core::seed_of(seed, what + std::to_string(pair)));
}

std::vector<SampledRow> sampled_rows(const AttentionProblem& problem) {
  const AttentionParams params = forward_params(problem, nullptr);
  const Index heads = params.heads_q();
  std::vector<SampledRow> rows;
  for (const Index pair : sampled_heads(params.sequences() * heads, problem.seed, "heads")) {
    const Index seqlen = params.sequence(pair / heads).seqlen_q;
    for (const Index row : sampled_lines(seqlen, problem.seed, "rows", pair)) {
      rows.push_back({pair / heads, pair % heads, row});
    }
  }
  return rows;
}

Index element_of_row(const AttentionParams& params, const SampledRow& at) {
  const Sequence sequence = params.sequence(at.sequence);
  const Index token = sequence.batch * params.seqlen_q() + sequence.first_q + at.row;
  return (token * params.heads_q() + at.head) * params.head_dim();
}

Index element_of_lse(const AttentionParams& params, const SampledRow& at) {
  const Sequence sequence = params.sequence(at.sequence);
  return (sequence.batch * params.heads_q() + at.head) * params.seqlen_q() + sequence.first_q +
         at.row;
}

namespace {

/// Rows of out and lse as expected elements.
model::Expected expected_rows(const AttentionParams& params, const std::vector<SampledRow>& rows,
                              const std::vector<RowResult>& results) {
  model::Expected expected{{"out", {}, {}}, {"lse", {}, {}}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Index first = element_of_row(params, rows[i]);
    for (Index k = 0; k < params.head_dim(); ++k) {
      expected[0].indices.push_back(first + k);
      expected[0].values.push_back(results[i].out[static_cast<std::size_t>(k)]);
    }
    expected[1].indices.push_back(element_of_lse(params, rows[i]));
    expected[1].values.push_back(results[i].lse);
  }
  return expected;
}

}  // namespace

model::Expected attention_rows_in_double(const AttentionProblem& problem) {
  const AttentionParams params = forward_params(problem, nullptr);
  const std::vector<SampledRow> rows = sampled_rows(problem);
  std::vector<RowResult> results(rows.size());
  core::parallel_for_dynamic(static_cast<Index>(rows.size()), [&](Index i, int) {
    const SampledRow& at = rows[static_cast<std::size_t>(i)];
    results[static_cast<std::size_t>(i)] = reference_row(params, at.sequence, at.head, at.row);
  });
  return expected_rows(params, rows, results);
}

model::Expected attention_rows_in_storage_precision(const AttentionProblem& problem) {
  const AttentionParams params = forward_params(problem, nullptr);
  const std::vector<SampledRow> rows = sampled_rows(problem);
  return expected_rows(params, rows, plain_rows(params, rows));
}

model::Tolerances attention_tolerance(const model::Point& point) {
  if (point.word("dtype") == "f32") {
    return {{"out", {.max_abs = 1e-5, .relative_l2 = 2e-6}}, {"lse", {.max_abs = kLseError}}};
  }
  // Standard attention stores its scores in 16 bits, so its lse is that of rounded scores, off by
  // 2e-4 to 5e-4 in full rows and 2e-3 in short ones. A tolerance is the point's and not the
  // implementation's: the yardstick, which rounds likewise, sets it for lse as for out. What that
  // lets slip through in implementations that keep their scores, rows_are_convex() holds to
  // kLseError: there an lse must fit exact scores or rounded ones, and nothing in between.
  const double relative = point.word("dtype") == "bf16" ? 8e-3 : 1e-3;
  return {{"out", {.relative_l2 = relative, .yardstick_factor = 2}},
          {"lse", {.yardstick_factor = 2}}};
}

}  // namespace ashlar::flashattention2::suite
