#pragma once
// What every backward pass must satisfy, whoever computes it: the cases in
// test_backward_checks.cpp, test_backward_features.cpp and test_backward_hazards.cpp run over the
// table that a test program gives, those of a feature for the passes that have it. Link the object
// library ashlar_flashattention2_backward_checks and define backward_passes() and
// backward_head_dims(). The passes are handed out and lse of the reference, rounded to storage.
//
// Names of cases begin with the property they hold a pass to, as those of the forward checks do.
#include <functional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/flashattention2/test_gradient_yardstick.hpp"

namespace ashlar::flashattention2::testing {

/// Whether dq has the same bits from every call. dk and dv must have, always.
enum class DqBits { always, when_deterministic, never };

/// One way to compute gradients.
struct BackwardPass {
  std::string name;
  std::vector<core::DType> dtypes;
  /// Host tensors in and out, core::thread_count() threads.
  std::function<void(const AttentionParams&)> run;
  /// With tiles of that many rows and keys; empty where there is nothing to choose.
  std::function<void(const AttentionParams&, Index row_block, Index key_block)> run_tiled = {};
  GradientBounds bounds = {};
  Features features = {};
  DqBits same_dq = DqBits::when_deterministic;
  /// Why those bits may differ between thread counts; empty where they must not.
  std::string bits_depend_on_threads = {};
  /// Head sizes that it takes; empty: all.
  std::vector<Index> head_dims = {};
};

/// The program's table; may be empty (no device), after having printed why.
const std::vector<BackwardPass>& backward_passes();
/// Head sizes that all of them take, multiples of 8.
const std::vector<Index>& backward_head_dims();

/// The head size of the n-th of some shapes.
inline Index backward_head_dim_of(std::size_t n) {
  return backward_head_dims()[n % backward_head_dims().size()];
}

/// Storage types that some pass takes.
inline std::vector<core::DType> backward_dtypes() {
  std::vector<core::DType> all;
  for (const core::DType dtype : {core::DType::f32, core::DType::bf16, core::DType::f16}) {
    const auto takes = [dtype](const BackwardPass& pass) {
      return std::find(pass.dtypes.begin(), pass.dtypes.end(), dtype) != pass.dtypes.end();
    };
    if (std::any_of(backward_passes().begin(), backward_passes().end(), takes)) {
      all.push_back(dtype);
    }
  }
  return all;
}

/// Calls body(pass) for every pass that takes the problem, its name in the messages.
template <class Body>
void for_each_backward(Problem& problem, const Body& body) {
  const AttentionParams params = problem.params();
  const auto has = [](const auto& all, auto one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  for (const BackwardPass& pass : backward_passes()) {
    if (!has(pass.dtypes, params.q.dtype) || beyond(params, pass.features)) continue;
    if (!pass.head_dims.empty() && !has(pass.head_dims, params.head_dim())) continue;
    INFO(pass.name << ", " << core::name_of(params.q.dtype));
    body(pass);
  }
}

/// Values of params.deterministic to run a pass with.
inline std::vector<bool> modes_of(const BackwardPass& pass) {
  if (pass.same_dq == DqBits::when_deterministic) return {true, false};
  return {pass.same_dq == DqBits::always};
}

/// Fills out and lse, as a forward pass would.
inline void forward_of(Problem& problem) { reference_forward(problem.params()); }

inline void check_gradients(const AttentionParams& params, const ExpectedGradients& expected,
                            const BackwardPass& pass, bool against_plain = true) {
  const GradientJudgement judgement = judge_gradients(params, expected, pass.bounds);
  for (std::size_t which = 0; which < 3; ++which) {
    INFO((which == 0 ? "dq" : which == 1 ? "dk" : "dv"));
    CHECK(judgement.off[which] <= 1);
    if (against_plain || pass.bounds.stored_scores) CHECK(judgement.over_plain[which] <= 1);
  }
}

/// Runs every able pass on the problem, whose out and lse are there, in both modes and those with a
/// choice also with small tiles, and holds it against `expected`, and in 16 bits against the
/// yardstick where that can be wrong at all.
inline void check_all_backward(Problem& problem, const ExpectedGradients& expected,
                               bool against_plain = true) {
  for_each_backward(problem, [&](const BackwardPass& pass) {
    for (const bool deterministic : modes_of(pass)) {
      INFO((deterministic ? "deterministic" : "in any order"));
      AttentionParams params = problem.params();
      params.deterministic = deterministic;
      problem.poison_gradients();
      pass.run(params);
      check_gradients(params, expected, pass, against_plain);
    }
    if (!pass.run_tiled) return;
    INFO("tiles of 48 x 48");
    problem.poison_gradients();
    pass.run_tiled(problem.params(), 48, 48);
    check_gradients(problem.params(), expected, pass, against_plain);
  });
}

/// The same from the beginning.
inline void check_all_backward(Problem& problem) {
  bool able = false;
  for_each_backward(problem, [&](const BackwardPass&) { able = true; });
  if (!able) return;
  forward_of(problem);
  check_all_backward(problem, expect_gradients(problem.params()));
}

/// The bits of dk and dv, and those of dq.
struct GradientBits {
  std::vector<std::uint8_t> keys;
  std::vector<std::uint8_t> queries;
};

inline GradientBits bits_of(const Problem& problem) {
  GradientBits bits;
  const auto append = [](std::vector<std::uint8_t>& bytes, const core::Tensor<4>& tensor) {
    const auto* const first = static_cast<const std::uint8_t*>(tensor.data());
    if (tensor.bytes() > 0) bytes.insert(bytes.end(), first, first + tensor.bytes());
  };
  append(bits.keys, problem.dk);
  append(bits.keys, problem.dv);
  append(bits.queries, problem.dq);
  return bits;
}

}  // namespace ashlar::flashattention2::testing
