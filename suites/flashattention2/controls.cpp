// Negative controls: plausible mistakes that the oracle must reject in every run.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/oracle.hpp"

namespace ashlar::flashattention2::suite {

namespace {

/// The shape that the controls share: a loop over the sampled rows with one broken detail.
template <class Row>
void for_each_row(const AttentionProblem& problem, const AttentionParams& params, Row row) {
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    for (Index n = 0; n < sequence.seqlen_q; ++n) {
      for (Index h = 0; h < params.heads_q(); ++h) {
        for (Index k = 0; k < params.head_dim(); ++k) {
          const double first =
              value(params.v, sequence.batch, sequence.first_k, params.kv_head(h), k);
          store(params.out, sequence.batch, sequence.first_q + n, h, k, static_cast<float>(first));
        }
      }
    }
  }
  std::fill_n(params.lse.data, params.lse.size(), 0.0f);
  for (const SampledRow& at : sampled_rows(problem)) row(at);
}

void store_row(const AttentionParams& params, const SampledRow& at, const std::vector<double>& out,
               double lse) {
  const Sequence sequence = params.sequence(at.sequence);
  for (std::size_t k = 0; k < out.size(); ++k) {
    store(params.out, sequence.batch, sequence.first_q + at.row, at.head, static_cast<Index>(k),
          static_cast<float>(out[k]));
  }
  params.lse.data[element_of_lse(params, at)] = static_cast<float>(lse);
}

/// An average that is still being summed.
struct Sums {
  explicit Sums(Index head_dim) : out(static_cast<std::size_t>(head_dim), 0.0) {}
  void add(const RowElements& row, const AttentionParams& params, Index column, double weight) {
    sum += weight;
    for (std::size_t k = 0; k < out.size(); ++k) {
      out[k] += weight * row.element(params.v, column, static_cast<Index>(k));
    }
  }
  std::vector<double> average() const {
    std::vector<double> values = out;
    for (double& one : values) one /= sum;
    return values;
  }
  std::vector<double> out;
  double sum = 0;
};

}  // namespace

void scale_forgotten(const AttentionProblem& problem, AttentionAnswer& answer) {
  AttentionParams params = forward_params(problem, &answer);
  params.scale = 1;
  for_each_row(problem, params, [&](const SampledRow& at) {
    const RowResult row = reference_row(params, at.sequence, at.head, at.row);
    store_row(params, at, row.out, row.lse);
  });
}

void mask_off_by_one(const AttentionProblem& problem, AttentionAnswer& answer) {
  const AttentionParams params = forward_params(problem, &answer);
  for_each_row(problem, params, [&](const SampledRow& at) {
    const RowElements row(params, at.sequence, at.head, at.row);
    const Index keys = params.sequence(at.sequence).seqlen_k;
    const Index right = row.columns().end;
    const Index columns = problem.causal ? std::min(right + 1, keys) : right - 1;
    Sums sums(params.head_dim());
    for (Index c = 0; c < columns; ++c) sums.add(row, params, c, std::exp(row.score(c)));
    store_row(params, at, sums.average(), std::log(sums.sum));
  });
}

void rescale_forgotten(const AttentionProblem& problem, AttentionAnswer& answer) {
  constexpr Index kBlock = 64;
  const AttentionParams params = forward_params(problem, &answer);
  for_each_row(problem, params, [&](const SampledRow& at) {
    const RowElements row(params, at.sequence, at.head, at.row);
    const Range<Index> columns = row.columns();
    Sums sums(params.head_dim());
    double greatest = -std::numeric_limits<double>::infinity();
    for (Index start = columns.begin; start < columns.end; start += kBlock) {
      const Index stop = std::min(start + kBlock, columns.end);
      for (Index c = start; c < stop; ++c) greatest = std::max(greatest, row.score(c));
      for (Index c = start; c < stop; ++c) {
        sums.add(row, params, c, std::exp(row.score(c) - greatest));
      }
    }
    store_row(params, at, sums.average(), greatest + std::log(sums.sum));
  });
}

}  // namespace ashlar::flashattention2::suite
