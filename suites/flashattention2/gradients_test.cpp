#include "suites/flashattention2/gradients.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "harness/measure/verify.hpp"
#include "impls/flashattention2/backward.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/plain.hpp"
#include "suites/flashattention2/suite.hpp"

using namespace ashlar;
using namespace ashlar::flashattention2;
using namespace ashlar::flashattention2::suite;

namespace {

model::Point gradient_point(std::int64_t seqlen, bool causal, const char* dtype) {
  return model::Point({{"seqlen", seqlen},
                       {"head_dim", 64},
                       {"causal", causal},
                       {"dtype", dtype},
                       {"heads", 1},
                       {"batch", 1}});
}

model::Point feature(const char* name, const char* dtype, const char* inputs = "normal") {
  return model::Point(
      {{"feature", name}, {"inputs", inputs}, {"seqlen", 113}, {"head_dim", 64}, {"dtype", dtype}});
}

template <class Answer>
measure::CheckResult judge(const char* experiment, const model::Point& at,
                           const GradientProblem& problem, Answer& answer) {
  const model::Suite suite = make();
  const model::Experiment& asked = *suite.find(experiment);
  const model::Expected expected = asked.oracle(&problem);
  const model::Expected yardstick = asked.yardstick(&problem);
  return measure::check_answer(asked, &problem, at, expected, &yardstick, answer.tensors());
}

}  // namespace

TEST_CASE("the oracle of gradients accepts the reference") {
  for (const char* dtype : {"f32", "bf16", "f16"}) {
    for (const bool causal : {false, true}) {
      const model::Point at = gradient_point(90, causal, dtype);
      const GradientProblem problem = make_gradient_problem(at, 7);
      GradientAnswer answer(problem);
      reference_backward(backward_params(problem, &answer));
      const auto result = judge("backward", at, problem, answer);
      INFO(dtype << " causal " << causal << ": " << result.mismatch.value_or(""));
      CHECK(result.accepted);
    }
  }
}

TEST_CASE("the oracle of gradients rejects every negative control, by itself") {
  using Control = void (*)(const GradientProblem&, GradientAnswer&);
  const std::pair<const char*, Control> controls[] = {{"delta", delta_forgotten},
                                                      {"scale", gradient_scale_forgotten},
                                                      {"first row", first_row_missed}};
  for (const char* dtype : {"f32", "bf16", "f16"}) {
    for (const bool causal : {false, true}) {
      // The smallest point of mode quick, on which controls run.
      const model::Point at = gradient_point(256, causal, dtype);
      const GradientProblem problem = make_gradient_problem(at, 3);
      const model::Expected yardstick = gradients_in_storage_precision(problem);
      for (const auto& [name, control] : controls) {
        GradientAnswer answer(problem);
        control(problem, answer);
        INFO(name << " " << dtype << " causal " << causal);
        CHECK_FALSE(measure::compare(gradients_in_double(problem), answer.tensors(),
                                     gradient_tolerance(at), &yardstick)
                        .accepted);
      }
    }
  }
}

TEST_CASE("a row of gradients that nobody samples is missed by sums") {
  for (const char* dtype : {"f32", "bf16"}) {
    const model::Point at = gradient_point(512, false, dtype);
    const GradientProblem problem = make_gradient_problem(at, 5);
    GradientAnswer answer(problem);
    reference_backward(backward_params(problem, &answer));
    REQUIRE_FALSE(gradients_add_up(problem, answer.tensors()));
    SECTION(std::string("not a number, ") + dtype) {
      store(answer.dk.any(), 0, 300, 0, 17, std::numeric_limits<float>::quiet_NaN());
      CHECK(gradients_add_up(problem, answer.tensors()));
    }
    SECTION(std::string("a tile of dv left out, ") + dtype) {
      for (Index column = 192; column < 256; ++column) {
        for (Index k = 0; k < 64; ++k) store(answer.dv.any(), 0, column, 0, k, 0);
      }
      CHECK(gradients_add_up(problem, answer.tensors()));
    }
    SECTION(std::string("a tile of dq twice, ") + dtype) {
      for (Index row = 192; row < 256; ++row) {
        for (Index k = 0; k < 64; ++k) {
          const double twice = 2 * value(answer.dq.any(), 0, row, 0, k);
          store(answer.dq.any(), 0, row, 0, k, static_cast<float>(twice));
        }
      }
      CHECK(gradients_add_up(problem, answer.tensors()));
    }
  }
}

TEST_CASE(
    "plain attention with stored intermediates is within the rule of the tests, reference too") {
  const model::Suite suite = make();
  for (const char* name :
       {"none", "causal", "window", "softcap", "dropout", "grouped", "unequal", "packed"}) {
    for (const char* dtype : {"f32", "bf16", "f16"}) {
      const model::Point at = feature(name, dtype);
      const auto made = suite.find("accuracy")->problem(at, 9);
      const auto& problem = *static_cast<const GradientProblem*>(made.get());
      BothAnswer answer(problem);
      reference_forward(both_params(problem, &answer));
      reference_backward(both_params(problem, &answer));
      const auto exact = judge("accuracy", at, problem, answer);
      INFO(name << " " << dtype << ": " << exact.mismatch.value_or(""));
      CHECK(exact.accepted);
      BothAnswer stored(problem);
      plain_attention(problem, stored);
      const auto plain = judge("accuracy", at, problem, stored);
      INFO("plain: " << plain.mismatch.value_or(""));
      CHECK(plain.accepted);
    }
  }
}

TEST_CASE("the oracle of both passes rejects a wrong gradient for every feature") {
  const model::Suite suite = make();
  for (const char* name : {"causal", "window", "softcap", "dropout", "grouped", "packed"}) {
    const model::Point at = feature(name, "f32");
    const auto made = suite.find("accuracy")->problem(at, 9);
    const auto& problem = *static_cast<const GradientProblem*>(made.get());
    BothAnswer answer(problem);
    reference_forward(both_params(problem, &answer));
    AttentionParams params = both_params(problem, &answer);
    // The feature is forgotten in the backward pass alone.
    params.window = {};
    params.softcap = 0;
    params.dropout = {};
    if (std::string(name) == "causal") params.causal = false;
    if (std::string(name) == "grouped") params.scale *= 1.001f;
    if (std::string(name) == "packed") params.causal = false;
    reference_backward(params);
    INFO(name);
    CHECK_FALSE(judge("accuracy", at, problem, answer).accepted);
  }
}

TEST_CASE("work of the passes is 2.5 and 3.5 times that of the forward pass") {
  const model::Point at = gradient_point(1024, true, "bf16");
  CHECK(attention_backward_work(at).flops == 2.5 * attention_forward_work(at).flops);
  CHECK(attention_both_work(at).flops == 3.5 * attention_forward_work(at).flops);
  CHECK(attention_backward_work(at).bytes == 1024.0 * (8 * 64 * 2 + 4));
}
