#pragma once
// For tests: what an answer is held against, and how far off it may be. Beside the reference in
// double precision there is plain attention that rounds scores, weights and answer to the storage
// type, as the official tests of FlashAttention-2 have it to say how wrong an answer may be. It is
// also the yardstick of implementations that store their scores.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::testing {

/// Half the spacing of numbers in [1, 2): the greatest relative error of rounding.
inline double unit(core::DType dtype) {
  return dtype == core::DType::f16 ? 0x1p-11 : dtype == core::DType::bf16 ? 0x1p-8 : 0x1p-24;
}

template <class T>
double rounded_to(double exact) {
  return static_cast<double>(core::to_float(core::from_float<T>(static_cast<float>(exact))));
}

inline constexpr std::size_t kFewElements = 8;

struct PlainRow {
  std::vector<double> out;
  double lse = std::numeric_limits<double>::infinity();
  /// The largest sum of the magnitudes of a scaled score's products: what rounding errors of scores
  /// are proportional to.
  double magnitude = 0;
  /// The largest magnitude of a score after softcap; 0 without: what the error of tanh counts by.
  double capped = 0;
  /// How far lse may move where sums of another order put a score on the other side of the midpoint
  /// between two numbers of the storage type.
  double flips = 0;
  /// Rows are judged relative to their largest element. One of few elements is small by chance,
  /// when the values that it averages cancel; then the average of their magnitudes counts.
  double least_size = 0;
};

/// A score as plain attention in T stores it: rounded, capped, rounded again.
template <class T>
double stored_score(const AttentionParams& params, double exact) {
  const double score = rounded_to<T>(exact);
  if (params.softcap <= 0) return score;
  const auto cap = static_cast<double>(params.softcap);
  return rounded_to<T>(cap * std::tanh(score / cap));
}

/// What multiplies weight (row, column) of a head after the softmax.
inline double dropout_factor(const AttentionParams& params, const Sequence& sequence, Index head,
                             Index row, Index column) {
  if (!params.dropout.active()) return 1;
  const DropoutMask mask = params.dropout_mask(sequence, head);
  const bool kept = mask.keeps(static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(column));
  return kept ? 256.0 / mask.threshold() : 0;
}

/// The weight of a column in a row whose lse is known, before dropout.
inline double weight_of(const AttentionParams& params, const Sequence& sequence, Index head,
                        Index row, Index column, double lse) {
  double dot = 0;
  for (Index i = 0; i < params.head_dim(); ++i) {
    dot += read(params.q, sequence.batch, sequence.first_q + row, head, i) *
           read(params.k, sequence.batch, sequence.first_k + column, params.kv_head(head), i);
  }
  double score = static_cast<double>(params.scale) * dot;
  const auto cap = static_cast<double>(params.softcap);
  if (cap > 0) score = cap * std::tanh(score / cap);
  return std::exp(score - lse);
}

/// Of tensors that were widened to double; T is the storage type to round to.
template <class T>
PlainRow plain_row_of(const AttentionParams& params, Index id, Index head, Index row) {
  const Sequence sequence = params.sequence(id);
  const Range<Index> visible = params.mask(sequence).columns(row);
  const auto width = static_cast<std::size_t>(params.head_dim());
  const auto columns = static_cast<std::size_t>(visible.size());
  const Index kv = params.kv_head(head);
  const double* query = &params.q.as<double>()(sequence.batch, sequence.first_q + row, head, 0);
  const auto scale = static_cast<double>(params.scale);
  PlainRow plain;
  plain.out.assign(width, 0.0);
  if (columns == 0) return plain;
  const auto line = [&](const core::ConstAnyView<4>& tensor, std::size_t c) {
    const Index column = sequence.first_k + visible.begin + static_cast<Index>(c);
    return &tensor.as<double>()(sequence.batch, column, kv, 0);
  };
  std::vector<double> scores(columns);
  std::vector<double> slack(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    const double* key = line(params.k, c);
    double dot = 0;
    double magnitude = 0;
    for (std::size_t i = 0; i < width; ++i) {
      dot += query[i] * key[i];
      magnitude += std::abs(query[i] * key[i]);
    }
    plain.magnitude = std::max(plain.magnitude, scale * magnitude);
    const double error = 1e-5 * std::max(1.0, std::abs(scale * dot));
    scores[c] = stored_score<T>(params, scale * dot);
    slack[c] =
        stored_score<T>(params, scale * dot + error) - stored_score<T>(params, scale * dot - error);
    if (params.softcap > 0) plain.capped = std::max(plain.capped, std::abs(scores[c]));
  }
  const double greatest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - greatest);
  plain.lse = greatest + std::log(sum);
  for (std::size_t c = 0; c < columns; ++c) {
    const double weight = std::exp(scores[c] - greatest) / sum;
    const Index column = visible.begin + static_cast<Index>(c);
    const double factor = dropout_factor(params, sequence, head, row, column);
    const double stored = rounded_to<T>(weight) * factor;
    const double* value = line(params.v, c);
    plain.flips += weight * slack[c];
    for (std::size_t i = 0; i < width; ++i) plain.out[i] += stored * value[i];
    if (width < kFewElements) plain.least_size += weight * factor * std::abs(value[0]);
  }
  for (double& value : plain.out) value = rounded_to<T>(value);
  return plain;
}

/// All rows of a problem, in the order of for_each_row().
struct Expected {
  std::vector<RowResult> exact;
  std::vector<PlainRow> plain;
  double largest_value = 0;  // of the magnitudes in v, times the factor of dropout
};

inline core::Tensor<4> widened(const core::ConstAnyView<4>& tensor) {
  core::Tensor<4> wide(core::DType::f64, tensor.shape);
  assign(wide.any(), [&](Index a, Index b, Index c, Index d) { return read(tensor, a, b, c, d); });
  return wide;
}

inline Expected expect(const AttentionParams& params) {
  const core::Tensor<4> q = widened(params.q);
  const core::Tensor<4> k = widened(params.k);
  const core::Tensor<4> v = widened(params.v);
  AttentionParams wide = params;
  wide.q = q.any();
  wide.k = k.any();
  wide.v = v.any();
  struct Row {
    Index sequence, head, row;
  };
  std::vector<Row> rows;
  for_each_row(params, [&](const Sequence& sequence, Index head, Index row) {
    rows.push_back({sequence.id, head, row});
  });
  const auto count = static_cast<Index>(rows.size());
  Expected expected;
  expected.exact.resize(rows.size());
  expected.plain.resize(rows.size());
  // Starting threads for little work takes longer than the work where other programs run.
  constexpr Index kWorthThreads = 4'000'000;
  const int threads = count * params.seqlen_k() * params.head_dim() < kWorthThreads ? 1 : 0;
  const auto compute = [&](Index item, int) {
    const auto at = static_cast<std::size_t>(item);
    const auto [sequence, head, row] = rows[at];
    expected.exact[at] = reference_row(wide, sequence, head, row);
    expected.plain[at] = core::visit_float_type(
        params.q.dtype,
        [&, s = sequence, h = head, r = row]<class T>() { return plain_row_of<T>(wide, s, h, r); });
  };
  core::parallel_for_dynamic(count, compute, threads);
  const auto values = v.view<double>();
  std::for_each(values.data, values.data + values.size(), [&](double value) {
    expected.largest_value = std::max(expected.largest_value, std::abs(value));
  });
  if (params.dropout.active()) {
    expected.largest_value *= 256.0 / keep_threshold(params.dropout.probability);
  }
  return expected;
}

/// What an implementation is granted.
struct Bounds {
  double units = 4;            // of the storage type, relative to the row's largest element
  double lse = 1e-5;           // absolute, plus 2^-22 of lse itself
  bool stored_scores = false;  // scores in the storage type: judged by the yardstick alone
  double tanh = 0x1p-22;       // of the tanh behind softcap, relative
};

/// The answer's errors in terms of what is granted: right up to 1 each. A missing, NaN or wrongly
/// infinite element makes infinity.
struct Judgement {
  double out = 0;         // worst row against its bound
  double lse = 0;         // the same
  double over_plain = 0;  // 16 bits: worst error against twice the yardstick's worst (sheet, 6.7)
};

inline double ratio(double error, double bound) {
  if (error == 0) return 0;
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error / bound;
}

inline Judgement judge(const AttentionParams& params, const Expected& expected,
                       const Bounds& bounds = {}) {
  const core::DType dtype = params.q.dtype;
  Judgement judgement;
  double worst = 0;
  double plain_worst = 0;
  std::size_t at = 0;
  for_each_row(params, [&](const Sequence& sequence, Index head, Index row) {
    const RowResult& exact = expected.exact[at];
    const PlainRow& plain = expected.plain[at];
    ++at;
    const Index r = sequence.first_q + row;
    double error = 0;
    double size = plain.least_size;
    for (std::size_t i = 0; i < exact.out.size(); ++i) {
      const double wanted = exact.out[i];
      const double actual = read(params.out, sequence.batch, r, head, static_cast<Index>(i));
      error = std::max(error, distance(actual, wanted));
      plain_worst = std::max(plain_worst, std::abs(plain.out[i] - wanted));
      size = std::max(size, std::abs(wanted));
    }
    worst = std::max(worst, error);
    // Scores are sums in float; weights are off by as much, relatively, and so is their mean.
    const double of_scores = 0x1p-23 * plain.magnitude + bounds.tanh * plain.capped;
    const double of_sums = (of_scores + 0x1p-22) * expected.largest_value;
    if (!bounds.stored_scores || dtype == core::DType::f32) {
      judgement.out =
          std::max(judgement.out, ratio(error, bounds.units * unit(dtype) * size + of_sums));
    }
    const double wanted_lse = bounds.stored_scores ? plain.lse : exact.lse;
    const double lse_bound = bounds.lse + of_scores + (bounds.stored_scores ? plain.flips : 0) +
                             (std::isinf(wanted_lse) ? 0 : 0x1p-22 * std::abs(wanted_lse));
    const auto lse = static_cast<double>(params.lse(sequence.batch, head, r));
    judgement.lse = std::max(judgement.lse, ratio(distance(lse, wanted_lse), lse_bound));
  });
  if (dtype != core::DType::f32) {
    judgement.over_plain = ratio(worst, 2 * plain_worst + 1e-5);
  }
  return judgement;
}

}  // namespace ashlar::flashattention2::testing
