#pragma once
// For tests of 16-bit storage: plain attention that rounds scores, weights and answer to the
// storage type, as the official tests of FlashAttention-2 do to say how wrong an answer may be.
// Also the yardstick of implementations that store their scores.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::testing {

inline double rounded(core::DType dtype, double exact) {
  return core::visit_float_type(dtype, [&]<class T>() {
    return static_cast<double>(core::to_float(core::from_float<T>(static_cast<float>(exact))));
  });
}

/// Half the spacing of numbers in [1, 2): the greatest relative error of rounding.
inline double unit(core::DType dtype) {
  return dtype == core::DType::f16 ? 0x1p-11 : dtype == core::DType::bf16 ? 0x1p-8 : 0x1p-24;
}

struct PlainRow {
  std::vector<double> out;
  double lse = 0;
  /// How far lse may move where sums of another order put a score on the other side of the midpoint
  /// between two numbers of the storage type.
  double flips = 0;
};

inline PlainRow plain_row(const ForwardParams& params, Index batch, Index head, Index row) {
  const core::DType dtype = params.q.dtype;
  const Index columns = params.visible_columns(row);
  const auto width = static_cast<std::size_t>(params.head_dim());
  if (columns == 0) {
    return {std::vector<double>(width, 0.0), std::numeric_limits<double>::infinity(), 0};
  }
  const Index kv = params.kv_head(head);
  std::vector<double> scores(static_cast<std::size_t>(columns));
  std::vector<double> slack(scores.size());
  for (Index c = 0; c < columns; ++c) {
    double dot = 0;
    for (Index i = 0; i < params.head_dim(); ++i) {
      dot += read(params.q, batch, row, head, i) * read(params.k, batch, c, kv, i);
    }
    const double score = dot * static_cast<double>(params.scale);
    const double error = 1e-5 * std::max(1.0, std::abs(score));
    scores[static_cast<std::size_t>(c)] = rounded(dtype, score);
    slack[static_cast<std::size_t>(c)] =
        rounded(dtype, score + error) - rounded(dtype, score - error);
  }
  const double greatest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - greatest);
  PlainRow plain{std::vector<double>(width, 0.0), greatest + std::log(sum), 0};
  for (Index c = 0; c < columns; ++c) {
    const double score = scores[static_cast<std::size_t>(c)];
    const double weight = std::exp(score - greatest) / sum;
    plain.flips += weight * slack[static_cast<std::size_t>(c)];
    for (std::size_t i = 0; i < width; ++i) {
      plain.out[i] += rounded(dtype, weight) * read(params.v, batch, c, kv, static_cast<Index>(i));
    }
  }
  for (double& value : plain.out) value = rounded(dtype, value);
  return plain;
}

}  // namespace ashlar::flashattention2::testing
