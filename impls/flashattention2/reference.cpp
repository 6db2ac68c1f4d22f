#include "impls/flashattention2/reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/reference_head.hpp"

namespace ashlar::flashattention2 {
namespace {

using detail::ReferenceHead;

template <class T>
RowResult row_of(const ReferenceHead<T>& head, Index row) {
  const Range<Index> columns = head.mask().columns(row);
  RowResult result{std::vector<double>(static_cast<std::size_t>(head.head_dim()), 0.0),
                   std::numeric_limits<double>::infinity()};
  if (columns.empty()) return result;
  std::vector<double> scores;
  for (Index c = columns.begin; c < columns.end; ++c) scores.push_back(head.score(row, c).value);
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - largest);
  result.lse = largest + std::log(sum);
  for (Index c = columns.begin; c < columns.end; ++c) {
    const double weight = std::exp(scores[static_cast<std::size_t>(c - columns.begin)] - largest);
    head.add(result.out, weight / sum * head.kept(row, c), head.value(c));
  }
  return result;
}

/// Calls body(sequence id, head, row) for every query row, in parallel.
template <class Body>
void for_each_row(const AttentionParams& params, const Body& body) {
  std::vector<Index> first{0};
  for (Index id = 0; id < params.sequences(); ++id) {
    first.push_back(first.back() + params.sequence(id).seqlen_q * params.heads_q());
  }
  core::parallel_for_dynamic(first.back(), [&](Index item, int) {
    const auto after = std::upper_bound(first.begin(), first.end(), item);
    const Index id = after - first.begin() - 1;
    const Index within = item - *(after - 1);
    const Index rows = params.sequence(id).seqlen_q;
    body(id, within / rows, within % rows);
  });
}

template <class T>
void forward(const AttentionParams& params) {
  const auto out = params.out.as<T>();
  for_each_row(params, [&](Index id, Index head, Index row) {
    const RowResult result = row_of(ReferenceHead<T>(params, id, head), row);
    const Sequence sequence = params.sequence(id);
    detail::store_rounded(result.out, &out(sequence.batch, sequence.first_q + row, head, 0));
    params.lse(sequence.batch, head, sequence.first_q + row) = static_cast<float>(result.lse);
  });
}

}  // namespace

RowResult reference_row(const AttentionParams& params, Index sequence, Index head, Index row) {
  return core::visit_float_type(params.q.dtype, [&]<class T>() {
    return row_of(ReferenceHead<T>(params, sequence, head), row);
  });
}

void reference_forward(const AttentionParams& params) {
  validate_forward(params);
  core::visit_float_type(params.q.dtype, [&]<class T>() { forward<T>(params); });
}

}  // namespace ashlar::flashattention2
