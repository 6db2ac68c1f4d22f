#include <cmath>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/reference_head.hpp"

namespace ashlar::flashattention2 {
namespace {

using detail::ReferenceHead;
using detail::Score;

/// The weight and the gradient of the scaled score of one pair of row and column.
struct Pair {
  double weight;    // p * z: what multiplies the value
  double gradient;  // ds, with respect to scale * <q, k>
};

template <class T>
Pair pair_of(const ReferenceHead<T>& head, Index row, Index column, double lse, double delta) {
  const Score score = head.score(row, column);
  const double p = std::exp(score.value - lse);  // 0 where lse is +infinity
  const double kept = head.kept(row, column);
  const double dp = kept == 0 ? 0 : kept * head.dot(head.dout(row), head.value(column));
  return {p * kept, p * (dp - delta) * score.slope};
}

std::size_t at(const Sequence& sequence, Index head, Index row) {
  return static_cast<std::size_t>(head * sequence.seqlen_q + row);
}

template <class T>
std::vector<double> query_gradient(const AttentionParams& params, const RowStatistics& statistics,
                                   Index sequence, Index head_index, Index row) {
  const ReferenceHead<T> head(params, sequence, head_index);
  const std::size_t i = at(head.sequence(), head_index, row);
  std::vector<double> dq(static_cast<std::size_t>(params.head_dim()), 0.0);
  const Range<Index> columns = head.mask().columns(row);
  for (Index c = columns.begin; c < columns.end; ++c) {
    const Pair pair = pair_of(head, row, c, statistics.lse[i], statistics.delta[i]);
    head.add(dq, static_cast<double>(params.scale) * pair.gradient, head.key(c));
  }
  return dq;
}

template <class T>
KeyGradient key_gradient(const AttentionParams& params, const RowStatistics& statistics,
                         Index sequence, Index head_kv, Index column) {
  const auto width = static_cast<std::size_t>(params.head_dim());
  KeyGradient sum{std::vector<double>(width, 0.0), std::vector<double>(width, 0.0)};
  const Index group = params.group();
  for (Index h = head_kv * group; h < (head_kv + 1) * group; ++h) {
    const ReferenceHead<T> head(params, sequence, h);
    const Range<Index> rows = head.mask().rows(column);
    for (Index row = rows.begin; row < rows.end; ++row) {
      const std::size_t i = at(head.sequence(), h, row);
      const Pair pair = pair_of(head, row, column, statistics.lse[i], statistics.delta[i]);
      head.add(sum.dk, static_cast<double>(params.scale) * pair.gradient, head.query(row));
      head.add(sum.dv, pair.weight, head.dout(row));
    }
  }
  return sum;
}

/// Calls body(head, row, index) for every row of a sequence, in parallel.
template <class Body>
RowStatistics statistics_of(const AttentionParams& params, const Sequence& sequence,
                            const Body& body) {
  const auto count = static_cast<std::size_t>(params.heads_q() * sequence.seqlen_q);
  RowStatistics statistics{std::vector<double>(count), std::vector<double>(count)};
  core::parallel_for_dynamic(static_cast<Index>(count), [&](Index item, int) {
    const auto i = static_cast<std::size_t>(item);
    std::tie(statistics.lse[i], statistics.delta[i]) =
        body(item / sequence.seqlen_q, item % sequence.seqlen_q);
  });
  return statistics;
}

template <class T>
void backward_sequence(const AttentionParams& params, Index id) {
  const RowStatistics statistics = exact_statistics(params, id);
  const Sequence sequence = params.sequence(id);
  const auto dq = params.dq.as<T>();
  const auto dk = params.dk.as<T>();
  const auto dv = params.dv.as<T>();
  core::parallel_for_dynamic(params.heads_q() * sequence.seqlen_q, [&](Index item, int) {
    const Index head = item / sequence.seqlen_q;
    const Index row = item % sequence.seqlen_q;
    detail::store_rounded(query_gradient<T>(params, statistics, id, head, row),
                          &dq(sequence.batch, sequence.first_q + row, head, 0));
  });
  core::parallel_for_dynamic(params.heads_kv() * sequence.seqlen_k, [&](Index item, int) {
    const Index head = item / sequence.seqlen_k;
    const Index column = item % sequence.seqlen_k;
    const KeyGradient sum = key_gradient<T>(params, statistics, id, head, column);
    detail::store_rounded(sum.dk, &dk(sequence.batch, sequence.first_k + column, head, 0));
    detail::store_rounded(sum.dv, &dv(sequence.batch, sequence.first_k + column, head, 0));
  });
}

}  // namespace

RowStatistics given_statistics(const AttentionParams& params, Index id) {
  const Sequence sequence = params.sequence(id);
  return core::visit_float_type(params.q.dtype, [&]<class T>() {
    return statistics_of(params, sequence, [&](Index h, Index row) {
      const ReferenceHead<T> head(params, id, h);
      return std::pair(static_cast<double>(params.lse(sequence.batch, h, sequence.first_q + row)),
                       head.dot(head.dout(row), head.out(row)));
    });
  });
}

std::vector<RowStatistics> given_statistics(const AttentionParams& params) {
  std::vector<RowStatistics> all;
  for (Index id = 0; id < params.sequences(); ++id) all.push_back(given_statistics(params, id));
  return all;
}

RowStatistics exact_statistics(const AttentionParams& params, Index id) {
  const Sequence sequence = params.sequence(id);
  return core::visit_float_type(params.q.dtype, [&]<class T>() {
    return statistics_of(params, sequence, [&](Index h, Index row) {
      const ReferenceHead<T> head(params, id, h);
      const RowResult exact = reference_row(params, id, h, row);
      double delta = 0;
      for (std::size_t i = 0; i < exact.out.size(); ++i) {
        delta += exact.out[i] * head.widen(head.dout(row)[i]);
      }
      return std::pair(exact.lse, delta);
    });
  });
}

std::vector<double> reference_query_gradient(const AttentionParams& params,
                                             const RowStatistics& statistics, Index sequence,
                                             Index head, Index row) {
  return core::visit_float_type(params.q.dtype, [&]<class T>() {
    return query_gradient<T>(params, statistics, sequence, head, row);
  });
}

KeyGradient reference_key_gradient(const AttentionParams& params, const RowStatistics& statistics,
                                   Index sequence, Index head_kv, Index column) {
  return core::visit_float_type(params.q.dtype, [&]<class T>() {
    return key_gradient<T>(params, statistics, sequence, head_kv, column);
  });
}

void reference_backward(const AttentionParams& params) {
  validate_backward(params);
  core::visit_float_type(params.q.dtype, [&]<class T>() {
    for (Index id = 0; id < params.sequences(); ++id) backward_sequence<T>(params, id);
  });
}

}  // namespace ashlar::flashattention2
