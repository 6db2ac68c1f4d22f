#include "suites/flashattention2/plain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "impls/core/parallel.hpp"
#include "suites/flashattention2/elements.hpp"

namespace ashlar::flashattention2::suite {

namespace {

/// The weight and the gradient of one score as standard attention has them in the storage type:
/// scores, weights and both gradients stored, sums in float.
struct PlainPair {
  double weight;
  double gradient;
};

PlainPair plain_pair(const AttentionParams& params, const RowElements& row, Index column,
                     double lse, double delta) {
  const DType dtype = params.q.dtype;
  const auto round = [dtype](double exact) {
    return static_cast<double>(rounded(dtype, static_cast<float>(exact)));
  };
  const double score = round(row.capped(round(static_cast<double>(row.dot_in_float(column)))));
  const double p = round(std::exp(score - lse));
  const auto kept = static_cast<double>(row.kept(column));
  const double dp = round(kept * round(row.dot(params.dout, params.v, column)));
  return {round(p * kept), round(round(p * (dp - delta)) * row.slope(score))};
}

std::vector<double> rounded_all(DType dtype, std::vector<double> values) {
  for (double& one : values) {
    one = static_cast<double>(rounded(dtype, static_cast<float>(one)));
  }
  return values;
}

void store_row(const core::AnyView<4>& tensor, Index first, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    store(tensor, 0, 0, 0, first + static_cast<Index>(i), static_cast<float>(values[i]));
  }
}

}  // namespace

Index element_of_key(const AttentionParams& params, const SampledKey& at) {
  const Sequence sequence = params.sequence(at.sequence);
  const Index token = sequence.batch * params.seqlen_k() + sequence.first_k + at.column;
  return (token * params.heads_kv() + at.head_kv) * params.head_dim();
}

/// Plain attention of one row with every intermediate rounded to the storage type.
RowResult plain_row(const AttentionParams& params, const SampledRow& at) {
  const DType dtype = params.q.dtype;
  const RowElements row(params, at.sequence, at.head, at.row);
  RowResult result;
  result.out.assign(static_cast<std::size_t>(params.head_dim()), 0.0);
  result.lse = std::numeric_limits<double>::infinity();
  if (row.columns().empty()) return result;
  std::vector<float> scores;
  float greatest = -std::numeric_limits<float>::infinity();
  for (Index c = row.columns().begin; c < row.columns().end; ++c) {
    scores.push_back(rounded(dtype, row.capped(rounded(dtype, row.dot_in_float(c)))));
    greatest = std::max(greatest, scores.back());
  }
  float sum = 0;
  for (float& score : scores) {
    score = std::exp(score - greatest);
    sum += score;
  }
  result.lse = static_cast<double>(greatest + std::log(sum));
  for (Index k = 0; k < params.head_dim(); ++k) {
    float out = 0;
    for (Index c = row.columns().begin; c < row.columns().end; ++c) {
      const float p = scores[static_cast<std::size_t>(c - row.columns().begin)] / sum;
      const float weight = rounded(dtype, rounded(dtype, p) * row.kept(c));
      out += weight * static_cast<float>(row.element(params.v, c, k));
    }
    result.out[static_cast<std::size_t>(k)] = static_cast<double>(rounded(dtype, out));
  }
  return result;
}

std::vector<double> plain_query_gradient(const AttentionParams& params,
                                         const RowStatistics& statistics, const SampledRow& at) {
  const RowElements row(params, at.sequence, at.head, at.row);
  const auto i = static_cast<std::size_t>(at.head * params.sequence(at.sequence).seqlen_q + at.row);
  std::vector<double> dq(static_cast<std::size_t>(params.head_dim()), 0.0);
  for (Index c = row.columns().begin; c < row.columns().end; ++c) {
    const PlainPair pair = plain_pair(params, row, c, statistics.lse[i], statistics.delta[i]);
    for (Index k = 0; k < params.head_dim(); ++k) {
      dq[static_cast<std::size_t>(k)] +=
          static_cast<double>(params.scale) * pair.gradient * row.element(params.k, c, k);
    }
  }
  return rounded_all(params.q.dtype, std::move(dq));
}

KeyGradient plain_key_gradient(const AttentionParams& params, const RowStatistics& statistics,
                               const SampledKey& at) {
  const Sequence sequence = params.sequence(at.sequence);
  const auto width = static_cast<std::size_t>(params.head_dim());
  const Index group = params.group();
  KeyGradient sum{std::vector<double>(width, 0.0), std::vector<double>(width, 0.0)};
  for (Index h = at.head_kv * group; h < (at.head_kv + 1) * group; ++h) {
    const Range<Index> rows = params.mask(sequence).rows(at.column);
    for (Index r = rows.begin; r < rows.end; ++r) {
      const RowElements row(params, at.sequence, h, r);
      const auto i = static_cast<std::size_t>(h * sequence.seqlen_q + r);
      const PlainPair pair =
          plain_pair(params, row, at.column, statistics.lse[i], statistics.delta[i]);
      for (std::size_t k = 0; k < width; ++k) {
        const auto at_k = static_cast<Index>(k);
        sum.dk[k] += static_cast<double>(params.scale) * pair.gradient * row.own(params.q, at_k);
        sum.dv[k] += pair.weight * row.own(params.dout, at_k);
      }
    }
  }
  return {rounded_all(params.q.dtype, std::move(sum.dk)),
          rounded_all(params.q.dtype, std::move(sum.dv))};
}

namespace {

/// Calls body(sequence id, head, row or column) for all of `heads` x `length(sequence)`.
template <class Length, class Body>
void for_each_line(const AttentionParams& params, Index heads, const Length& length,
                   const Body& body) {
  for (Index id = 0; id < params.sequences(); ++id) {
    const Index lines = length(params.sequence(id));
    core::parallel_for_dynamic(heads * lines,
                               [&](Index item, int) { body(id, item / lines, item % lines); });
  }
}

}  // namespace

void plain_attention(const GradientProblem& problem, BothAnswer& answer) {
  const AttentionParams params = both_params(problem, &answer);
  const auto rows = [](const Sequence& sequence) { return sequence.seqlen_q; };
  const auto keys = [](const Sequence& sequence) { return sequence.seqlen_k; };
  for_each_line(params, params.heads_q(), rows, [&](Index id, Index head, Index row) {
    const SampledRow at{id, head, row};
    const RowResult plain = plain_row(params, at);
    store_row(params.out, element_of_row(params, at), plain.out);
    params.lse.data[element_of_lse(params, at)] = static_cast<float>(plain.lse);
  });
  const std::vector<RowStatistics> statistics = given_statistics(params);
  for_each_line(params, params.heads_q(), rows, [&](Index id, Index head, Index row) {
    const SampledRow at{id, head, row};
    store_row(params.dq, element_of_row(params, at),
              plain_query_gradient(params, statistics[static_cast<std::size_t>(id)], at));
  });
  for_each_line(params, params.heads_kv(), keys, [&](Index id, Index head, Index column) {
    const SampledKey at{id, head, column};
    const KeyGradient sum =
        plain_key_gradient(params, statistics[static_cast<std::size_t>(id)], at);
    store_row(params.dk, element_of_key(params, at), sum.dk);
    store_row(params.dv, element_of_key(params, at), sum.dv);
  });
}

}  // namespace ashlar::flashattention2::suite
