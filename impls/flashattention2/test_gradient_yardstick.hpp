#pragma once
// For tests: what gradients are held against, and how far off they may be.
//
// Three gradients of one problem in double precision:
//   given   from the rounded out and lse that a backward pass is handed: what it should compute
//   exact   from q, k and v alone
//   plain   as standard attention does it in 16 bits: scores, weights and both of their gradients
//           are stored in the storage type (the official tests' yardstick)
// and bounds per element of what a pass may be off from `given`, from how rounding errors travel
// (first order; u = 2^-24, a sum of n products in float is off by (2 + sqrt(n)) u of the sum of
// their magnitudes, as Higham and Mary 2019 have it with high probability):
//   score s    e_s = (2 + sqrt(d)) u * scale * sum |q k|
//   weight p   relative: e_s + 2u (|s| + |lse|) + 2^-22 of the exponential
//   dp, D      (2 + sqrt(d)) u * sum |dout v|, and of sum |dout out|
//   ds         |ds| * (that of p + 2u) + p * (those of dp and D); with softcap the slope moves too
// Gradients add these up over their pairs, plus the error of their own sum, plus one rounding to
// the storage type of every weight and ds, of out in D (who knows D better may be right), and of
// the result.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2::testing {

/// dq, dk and dv in double, contiguous.
struct Gradients {
  Gradients() = default;
  explicit Gradients(const AttentionParams& params)
      : dq(core::DType::f64, params.q.shape),
        dk(core::DType::f64, params.k.shape),
        dv(core::DType::f64, params.k.shape) {}

  std::array<const core::Tensor<4>*, 3> all() const { return {&dq, &dk, &dv}; }

  core::Tensor<4> dq;
  core::Tensor<4> dk;
  core::Tensor<4> dv;
};

struct ExpectedGradients {
  Gradients given;
  Gradients exact;      // 16 bits alone
  Gradients plain;      // 16 bits alone
  Gradients floats;     // bound of errors in float
  Gradients tanh;       // times the relative error of tanh: bound of what softcap adds
  Gradients roundings;  // times the unit of the storage type: bound of rounding to it
};

/// The relative error of a sum of n products in float.
inline double sum_error(Index n) { return (2 + std::sqrt(static_cast<double>(n))) * 0x1p-24; }

/// A number, its bounds, and what plain attention stores of it.
struct Term {
  double value = 0;
  double floats = 0;
  double tanh = 0;
  double rounded = 0;
  double plain = 0;
};

/// One pair of row and column: its weight, dropout included, and the gradient of its scaled score.
struct PairTerms {
  Term weight;
  Term ds;
};

struct Products {
  double sum = 0;
  double magnitude = 0;
};

inline Products products(const double* a, const double* b, Index width) {
  Products result;
  for (Index i = 0; i < width; ++i) {
    result.sum += a[i] * b[i];
    result.magnitude += std::abs(a[i] * b[i]);
  }
  return result;
}

/// Of tensors that were widened to double, with given statistics. T: the storage type.
template <class T>
class RowTerms {
 public:
  RowTerms(const AttentionParams& params, const Sequence& sequence, Index head, Index row)
      : params_(params),
        sequence_(sequence),
        head_(head),
        row_(row),
        lse_(static_cast<double>(params.lse(sequence.batch, head, sequence.first_q + row))),
        delta_(products(query_row(params.dout), query_row(core::ConstAnyView<4>(params.out)),
                        params.head_dim())) {}

  const double* query_row(const core::ConstAnyView<4>& tensor) const {
    return &tensor.as<double>()(sequence_.batch, sequence_.first_q + row_, head_, 0);
  }
  const double* key_row(const core::ConstAnyView<4>& tensor, Index column) const {
    return &tensor.as<double>()(sequence_.batch, sequence_.first_k + column, params_.kv_head(head_),
                                0);
  }

  /// Of the visible columns, in order.
  std::vector<PairTerms> pairs() const {
    const Range<Index> columns = params_.mask(sequence_).columns(row_);
    std::vector<PairTerms> pairs;
    std::vector<double> scores;
    std::vector<double> plain_dp;
    for (Index c = columns.begin; c < columns.end; ++c) {
      const Products dp = products(query_row(params_.dout), key_row(params_.v, c), width());
      const Products dot = products(query_row(params_.q), key_row(params_.k, c), width());
      const double factor = dropout_factor(params_, sequence_, head_, row_, c);
      pairs.push_back(pair(dot, dp, factor));
      scores.push_back(stored_score<T>(params_, scale() * dot.sum));
      plain_dp.push_back(rounded_to<T>(factor * rounded_to<T>(dp.sum)));
      pairs.back().weight.plain = factor;
      pairs.back().ds.plain = slope(rounded_to<T>(scale() * dot.sum));
    }
    make_plain(pairs, scores, plain_dp);
    return pairs;
  }

 private:
  Index width() const { return params_.head_dim(); }
  double scale() const { return static_cast<double>(params_.scale); }
  double capped(double score) const {
    const auto cap = static_cast<double>(params_.softcap);
    return cap > 0 ? cap * std::tanh(score / cap) : score;
  }
  double slope(double score) const {
    const auto cap = static_cast<double>(params_.softcap);
    if (cap <= 0) return 1;
    const double curve = std::tanh(score / cap);
    return 1 - curve * curve;
  }

  PairTerms pair(const Products& dot, const Products& dp, double factor) const {
    constexpr double kUnit = 0x1p-24;
    constexpr double kFlushed = 0x1p-120;  // weights that small may be zero
    const double subnormal = std::is_same_v<T, core::Float16> ? 0x1p-25 : 0;
    const double score = capped(scale() * dot.sum);
    const double p = std::exp(score - lse_);
    const double of_score = sum_error(width()) * scale() * dot.magnitude;
    const double relative = of_score + 2 * kUnit * (std::abs(score) + std::abs(lse_)) + 0x1p-22;
    const double difference = factor * dp.sum - delta_.sum;
    const double differences = factor * dp.magnitude + delta_.magnitude;
    const double slope_here = slope(scale() * dot.sum);
    PairTerms terms;
    terms.weight.value = p * factor;
    terms.weight.rounded = p * factor;
    terms.weight.floats = p * factor * relative + kFlushed * factor + subnormal;
    terms.ds.value = p * difference * slope_here;
    const double size = std::abs(terms.ds.value);
    terms.ds.rounded = size + p * slope_here * delta_.magnitude;
    terms.ds.floats = size * (relative + 2 * kUnit) +
                      p * slope_here * sum_error(width()) * differences + kFlushed * differences +
                      subnormal;
    if (params_.softcap > 0) {
      const auto cap = static_cast<double>(params_.softcap);
      const double curve = std::abs(score) / cap;
      const double flat = p * std::abs(difference) * 2 * curve;
      terms.weight.tanh = p * factor * std::abs(score);
      terms.ds.tanh = size * std::abs(score) + flat * curve;
      terms.ds.floats += flat * (of_score / cap + 2 * kUnit);
    }
    return terms;
  }

  /// weight.plain comes with the factor of dropout, ds.plain with the slope of softcap.
  void make_plain(std::vector<PairTerms>& pairs, const std::vector<double>& scores,
                  const std::vector<double>& plain_dp) const {
    if (pairs.empty()) return;
    const double greatest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (const double score : scores) sum += std::exp(score - greatest);
    double delta = 0;
    for (std::size_t c = 0; c < pairs.size(); ++c) {
      delta += rounded_to<T>(std::exp(scores[c] - greatest) / sum) * plain_dp[c];
    }
    for (std::size_t c = 0; c < pairs.size(); ++c) {
      const double p = rounded_to<T>(std::exp(scores[c] - greatest) / sum);
      const double ds = rounded_to<T>(p * (plain_dp[c] - delta));
      pairs[c].ds.plain = rounded_to<T>(pairs[c].ds.plain * ds);
      pairs[c].weight.plain = rounded_to<T>(p * pairs[c].weight.plain);
    }
  }

  const AttentionParams& params_;
  Sequence sequence_;
  Index head_;
  Index row_;
  double lse_;
  Products delta_;
};

/// One row of a gradient, in all that is summed up pair by pair.
struct Line {
  double* floats;
  double* tanh;
  double* roundings;
  double* plain;

  Line(ExpectedGradients& expected, core::Tensor<4> Gradients::*which, const Sequence& sequence,
       Index row, Index head)
      : floats(at(expected.floats.*which, sequence, row, head)),
        tanh(at(expected.tanh.*which, sequence, row, head)),
        roundings(at(expected.roundings.*which, sequence, row, head)),
        plain(at(expected.plain.*which, sequence, row, head)) {}

  static double* at(core::Tensor<4>& tensor, const Sequence& sequence, Index row, Index head) {
    return &tensor.view<double>()(sequence.batch, row, head, 0);
  }

  /// += factor * term * elements, as one of the products of a sum whose relative error is given.
  void add(double factor, const Term& term, double of_sum, const double* elements, Index width) {
    const double size = std::abs(term.value);
    for (Index i = 0; i < width; ++i) {
      const double by = factor * std::abs(elements[i]);
      floats[i] += by * (term.floats + of_sum * size);
      tanh[i] += by * term.tanh;
      roundings[i] += by * term.rounded;
      plain[i] += factor * elements[i] * term.plain;
    }
  }
};

/// Adds what one query head gives to bounds and yardstick.
template <class T>
void add_head(const AttentionParams& wide, const Sequence& sequence, Index head,
              ExpectedGradients& expected) {
  const Index group = wide.group();
  const Index kv = wide.kv_head(head);
  const Mask<Index> mask = wide.mask(sequence);
  const auto scale = static_cast<double>(wide.scale);
  const Index width = wide.head_dim();
  for (Index row = 0; row < sequence.seqlen_q; ++row) {
    const RowTerms<T> terms(wide, sequence, head, row);
    const std::vector<PairTerms> pairs = terms.pairs();
    const double row_sum = sum_error(static_cast<Index>(pairs.size()));
    Line dq(expected, &Gradients::dq, sequence, sequence.first_q + row, head);
    Index column = mask.columns(row).begin;
    for (const PairTerms& pair : pairs) {
      const double column_sum = sum_error(group * mask.rows(column).size());
      Line dk(expected, &Gradients::dk, sequence, sequence.first_k + column, kv);
      Line dv(expected, &Gradients::dv, sequence, sequence.first_k + column, kv);
      dq.add(scale, pair.ds, row_sum, terms.key_row(wide.k, column), width);
      dk.add(scale, pair.ds, column_sum, terms.query_row(wide.q), width);
      dv.add(1, pair.weight, column_sum, terms.query_row(wide.dout), width);
      ++column;
    }
  }
}

/// The reference's gradients of one key and value head and its group of query heads.
inline void add_reference(const AttentionParams& wide, const RowStatistics& statistics,
                          const Sequence& sequence, Index kv, Gradients& gradients) {
  const Index group = wide.group();
  for (Index h = kv * group; h < (kv + 1) * group; ++h) {
    for (Index row = 0; row < sequence.seqlen_q; ++row) {
      const std::vector<double> dq =
          reference_query_gradient(wide, statistics, sequence.id, h, row);
      std::copy(dq.begin(), dq.end(),
                &gradients.dq.view<double>()(sequence.batch, sequence.first_q + row, h, 0));
    }
  }
  for (Index column = 0; column < sequence.seqlen_k; ++column) {
    const KeyGradient key = reference_key_gradient(wide, statistics, sequence.id, kv, column);
    const Index c = sequence.first_k + column;
    std::copy(key.dk.begin(), key.dk.end(), &gradients.dk.view<double>()(sequence.batch, c, kv, 0));
    std::copy(key.dv.begin(), key.dv.end(), &gradients.dv.view<double>()(sequence.batch, c, kv, 0));
  }
}

/// params.out and params.lse must hold the forward pass's answer.
inline ExpectedGradients expect_gradients(const AttentionParams& params) {
  const core::Tensor<4> q = widened(params.q), k = widened(params.k), v = widened(params.v);
  const core::Tensor<4> dout = widened(params.dout);
  core::Tensor<4> out = widened(params.out);
  AttentionParams wide = params;
  wide.q = q.any();
  wide.k = k.any();
  wide.v = v.any();
  wide.dout = dout.any();
  wide.out = out.any();
  const bool with_plain = params.q.dtype != core::DType::f32;
  ExpectedGradients expected;
  for (Gradients* one : {&expected.given, &expected.exact, &expected.plain, &expected.floats,
                         &expected.tanh, &expected.roundings}) {
    *one = Gradients(params);
  }
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    const RowStatistics given = given_statistics(wide, id);
    const RowStatistics exact = with_plain ? exact_statistics(wide, id) : RowStatistics{};
    constexpr Index kWorthThreads = 1'000'000;
    const Index work = sequence.seqlen_q * sequence.seqlen_k * params.heads_q() * params.head_dim();
    const auto compute = [&](Index kv, int) {
      const Index group = params.group();
      add_reference(wide, given, sequence, kv, expected.given);
      if (with_plain) add_reference(wide, exact, sequence, kv, expected.exact);
      for (Index h = kv * group; h < (kv + 1) * group; ++h) {
        core::visit_float_type(params.q.dtype,
                               [&]<class T>() { add_head<T>(wide, sequence, h, expected); });
      }
    };
    core::parallel_for_dynamic(params.heads_kv(), compute, work < kWorthThreads ? 1 : 0);
  }
  core::visit_float_type(params.q.dtype, [&]<class T>() {
    for (core::Tensor<4>* one : {&expected.plain.dq, &expected.plain.dk, &expected.plain.dv}) {
      double* const first = one->view<double>().data;
      std::transform(first, first + one->size(), first, rounded_to<T>);
    }
  });
  return expected;
}

/// What a backward pass is granted.
struct GradientBounds {
  double units = 2;            // of the storage type, for each rounding to it
  double tanh = 0x1p-22;       // of the tanh behind softcap, relative
  double floats = 1;           // multiples of the bound of errors in float
  bool stored_scores = false;  // scores in the storage type: judged by the yardstick alone
};

/// Errors in terms of what is granted: right up to 1 each; a missing element makes infinity.
struct GradientJudgement {
  std::array<double, 3> off{};         // of dq, dk and dv
  std::array<double, 3> over_plain{};  // 16 bits: against three times the yardstick's worst
};

/// Element `i` of gradient number `which`, in memory order.
inline double gradient_bound(const ExpectedGradients& expected, const GradientBounds& bounds,
                             core::DType dtype, std::size_t which, Index i) {
  const auto at = [&](const Gradients& all) { return all.all()[which]->view<double>().data[i]; };
  // Nothing seen: nothing granted.
  if (at(expected.roundings) == 0 && at(expected.floats) == 0) return 0;
  const double smallest = dtype == core::DType::f16 ? 0x1p-24 : 0x1p-120;
  return bounds.floats * at(expected.floats) + bounds.tanh * at(expected.tanh) +
         bounds.units * unit(dtype) * (at(expected.roundings) + std::abs(at(expected.given))) +
         smallest;
}

inline GradientJudgement judge_gradients(const AttentionParams& params,
                                         const ExpectedGradients& expected,
                                         const GradientBounds& bounds = {}) {
  const core::DType dtype = params.q.dtype;
  const std::array<core::Tensor<4>, 3> actual{widened(params.dq), widened(params.dk),
                                              widened(params.dv)};
  GradientJudgement judgement;
  for (std::size_t which = 0; which < 3; ++which) {
    const auto data = [which](const Gradients& all) {
      return all.all()[which]->view<double>().data;
    };
    double worst = 0;
    double plain_worst = 0;
    for (Index i = 0; i < actual[which].size(); ++i) {
      const double value = actual[which].view<double>().data[i];
      if (dtype != core::DType::f32) {
        worst = std::max(worst, distance(value, data(expected.exact)[i]));
        plain_worst =
            std::max(plain_worst, distance(data(expected.plain)[i], data(expected.exact)[i]));
      }
      if (bounds.stored_scores && dtype != core::DType::f32) continue;
      judgement.off[which] =
          std::max(judgement.off[which], ratio(distance(value, data(expected.given)[i]),
                                               gradient_bound(expected, bounds, dtype, which, i)));
    }
    if (dtype != core::DType::f32) {
      judgement.over_plain[which] = ratio(worst, 3 * plain_worst + 1e-5);
    }
  }
  return judgement;
}

}  // namespace ashlar::flashattention2::testing
