#include "suites/flashattention2/problem.hpp"

#include <cmath>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/model/value.hpp"
#include "impls/core/half.hpp"
#include "impls/core/random.hpp"
#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/oracle.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::ElementType;
using model::Point;

ElementType element_type(DType dtype) { return model::element_type(core::name_of(dtype)); }

/// A view for the harness, which never writes to inputs.
template <std::size_t Rank>
model::TensorView input_view(const char* name, const core::Tensor<Rank>& tensor) {
  return {name,
          element_type(tensor.dtype()),
          {tensor.shape().begin(), tensor.shape().end()},
          const_cast<void*>(tensor.data())};
}

template <std::size_t Rank>
model::TensorView output_view(const char* name, core::Tensor<Rank>& tensor) {
  return {name,
          element_type(tensor.dtype()),
          {tensor.shape().begin(), tensor.shape().end()},
          tensor.data()};
}

/// Multiplies row `row` of a head by a factor, in the storage type.
void scale_row(const core::AnyView<4>& tensor, Index b, Index row, Index h, double factor) {
  for (Index i = 0; i < tensor.shape[3]; ++i) {
    store(tensor, b, row, h, i, static_cast<float>(factor * value(tensor, b, row, h, i)));
  }
}

/// From normal inputs. Keys grow fourfold along the sequence, so that blocks further on raise the
/// running maximum. Every eighth query is zero (all scores are equal), and every eighth points at
/// one key so strongly that its weight is nearly 1.
void make_adversarial(AttentionProblem& problem) {
  const core::AnyView<4> q = problem.q.any();
  const core::AnyView<4> k = problem.k.any();
  for (Index b = 0; b < k.shape[0]; ++b) {
    for (Index h = 0; h < k.shape[2]; ++h) {
      for (Index c = 0; c < k.shape[1]; ++c) {
        scale_row(k, b, c, h, 1 + 3.0 * static_cast<double>(c) / static_cast<double>(k.shape[1]));
      }
    }
    const Index group = q.shape[2] / k.shape[2];
    for (Index h = 0; h < q.shape[2]; ++h) {
      for (Index r = 0; r < q.shape[1]; ++r) {
        if (r % 8 == 3) scale_row(q, b, r, h, 0);
        if (r % 8 != 5 || k.shape[1] == 0) continue;
        const Index column = r * 7 % k.shape[1];
        for (Index i = 0; i < q.shape[3]; ++i) {
          store(q, b, r, h, i, static_cast<float>(value(k, b, column, h / group, i)));
        }
      }
    }
  }
}

}  // namespace

DType dtype_named(const std::string& name) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    if (core::name_of(dtype) == name) return dtype;
  }
  throw std::invalid_argument("no storage type '" + name + "'");
}

Inputs inputs_named(const std::string& name) {
  if (name == "normal") return Inputs::normal;
  if (name == "outliers") return Inputs::outliers;
  if (name == "adversarial") return Inputs::adversarial;
  throw std::invalid_argument("no inputs '" + name + "'");
}

AttentionProblem make_problem(const ProblemShape& shape, Inputs inputs, std::uint64_t seed) {
  const std::array<Index, 4> q = {shape.batch, shape.seqlen_q, shape.heads_q, shape.head_dim};
  const std::array<Index, 4> k = {shape.batch, shape.seqlen_k, shape.heads_kv, shape.head_dim};
  AttentionProblem problem{core::Tensor<4>(shape.dtype, q),
                           core::Tensor<4>(shape.dtype, k),
                           core::Tensor<4>(shape.dtype, k),
                           0,
                           false,
                           seed};
  problem.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  const auto distribution =
      inputs == Inputs::outliers ? core::Distribution::outliers : core::Distribution::normal;
  core::fill_random(problem.q.any(), distribution, seed, 0);
  core::fill_random(problem.k.any(), distribution, seed, 1);
  core::fill_random(problem.v.any(), distribution, seed, 2);
  if (inputs == Inputs::adversarial) make_adversarial(problem);
  return problem;
}

AttentionProblem make_attention_problem(const Point& point, std::uint64_t seed) {
  const Index seqlen = point.integer("seqlen");
  const Index heads = point.integer("heads");
  const ProblemShape shape{
      dtype_named(point.word("dtype")), point.integer("batch"), seqlen, seqlen, heads, heads,
      point.integer("head_dim")};
  AttentionProblem problem = make_problem(shape, Inputs::normal, seed);
  problem.causal = point.flag("causal");
  return problem;
}

TiledProblem make_tiled_problem(const Point& point, std::uint64_t seed) {
  const auto axis_or_0 = [&point](const char* name) -> Index {
    const model::Value* value = point.find(name);
    return value == nullptr ? 0 : value->as_integer();
  };
  return {make_attention_problem(point, seed), axis_or_0("row_block"), point.integer("key_block"),
          axis_or_0("warps")};
}

GradientProblem make_gradient_problem(const Point& point, std::uint64_t seed) {
  return with_forward_pass(make_attention_problem(point, seed));
}

GradientProblem with_forward_pass(AttentionProblem problem) {
  GradientProblem made{std::move(problem), {}, {}, {}};
  AttentionAnswer answer(made);
  const AttentionParams params = forward_params(made, &answer);
  ForwardWorkspace workspace(params);
  optimized_forward(params, workspace);
  for (const SampledRow& at : sampled_rows(made)) {
    const RowResult exact = reference_row(params, at.sequence, at.head, at.row);
    const auto lse = static_cast<double>(answer.lse.view<float>().data[element_of_lse(params, at)]);
    // Far above rounding, far below what a wrong weight does.
    const bool right = std::isinf(exact.lse)
                           ? lse == exact.lse
                           : std::abs(lse - exact.lse) <= 1e-3 * (1 + std::abs(exact.lse));
    if (!right) {
      throw std::runtime_error(
          fmt::format("the forward pass that the gradients hang on is wrong: lse({}, {}, {}) is "
                      "{:.8g}, expected {:.8g}",
                      at.sequence, at.head, at.row, lse, exact.lse));
    }
  }
  made.out = std::move(answer.out);
  made.lse = std::move(answer.lse);
  made.dout = core::Tensor<4>(made.q.dtype(), made.q.shape());
  core::fill_normal(made.dout.any(), made.seed, 3);
  return made;
}

AttentionAnswer::AttentionAnswer(const AttentionProblem& problem)
    : out(problem.q.dtype(), problem.q.shape()),
      lse(DType::f32, {problem.q.shape()[0], problem.q.shape()[2], problem.q.shape()[1]}) {}

std::vector<model::TensorView> AttentionAnswer::tensors() {
  return {output_view("out", out), output_view("lse", lse)};
}

GradientAnswer::GradientAnswer(const AttentionProblem& problem)
    : dq(problem.q.dtype(), problem.q.shape()),
      dk(problem.k.dtype(), problem.k.shape()),
      dv(problem.k.dtype(), problem.k.shape()) {}

std::vector<model::TensorView> GradientAnswer::tensors() {
  return {output_view("dq", dq), output_view("dk", dk), output_view("dv", dv)};
}

BothAnswer::BothAnswer(const AttentionProblem& problem)
    : AttentionAnswer(problem), GradientAnswer(problem) {}

std::vector<model::TensorView> BothAnswer::tensors() {
  std::vector<model::TensorView> all = AttentionAnswer::tensors();
  for (const model::TensorView& view : GradientAnswer::tensors()) all.push_back(view);
  return all;
}

std::vector<model::TensorView> attention_inputs(const AttentionProblem& problem) {
  return {input_view("q", problem.q), input_view("k", problem.k), input_view("v", problem.v)};
}

std::vector<model::TensorView> gradient_inputs(const GradientProblem& problem) {
  std::vector<model::TensorView> views = attention_inputs(problem);
  views.push_back(input_view("dout", problem.dout));
  views.push_back(input_view("out", problem.out));
  views.push_back(input_view("lse", problem.lse));
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
  params.window = problem.window;
  params.softcap = problem.softcap;
  params.dropout = problem.dropout;
  params.cu_seqlens_q = problem.cu_seqlens_q;
  params.cu_seqlens_k = problem.cu_seqlens_k;
  return params;
}

namespace {

void set_gradients(const GradientProblem& problem, GradientAnswer* answer,
                   AttentionParams& params) {
  params.dout = problem.dout.any();
  if (answer == nullptr) return;
  params.dq = answer->dq.any();
  params.dk = answer->dk.any();
  params.dv = answer->dv.any();
}

}  // namespace

AttentionParams backward_params(const GradientProblem& problem, GradientAnswer* answer) {
  AttentionParams params = forward_params(problem, nullptr);
  // The backward pass only reads them; the struct serves the forward pass too, which writes.
  params.out = {const_cast<void*>(problem.out.data()), problem.out.dtype(), problem.out.shape()};
  params.lse = {const_cast<float*>(problem.lse.view<float>().data), problem.lse.shape()};
  set_gradients(problem, answer, params);
  return params;
}

AttentionParams both_params(const GradientProblem& problem, BothAnswer* answer) {
  AttentionParams params = forward_params(problem, answer);
  set_gradients(problem, answer, params);
  return params;
}

namespace {

/// `tensors` of (batch, seqlen, heads, head_dim) and `statistics` floats per row are moved.
model::Work counted(const Point& point, double products, int tensors, int statistics) {
  const double heads = point.number("heads") * point.number("batch");
  const double seqlen = point.number("seqlen");
  const double head_dim = point.number("head_dim");
  const bool single = point.word("dtype") == "f32";
  model::Work work;
  work.flops =
      2 * products * heads * seqlen * seqlen * head_dim * (point.flag("causal") ? 0.5 : 1.0);
  work.bytes = heads * seqlen * (tensors * head_dim * (single ? 4 : 2) + 4.0 * statistics);
  work.precision = single ? "f32" : "bf16";
  return work;
}

}  // namespace

model::Work attention_forward_work(const Point& point) { return counted(point, 2, 4, 1); }

model::Work attention_backward_work(const Point& point) { return counted(point, 5, 8, 1); }

model::Work attention_both_work(const Point& point) { return counted(point, 7, 9, 1); }

}  // namespace ashlar::flashattention2::suite
