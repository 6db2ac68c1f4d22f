#include "suites/flashattention2/problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/elements.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::ElementType;
using model::Point;

constexpr Index kRowsPerHead = 24;
constexpr Index kMostHeads = 4;
// The log-sum-exp is summed in single precision whatever the storage type. A key too many or too
// few moves it by more than this in nearly every row of 512 keys, and in about half of the rows of
// 16384.
constexpr double kLseError = 3e-5;

DType dtype_named(const std::string& name) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    if (core::name_of(dtype) == name) return dtype;
  }
  throw std::invalid_argument("no storage type '" + name + "'");
}

ElementType element_type(DType dtype) { return model::element_type(core::name_of(dtype)); }

/// Draws without repetition, ascending.
std::vector<Index> drawn(Index count, Index most, std::vector<Index> fixed, std::uint64_t seed) {
  if (count <= most) {
    std::vector<Index> all(static_cast<std::size_t>(count));
    for (Index i = 0; i < count; ++i) all[static_cast<std::size_t>(i)] = i;
    return all;
  }
  std::erase_if(fixed, [&](Index i) { return i < 0 || i >= count; });
  for (std::uint64_t draw = 0; static_cast<Index>(fixed.size()) < most; ++draw) {
    const std::uint64_t word = core::seed_of(seed, std::to_string(draw));
    fixed.push_back(static_cast<Index>(word % static_cast<std::uint64_t>(count)));
    std::sort(fixed.begin(), fixed.end());
    fixed.erase(std::unique(fixed.begin(), fixed.end()), fixed.end());
  }
  return fixed;
}

}  // namespace

std::vector<SampledRow> sampled_rows(const AttentionProblem& problem) {
  const Index seqlen = problem.q.shape()[1];
  const Index heads = problem.q.shape()[2];
  const Index pairs = problem.q.shape()[0] * heads;
  const std::vector<Index> edges = {0,   1,   63,         64,         95,        96,
                                    127, 128, seqlen / 2, seqlen - 2, seqlen - 1};
  std::vector<SampledRow> rows;
  for (const Index pair :
       drawn(pairs, kMostHeads, {0, pairs - 1}, core::seed_of(problem.seed, "heads"))) {
    for (const Index row : drawn(seqlen, kRowsPerHead, edges,
                                 core::seed_of(problem.seed, "rows" + std::to_string(pair)))) {
      rows.push_back({pair / heads, pair % heads, row});
    }
  }
  return rows;
}

namespace {

/// Collects rows of out and lse as expected elements.
template <class ComputeRow>
model::Expected collect(const AttentionProblem& problem, ComputeRow compute) {
  const Index seqlen = problem.q.shape()[1];
  const Index heads = problem.q.shape()[2];
  const Index head_dim = problem.q.shape()[3];
  model::Expected expected{{"out", {}, {}}, {"lse", {}, {}}};
  const std::vector<SampledRow> rows = sampled_rows(problem);
  std::vector<RowResult> results(rows.size());
  core::parallel_for_dynamic(static_cast<Index>(rows.size()), [&](Index i, int) {
    const auto at = static_cast<std::size_t>(i);
    results[at] = compute(rows[at]);
  });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SampledRow& at = rows[i];
    const RowResult& row = results[i];
    for (Index k = 0; k < head_dim; ++k) {
      expected[0].indices.push_back(((at.batch * seqlen + at.row) * heads + at.head) * head_dim +
                                    k);
      expected[0].values.push_back(row.out[static_cast<std::size_t>(k)]);
    }
    expected[1].indices.push_back((at.batch * heads + at.head) * seqlen + at.row);
    expected[1].values.push_back(row.lse);
  }
  return expected;
}

/// Plain attention of one row with every intermediate rounded to the storage type.
RowResult plain_row(const AttentionProblem& problem, const SampledRow& at) {
  const AttentionParams params = forward_params(problem, nullptr);
  const DType dtype = params.q.dtype;
  const Index columns = problem.causal ? at.row + 1 : params.seqlen_k();
  std::vector<float> scores;
  float greatest = -std::numeric_limits<float>::infinity();
  for (Index c = 0; c < columns; ++c) {
    float dot = 0;
    for (Index k = 0; k < params.head_dim(); ++k) {
      dot += static_cast<float>(value(params.q, at.batch, at.row, at.head, k) *
                                value(params.k, at.batch, c, at.head, k));
    }
    scores.push_back(rounded(dtype, dot * params.scale));
    greatest = std::max(greatest, scores.back());
  }
  float sum = 0;
  for (float& score : scores) {
    score = std::exp(score - greatest);
    sum += score;
  }
  RowResult row;
  row.lse = static_cast<double>(greatest + std::log(sum));
  for (Index k = 0; k < params.head_dim(); ++k) {
    float out = 0;
    for (Index c = 0; c < columns; ++c) {
      const float weight = rounded(dtype, scores[static_cast<std::size_t>(c)] / sum);
      out += weight * static_cast<float>(value(params.v, at.batch, c, at.head, k));
    }
    row.out.push_back(static_cast<double>(rounded(dtype, out)));
  }
  return row;
}

/// |sum of exp(s - lse) - 1| over the columns of one row, for its scores as they are and for scores
/// rounded to the storage type.
struct WeightSums {
  double exact = 0;
  double stored = 0;
  /// What may be added to `stored` where another order of summation puts a score on the other side
  /// of the midpoint between two numbers of the storage type.
  double flips = 0;
};

WeightSums weight_sums(const AttentionProblem& problem, const SampledRow& at, double lse) {
  constexpr double kScoreError = 1e-5;  // of sums in float over up to 128 products
  const AttentionParams params = forward_params(problem, nullptr);
  const auto stored = [&](double score) {
    return static_cast<double>(rounded(params.q.dtype, static_cast<float>(score)));
  };
  WeightSums sums{-1, -1, 0};
  for (Index c = 0; c < params.mask(params.sequence(at.batch)).columns(at.row).end; ++c) {
    double dot = 0;
    for (Index k = 0; k < params.head_dim(); ++k) {
      dot +=
          value(params.q, at.batch, at.row, at.head, k) * value(params.k, at.batch, c, at.head, k);
    }
    const double score = dot * static_cast<double>(problem.scale);
    const double weight = std::exp(score - lse);
    sums.exact += weight;
    sums.stored += std::exp(stored(score) - lse);
    sums.flips += weight * (stored(score + kScoreError) - stored(score - kScoreError));
  }
  return {std::abs(sums.exact), std::abs(sums.stored), sums.flips};
}

/// The weights that lse stands for must sum to one in every row: those of exact scores, or those of
/// scores stored in 16 bits, in all rows the same. A few rows, as each costs N d; the oracle has
/// rows of its own.
std::optional<std::string> weights_sum_to_one(const AttentionProblem& problem,
                                              const model::TensorView& lse) {
  if (problem.q.dtype() == DType::f32) return std::nullopt;  // the oracle's own limit is as tight
  constexpr int kRows = 3;
  const auto& shape = problem.q.shape();
  const auto drawn_below = [&](Index count, const std::string& name) {
    const std::uint64_t word = core::seed_of(problem.seed, name);
    return static_cast<Index>(word % static_cast<std::uint64_t>(count));
  };
  std::string exact_wrong;
  std::string stored_wrong;
  for (int i = 0; i < kRows; ++i) {
    const Index pair = drawn_below(shape[0] * shape[2], "sum of head " + std::to_string(i));
    const Index row = i == 0 ? shape[1] - 1 : drawn_below(shape[1], "sum of " + std::to_string(i));
    const SampledRow at{pair / shape[2], pair % shape[2], row};
    const double answer = lse.value(pair * shape[1] + row);
    const WeightSums sums = weight_sums(problem, at, answer);
    const std::string place =
        fmt::format("lse({}, {}, {}) is {:.8g}", at.batch, at.head, row, answer);
    if (!(sums.exact <= kLseError)) {
      exact_wrong =
          fmt::format("{}, by which the row's weights sum to 1 +- {:.2g}", place, sums.exact);
    }
    if (!(sums.stored <= kLseError + sums.flips)) {
      stored_wrong = fmt::format("1 +- {:.2g} with scores rounded to 16 bits", sums.stored);
    }
  }
  if (exact_wrong.empty() || stored_wrong.empty()) return std::nullopt;
  return exact_wrong + ", and to " + stored_wrong;
}

}  // namespace

AttentionAnswer::AttentionAnswer(const AttentionProblem& problem)
    : out(problem.q.dtype(), problem.q.shape()),
      lse(DType::f32, {problem.q.shape()[0], problem.q.shape()[2], problem.q.shape()[1]}) {}

std::vector<model::TensorView> AttentionAnswer::tensors() {
  const auto& o = out.shape();
  const auto& l = lse.shape();
  return {{"out", element_type(out.dtype()), {o.begin(), o.end()}, out.data()},
          {"lse", ElementType::f32, {l.begin(), l.end()}, lse.data()}};
}

AttentionProblem make_attention_problem(const Point& point, std::uint64_t seed) {
  const DType dtype = dtype_named(point.word("dtype"));
  const std::array<Index, 4> shape = {point.integer("batch"), point.integer("seqlen"),
                                      point.integer("heads"), point.integer("head_dim")};
  AttentionProblem problem{core::Tensor<4>(dtype, shape), core::Tensor<4>(dtype, shape),
                           core::Tensor<4>(dtype, shape), 0,
                           point.flag("causal"),          seed};
  problem.scale = 1.0f / std::sqrt(static_cast<float>(shape[3]));
  core::fill_normal(problem.q.any(), seed, 0);
  core::fill_normal(problem.k.any(), seed, 1);
  core::fill_normal(problem.v.any(), seed, 2);
  return problem;
}

std::vector<model::TensorView> attention_inputs(const AttentionProblem& problem) {
  std::vector<model::TensorView> views;
  const std::pair<const char*, const core::Tensor<4>*> tensors[] = {
      {"q", &problem.q}, {"k", &problem.k}, {"v", &problem.v}};
  for (const auto& [name, tensor] : tensors) {
    views.push_back({name,
                     element_type(tensor->dtype()),
                     {tensor->shape().begin(), tensor->shape().end()},
                     const_cast<void*>(tensor->data())});
  }
  return views;
}

AttentionParams forward_params(const AttentionProblem& problem, AttentionAnswer* answer) {
  AttentionParams params;
  params.q = problem.q.any();
  params.k = problem.k.any();
  params.v = problem.v.any();
  if (answer != nullptr) {
    params.out = answer->out.any();
    params.lse = answer->lse.view<float>();
  }
  params.scale = problem.scale;
  params.causal = problem.causal;
  return params;
}

model::Work attention_forward_work(const Point& point) {
  const double heads = point.number("heads") * point.number("batch");
  const double seqlen = point.number("seqlen");
  const double head_dim = point.number("head_dim");
  const bool single = point.word("dtype") == "f32";
  model::Work work;
  work.flops = 4 * heads * seqlen * seqlen * head_dim * (point.flag("causal") ? 0.5 : 1.0);
  work.bytes = heads * seqlen * (4 * head_dim * (single ? 4 : 2) + 4);
  work.precision = single ? "f32" : "bf16";
  return work;
}

model::Expected attention_rows_in_double(const AttentionProblem& problem) {
  const AttentionParams params = forward_params(problem, nullptr);
  return collect(problem, [&](const SampledRow& at) {
    return reference_row(params, at.batch, at.head, at.row);
  });
}

model::Expected attention_rows_in_storage_precision(const AttentionProblem& problem) {
  return collect(problem, [&](const SampledRow& at) { return plain_row(problem, at); });
}

model::Tolerances attention_tolerance(const Point& point) {
  if (point.word("dtype") == "f32") {
    return {{"out", {.max_abs = 1e-5, .relative_l2 = 2e-6}}, {"lse", {.max_abs = kLseError}}};
  }
  // Standard attention stores its scores in 16 bits, so its lse is that of rounded scores, off by
  // 2e-4 to 5e-4 in full rows and 2e-3 in short ones. A tolerance is the point's and not the
  // implementation's: the yardstick, which rounds likewise, sets it for lse as for out. What that
  // lets slip through in implementations that keep their scores, rows_are_convex() holds to
  // kLseError: there an lse must fit exact scores or rounded ones, and nothing in between.
  const double relative = point.word("dtype") == "bf16" ? 8e-3 : 1e-3;
  return {{"out", {.relative_l2 = relative, .yardstick_factor = 2}},
          {"lse", {.yardstick_factor = 2}}};
}

namespace {

/// The least and the greatest value per column of one head, widened by what rounding may add.
template <class T>
void value_range(const core::View<const T, 4>& v, Index b, Index h, float slack,
                 std::vector<float>& low, std::vector<float>& high) {
  for (Index n = 0; n < v.shape[1]; ++n) {
    const T* row = &v(b, n, h, 0);
    for (std::size_t k = 0; k < low.size(); ++k) {
      const float element = core::to_float(row[k]);
      low[k] = n == 0 ? element : std::min(low[k], element);
      high[k] = n == 0 ? element : std::max(high[k], element);
    }
  }
  for (std::size_t k = 0; k < low.size(); ++k) {
    low[k] -= slack;
    high[k] += slack;
  }
}

/// Looks at every element of `out` (contiguous, as q) of one head.
template <class T>
std::optional<std::string> head_outside(const AttentionParams& params, const T* out, Index b,
                                        Index h) {
  const auto head_dim = static_cast<std::size_t>(params.head_dim());
  std::vector<float> low(head_dim);
  std::vector<float> high(head_dim);
  value_range(params.v.as<T>(), b, params.kv_head(h), params.q.dtype == DType::f32 ? 1e-5f : 2e-2f,
              low, high);
  for (Index n = 0; n < params.seqlen_q(); ++n) {
    const T* row = out + ((b * params.seqlen_q() + n) * params.heads_q() + h) * params.head_dim();
    for (std::size_t k = 0; k < head_dim; ++k) {
      const float element = core::to_float(row[k]);
      if (element >= low[k] && element <= high[k]) continue;
      return fmt::format(
          "out({}, {}, {}, {}) is {:.6g}, outside the values it averages, {:.6g} to {:.6g}", b, n,
          h, k, element, low[k], high[k]);
    }
  }
  return std::nullopt;
}

template <class T>
std::optional<std::string> any_head_outside(const AttentionParams& params, const void* out) {
  std::vector<std::optional<std::string>> wrong(
      static_cast<std::size_t>(params.batch() * params.heads_q()));
  core::parallel_for_dynamic(static_cast<Index>(wrong.size()), [&](Index item, int) {
    wrong[static_cast<std::size_t>(item)] = head_outside(
        params, static_cast<const T*>(out), item / params.heads_q(), item % params.heads_q());
  });
  for (auto& one : wrong) {
    if (one) return one;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> rows_are_convex(const AttentionProblem& problem,
                                           const std::vector<model::TensorView>& answer) {
  const auto find = [&](const char* name) {
    return std::find_if(answer.begin(), answer.end(),
                        [name](const auto& view) { return view.name == name; });
  };
  const auto found = find("out");
  if (found == answer.end()) return "there is no tensor 'out'";
  if (const auto lse = find("lse"); lse != answer.end()) {
    if (auto wrong = weights_sum_to_one(problem, *lse)) return wrong;
  }
  const AttentionParams params = forward_params(problem, nullptr);
  if (params.q.dtype == DType::bf16) return any_head_outside<core::BFloat16>(params, found->data);
  if (params.q.dtype == DType::f16) return any_head_outside<core::Float16>(params, found->data);
  return any_head_outside<float>(params, found->data);
}

}  // namespace ashlar::flashattention2::suite
