#pragma once
// For tests: carries out the plan of standard attention on a GPU (naive_cuda_plan.hpp) on a CPU,
// with plain loops for cuBLAS's products, in the column-major terms of its interface, and one row
// after the other for the kernels' arithmetic. What is left for a device to show is that cuBLAS
// does what its interface says, and the kernels' distribution of rows over threads.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "baselines/flashattention2/naive_cuda_plan.hpp"
#include "impls/core/half.hpp"

namespace ashlar::flashattention2::baselines {

template <class T>
T* model_matrix(const BatchedMatrix& matrix, Index i) {
  const void* const at =
      matrix.all != nullptr ? matrix.all[i] : static_cast<const T*>(matrix.first) + i * matrix.step;
  return static_cast<T*>(const_cast<void*>(at));
}

/// op(matrix) in float, (inner, outer) with the outer index running fastest.
template <class T>
std::vector<float> model_factor(const T* from, Index leading, bool outer_is_fast, Index inner,
                                Index outer) {
  std::vector<float> made(static_cast<std::size_t>(inner * outer));
  for (Index k = 0; k < inner; ++k) {
    for (Index i = 0; i < outer; ++i) {
      made[static_cast<std::size_t>(k * outer + i)] =
          core::to_float(from[outer_is_fast ? k * leading + i : i * leading + k]);
    }
  }
  return made;
}

template <class T>
void model_product(const BatchedProduct& p) {
  std::vector<float> sums(static_cast<std::size_t>(p.m));
  for (Index i = 0; i < p.batch; ++i) {
    const auto a = model_factor(model_matrix<T>(p.a, i), p.a.leading, !p.a.transposed, p.k, p.m);
    const auto b = model_factor(model_matrix<T>(p.b, i), p.b.leading, p.b.transposed, p.k, p.n);
    T* const c = model_matrix<T>(p.c, i);
    for (Index n = 0; n < p.n; ++n) {
      std::fill(sums.begin(), sums.end(), 0.0F);
      for (Index k = 0; k < p.k; ++k) {
        const float factor = b[static_cast<std::size_t>(k * p.n + n)];
        const float* const row = a.data() + k * p.m;
        for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += row[m] * factor;
      }
      for (Index m = 0; m < p.m; ++m) {
        T& to = c[n * p.c.leading + m];
        const float before = p.beta == 0 ? 0.0F : p.beta * core::to_float(to);
        to = core::from_float<T>(p.alpha * sums[static_cast<std::size_t>(m)] + before);
      }
    }
  }
}

template <class T>
void model_softmax(const SoftmaxArguments& arguments) {
  for (std::int64_t row = 0; row < arguments.rows; ++row) {
    T* const scores = static_cast<T*>(arguments.scores) + row * arguments.padded_columns;
    const std::int64_t visible = visible_columns(arguments, row);
    float greatest = -INFINITY;
    for (std::int64_t c = 0; c < visible; ++c) {
      greatest = std::fmax(greatest, core::to_float(scores[c]));
    }
    const float maximum = scaled(greatest);
    const float shift = guarded(maximum);
    const auto weight = [&](std::int64_t c) {
      return std::exp2(std::fma(core::to_float(scores[c]), kLog2E, -shift));
    };
    RunningSum total{maximum, 0};
    for (std::int64_t c = 0; c < visible; ++c) total.sum += weight(c);
    const RowEnd end = finish_row(total, visible);
    arguments.lse[lse_offset(arguments, row)] = end.lse;
    for (std::int64_t c = 0; c < arguments.padded_columns; ++c) {
      scores[c] = core::from_float<T>(c < visible ? weight(c) * end.factor : 0.0F);
    }
  }
}

template <class T>
void model_softmax_gradient(const SoftmaxGradientArguments& arguments) {
  for (std::int64_t row = 0; row < arguments.rows; ++row) {
    const T* const p = static_cast<const T*>(arguments.weights) + row * arguments.padded_columns;
    T* const dp = static_cast<T*>(arguments.gradients) + row * arguments.padded_columns;
    const std::int64_t visible = visible_columns(arguments, row);
    float delta = 0;
    for (std::int64_t c = 0; c < arguments.padded_columns; ++c) {
      delta += delta_part(core::to_float(p[c]), core::to_float(dp[c]), c < visible);
    }
    for (std::int64_t c = 0; c < arguments.padded_columns; ++c) {
      dp[c] = core::from_float<T>(
          score_gradient(core::to_float(p[c]), core::to_float(dp[c]), delta, c < visible));
    }
  }
}

/// Calls body<T>() for the storage types of the plan.
template <class Body>
void for_model_type(core::DType dtype, const Body& body) {
  if (dtype == core::DType::f16) return body.template operator()<core::Float16>();
  if (dtype == core::DType::bf16) return body.template operator()<core::BFloat16>();
  body.template operator()<float>();
}

inline void zero_elements(const core::AnyView<4>& tensor) {
  for_model_type(tensor.dtype, [&]<class T>() {
    const auto view = tensor.as<T>();
    for (Index b = 0; b < tensor.shape[0]; ++b) {
      for (Index r = 0; r < tensor.shape[1]; ++r) {
        for (Index h = 0; h < tensor.shape[2]; ++h) {
          for (Index d = 0; d < tensor.shape[3]; ++d) view(b, r, h, d) = core::from_float<T>(0.0F);
        }
      }
    }
  });
}

/// N x N matrices full of NaN: what a plan reads before it was written is seen.
inline std::vector<std::byte> model_scores(const AttentionParams& params) {
  return std::vector<std::byte>(naive_cuda_score_bytes(params), std::byte{0xff});
}

/// Where the lists lie; the planner is told before it fills them.
struct ModelLists {
  explicit ModelLists(const AttentionParams& params)
      : place(naive_address_bytes(params) / sizeof(void*)), lists{place.data()} {}
  void copy() { std::copy(lists.all.begin(), lists.all.end(), place.begin()); }
  std::vector<const void*> place;
  AddressLists lists;
};

inline void model_forward(const AttentionParams& params) {
  if (score_rows(params) == 0) return;
  std::vector<std::byte> scores = model_scores(params);
  ModelLists lists(params);
  for_model_type(params.q.dtype, [&]<class T>() {
    if (params.seqlen_k() == 0) {
      model_softmax<T>(naive_softmax_arguments(params, nullptr));
      return zero_elements(params.out);
    }
    const NaiveForwardPlan plan = naive_forward_plan(params, scores.data(), lists.lists);
    lists.copy();
    model_product<T>(plan.scores);
    model_softmax<T>(plan.softmax);
    model_product<T>(plan.out);
  });
}

/// With weights of its own, as out and lse are inputs.
inline void model_backward(const AttentionParams& params) {
  std::vector<std::byte> weights = model_scores(params);
  std::vector<std::byte> gradients = model_scores(params);
  if (weights.empty()) {
    for (const auto* tensor : {&params.dq, &params.dk, &params.dv}) zero_elements(*tensor);
    return;
  }
  ModelLists lists(params);
  const NaiveForwardPlan forward = naive_forward_plan(params, weights.data(), lists.lists);
  const NaiveBackwardPlan plan =
      naive_backward_plan(params, weights.data(), gradients.data(), lists.lists);
  lists.copy();
  std::vector<float> spare(static_cast<std::size_t>(score_rows(params)));
  AttentionParams elsewhere = params;
  elsewhere.lse = {spare.data(), params.lse.shape};
  for_model_type(params.q.dtype, [&]<class T>() {
    model_product<T>(forward.scores);
    model_softmax<T>(naive_softmax_arguments(elsewhere, weights.data()));
    for (const BatchedProduct& product : plan.dv) model_product<T>(product);
    model_product<T>(plan.weight_gradients);
    model_softmax_gradient<T>(plan.softmax);
    model_product<T>(plan.dq);
    for (const BatchedProduct& product : plan.dk) model_product<T>(product);
  });
}

}  // namespace ashlar::flashattention2::baselines
