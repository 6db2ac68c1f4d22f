#include "suites/flashattention2/gradients.hpp"

#include <algorithm>
#include <iterator>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/plain.hpp"

namespace ashlar::flashattention2::suite {

namespace {

std::vector<SampledKey> sampled_keys(const GradientProblem& problem) {
  const AttentionParams params = forward_params(problem, nullptr);
  const Index heads = params.heads_kv();
  std::vector<SampledKey> keys;
  for (const Index pair : sampled_heads(params.sequences() * heads, problem.seed, "key heads")) {
    const Index seqlen = params.sequence(pair / heads).seqlen_k;
    for (const Index column : sampled_lines(seqlen, problem.seed, "keys", pair)) {
      keys.push_back({pair / heads, pair % heads, column});
    }
  }
  return keys;
}

void append(model::ExpectedTensor& tensor, Index first, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    tensor.indices.push_back(first + static_cast<Index>(i));
    tensor.values.push_back(values[i]);
  }
}

/// Rows of dq and keys of dk and dv as expected elements.
model::Expected expected_gradients(const AttentionParams& params,
                                   const std::vector<SampledRow>& rows,
                                   const std::vector<std::vector<double>>& dq,
                                   const std::vector<SampledKey>& keys,
                                   const std::vector<KeyGradient>& of_keys) {
  model::Expected expected{{"dq", {}, {}}, {"dk", {}, {}}, {"dv", {}, {}}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    append(expected[0], element_of_row(params, rows[i]), dq[i]);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    append(expected[1], element_of_key(params, keys[i]), of_keys[i].dk);
    append(expected[2], element_of_key(params, keys[i]), of_keys[i].dv);
  }
  return expected;
}

model::Expected joined(model::Expected first, model::Expected second) {
  std::move(second.begin(), second.end(), std::back_inserter(first));
  return first;
}

}  // namespace

model::Expected gradients_in_double(const GradientProblem& problem) {
  const AttentionParams params = backward_params(problem, nullptr);
  const std::vector<RowStatistics> statistics = given_statistics(params);
  const std::vector<SampledRow> rows = sampled_rows(problem);
  const std::vector<SampledKey> keys = sampled_keys(problem);
  std::vector<std::vector<double>> dq(rows.size());
  std::vector<KeyGradient> of_keys(keys.size());
  core::parallel_for_dynamic(static_cast<Index>(rows.size() + keys.size()), [&](Index i, int) {
    auto at = static_cast<std::size_t>(i);
    if (at < rows.size()) {
      const SampledRow& row = rows[at];
      dq[at] = reference_query_gradient(params, statistics[static_cast<std::size_t>(row.sequence)],
                                        row.sequence, row.head, row.row);
      return;
    }
    at -= rows.size();
    const SampledKey& key = keys[at];
    of_keys[at] = reference_key_gradient(params, statistics[static_cast<std::size_t>(key.sequence)],
                                         key.sequence, key.head_kv, key.column);
  });
  return expected_gradients(params, rows, dq, keys, of_keys);
}

model::Expected gradients_in_storage_precision(const GradientProblem& problem) {
  const AttentionParams params = backward_params(problem, nullptr);
  const std::vector<RowStatistics> statistics = given_statistics(params);
  const std::vector<SampledRow> rows = sampled_rows(problem);
  const std::vector<SampledKey> keys = sampled_keys(problem);
  return expected_gradients(params, rows, plain_query_gradients(params, statistics, rows), keys,
                            plain_key_gradients(params, statistics, keys));
}

model::Tolerances gradient_tolerance(const model::Point& point) {
  // Sums over thousands of terms of either sign, each rounded in float: a few units of 6e-8 of the
  // terms, which are several times larger than their sum.
  if (point.word("dtype") == "f32") return {{"", {.relative_l2 = 1e-5, .max_rel = 1e-4}}};
  const double relative = point.word("dtype") == "bf16" ? 2e-2 : 3e-3;
  return {{"", {.relative_l2 = relative, .yardstick_factor = 3}}};
}

model::Expected both_in_double(const GradientProblem& problem) {
  return joined(attention_rows_in_double(problem), gradients_in_double(problem));
}

model::Expected both_in_storage_precision(const GradientProblem& problem) {
  return joined(attention_rows_in_storage_precision(problem),
                gradients_in_storage_precision(problem));
}

model::Tolerances both_tolerance(const model::Point& point) {
  model::Tolerances tolerances = attention_tolerance(point);
  for (const auto& one : gradient_tolerance(point)) tolerances.insert(one);
  return tolerances;
}

}  // namespace ashlar::flashattention2::suite
