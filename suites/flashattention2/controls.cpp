// Negative controls: plausible mistakes that the oracle must reject in every run.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/problem.hpp"

namespace ashlar::flashattention2::suite {

namespace {

/// The shape that the controls share: a loop over the sampled rows with one broken detail.
template <class Row>
void for_each_row(const AttentionProblem& problem, AttentionAnswer& answer, Row row) {
  const std::size_t row_bytes = answer.out.bytes() / static_cast<std::size_t>(answer.lse.size());
  const auto* values = static_cast<const std::byte*>(problem.v.data());
  auto* out = static_cast<std::byte*>(answer.out.data());
  const auto heads = static_cast<std::size_t>(problem.q.shape()[2]);
  const auto seqlen = static_cast<std::size_t>(problem.q.shape()[1]);
  const std::size_t token_bytes = heads * row_bytes;
  for (std::size_t at = 0; at < answer.out.bytes(); at += token_bytes) {
    const std::size_t batch = at / (seqlen * token_bytes);
    std::memcpy(out + at, values + batch * seqlen * token_bytes, token_bytes);
  }
  std::fill_n(answer.lse.view<float>().data, answer.lse.size(), 0.0f);
  for (const SampledRow& at : sampled_rows(problem)) row(at.batch, at.head, at.row);
}

}  // namespace

void scale_forgotten(const AttentionProblem& problem, AttentionAnswer& answer) {
  AttentionParams params = forward_params(problem, &answer);
  params.scale = 1;
  for_each_row(problem, answer, [&](Index b, Index h, Index n) {
    const RowResult row = reference_row(params, b, h, n);
    for (Index k = 0; k < params.head_dim(); ++k)
      store(params.out, b, n, h, k, static_cast<float>(row.out[static_cast<std::size_t>(k)]));
    params.lse(b, h, n) = static_cast<float>(row.lse);
  });
}

void mask_off_by_one(const AttentionProblem& problem, AttentionAnswer& answer) {
  const AttentionParams params = forward_params(problem, &answer);
  const Index head_dim = params.head_dim();
  for_each_row(problem, answer, [&](Index b, Index h, Index n) {
    const Index right = problem.causal ? n + 1 : params.seqlen_k();
    const Index columns = problem.causal ? std::min(right + 1, params.seqlen_k()) : right - 1;
    std::vector<double> out(static_cast<std::size_t>(head_dim), 0.0);
    double sum = 0;
    for (Index c = 0; c < columns; ++c) {
      double dot = 0;
      for (Index k = 0; k < head_dim; ++k)
        dot += value(params.q, b, n, h, k) * value(params.k, b, c, h, k);
      const double weight = std::exp(dot * static_cast<double>(params.scale));
      sum += weight;
      for (Index k = 0; k < head_dim; ++k)
        out[static_cast<std::size_t>(k)] += weight * value(params.v, b, c, h, k);
    }
    for (Index k = 0; k < head_dim; ++k) {
      store(params.out, b, n, h, k, static_cast<float>(out[static_cast<std::size_t>(k)] / sum));
    }
    params.lse(b, h, n) = static_cast<float>(std::log(sum));
  });
}

void rescale_forgotten(const AttentionProblem& problem, AttentionAnswer& answer) {
  constexpr Index kBlock = 64;
  const AttentionParams params = forward_params(problem, &answer);
  const Index head_dim = params.head_dim();
  for_each_row(problem, answer, [&](Index b, Index h, Index n) {
    const Index columns = problem.causal ? n + 1 : params.seqlen_k();
    std::vector<double> out(static_cast<std::size_t>(head_dim), 0.0);
    double sum = 0;
    double greatest = -std::numeric_limits<double>::infinity();
    for (Index start = 0; start < columns; start += kBlock) {
      const Index stop = std::min(start + kBlock, columns);
      std::vector<double> scores;
      for (Index c = start; c < stop; ++c) {
        double dot = 0;
        for (Index k = 0; k < head_dim; ++k)
          dot += value(params.q, b, n, h, k) * value(params.k, b, c, h, k);
        scores.push_back(dot * static_cast<double>(params.scale));
        greatest = std::max(greatest, scores.back());
      }
      for (Index c = start; c < stop; ++c) {
        const double weight = std::exp(scores[static_cast<std::size_t>(c - start)] - greatest);
        sum += weight;
        for (Index k = 0; k < head_dim; ++k)
          out[static_cast<std::size_t>(k)] += weight * value(params.v, b, c, h, k);
      }
    }
    for (Index k = 0; k < head_dim; ++k) {
      store(params.out, b, n, h, k, static_cast<float>(out[static_cast<std::size_t>(k)] / sum));
    }
    params.lse(b, h, n) = static_cast<float>(greatest + std::log(sum));
  });
}

}  // namespace ashlar::flashattention2::suite
