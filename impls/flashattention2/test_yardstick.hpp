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
  /// How far lse may move where sums of another order put a score on the other side of the midpoint
  /// between two numbers of the storage type.
  double flips = 0;
  /// Rows are judged relative to their largest element. One of few elements is small by chance,
  /// when the values that it averages cancel; then the average of their magnitudes counts.
  double least_size = 0;
};

/// Of tensors that were widened to double; T is the storage type to round to.
template <class T>
PlainRow plain_row_of(const AttentionParams& params, Index batch, Index head, Index row) {
  const auto width = static_cast<std::size_t>(params.head_dim());
  const auto columns =
      static_cast<std::size_t>(params.mask(params.sequence(batch)).columns(row).end);
  const auto k = params.k.as<double>();
  const auto v = params.v.as<double>();
  const Index kv = params.kv_head(head);
  const double* query = &params.q.as<double>()(batch, row, head, 0);
  const auto scale = static_cast<double>(params.scale);
  PlainRow plain;
  plain.out.assign(width, 0.0);
  if (columns == 0) return plain;
  std::vector<double> scores(columns);
  std::vector<double> slack(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    const double* key = &k(batch, static_cast<Index>(c), kv, 0);
    double dot = 0;
    double magnitude = 0;
    for (std::size_t i = 0; i < width; ++i) {
      dot += query[i] * key[i];
      magnitude += std::abs(query[i] * key[i]);
    }
    plain.magnitude = std::max(plain.magnitude, scale * magnitude);
    const double error = 1e-5 * std::max(1.0, std::abs(scale * dot));
    scores[c] = rounded_to<T>(scale * dot);
    slack[c] = rounded_to<T>(scale * dot + error) - rounded_to<T>(scale * dot - error);
  }
  const double greatest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - greatest);
  plain.lse = greatest + std::log(sum);
  for (std::size_t c = 0; c < columns; ++c) {
    const double weight = std::exp(scores[c] - greatest) / sum;
    const double stored = rounded_to<T>(weight);
    const double* value = &v(batch, static_cast<Index>(c), kv, 0);
    plain.flips += weight * slack[c];
    for (std::size_t i = 0; i < width; ++i) plain.out[i] += stored * value[i];
    if (width < kFewElements) plain.least_size += weight * std::abs(value[0]);
  }
  for (double& value : plain.out) value = rounded_to<T>(value);
  return plain;
}

/// All rows of a problem, (batch, head, row) in order.
struct Expected {
  std::vector<RowResult> exact;
  std::vector<PlainRow> plain;
  double largest_value = 0;  // of the magnitudes in v
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
  const Index rows = params.seqlen_q();
  const Index count = params.batch() * params.heads_q() * rows;
  Expected expected;
  expected.exact.resize(static_cast<std::size_t>(count));
  expected.plain.resize(static_cast<std::size_t>(count));
  // Starting threads for little work takes longer than the work where other programs run.
  constexpr Index kWorthThreads = 4'000'000;
  const int threads = count * params.seqlen_k() * params.head_dim() < kWorthThreads ? 1 : 0;
  const auto compute = [&](Index item, int) {
    const Index batch = item / rows / params.heads_q();
    const Index head = item / rows % params.heads_q();
    const auto at = static_cast<std::size_t>(item);
    expected.exact[at] = reference_row(wide, batch, head, item % rows);
    expected.plain[at] = core::visit_float_type(
        params.q.dtype, [&]<class T>() { return plain_row_of<T>(wide, batch, head, item % rows); });
  };
  core::parallel_for_dynamic(count, compute, threads);
  const auto values = v.view<double>();
  std::for_each(values.data, values.data + values.size(), [&](double value) {
    expected.largest_value = std::max(expected.largest_value, std::abs(value));
  });
  return expected;
}

/// What an implementation is granted.
struct Bounds {
  double units = 4;            // of the storage type, relative to the row's largest element
  double lse = 1e-5;           // absolute, plus 2^-22 of lse itself
  bool stored_scores = false;  // scores in the storage type: judged by the yardstick alone
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
  for (Index b = 0; b < params.batch(); ++b) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < params.seqlen_q(); ++r, ++at) {
        const RowResult& exact = expected.exact[at];
        const PlainRow& plain = expected.plain[at];
        double error = 0;
        double size = plain.least_size;
        for (std::size_t i = 0; i < exact.out.size(); ++i) {
          const double wanted = exact.out[i];
          error =
              std::max(error, distance(read(params.out, b, r, h, static_cast<Index>(i)), wanted));
          plain_worst = std::max(plain_worst, std::abs(plain.out[i] - wanted));
          size = std::max(size, std::abs(wanted));
        }
        worst = std::max(worst, error);
        // Scores are sums in float; weights are off by as much, relatively, and so is their mean.
        const double of_scores = 0x1p-23 * plain.magnitude;
        const double of_sums = (of_scores + 0x1p-22) * expected.largest_value;
        if (!bounds.stored_scores || dtype == core::DType::f32) {
          judgement.out =
              std::max(judgement.out, ratio(error, bounds.units * unit(dtype) * size + of_sums));
        }
        const double wanted_lse = bounds.stored_scores ? plain.lse : exact.lse;
        const double lse_bound = bounds.lse + of_scores + (bounds.stored_scores ? plain.flips : 0) +
                                 (std::isinf(wanted_lse) ? 0 : 0x1p-22 * std::abs(wanted_lse));
        const auto lse = static_cast<double>(params.lse(b, h, r));
        judgement.lse = std::max(judgement.lse, ratio(distance(lse, wanted_lse), lse_bound));
      }
    }
  }
  if (dtype != core::DType::f32) {
    judgement.over_plain = ratio(worst, 2 * plain_worst + 1e-5);
  }
  return judgement;
}

}  // namespace ashlar::flashattention2::testing
