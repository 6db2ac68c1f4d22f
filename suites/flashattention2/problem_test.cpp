#include "suites/flashattention2/problem.hpp"

#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

#include "harness/measure/verify.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/suite.hpp"

using namespace ashlar;
using namespace ashlar::flashattention2;
using namespace ashlar::flashattention2::suite;

namespace {

model::Point point(std::int64_t seqlen, bool causal, const char* dtype, std::int64_t heads = 2) {
  return model::Point({{"seqlen", seqlen},
                       {"head_dim", 64},
                       {"causal", causal},
                       {"dtype", dtype},
                       {"heads", heads},
                       {"batch", 1}});
}

measure::CheckResult judge(const model::Point& at, const AttentionProblem& problem,
                           AttentionAnswer& answer) {
  const model::Suite suite = make();
  const model::Expected expected = attention_rows_in_double(problem);
  const model::Expected yardstick = attention_rows_in_storage_precision(problem);
  return measure::check_answer(*suite.find("forward"), &problem, at, expected, &yardstick,
                               answer.tensors());
}

}  // namespace

TEST_CASE("the oracle accepts the reference for every storage type and mask") {
  for (const char* dtype : {"f32", "bf16", "f16"}) {
    for (const bool causal : {false, true}) {
      const model::Point at = point(100, causal, dtype);
      const AttentionProblem problem = make_attention_problem(at, 7);
      AttentionAnswer answer(problem);
      reference_forward(forward_params(problem, &answer));
      const auto result = judge(at, problem, answer);
      INFO(dtype << " causal " << causal << ": " << result.mismatch.value_or(""));
      CHECK(result.accepted);
    }
  }
}

TEST_CASE("the oracle rejects every negative control") {
  using Control = void (*)(const AttentionProblem&, AttentionAnswer&);
  const std::pair<const char*, Control> controls[] = {
      {"scale", scale_forgotten}, {"mask", mask_off_by_one}, {"rescale", rescale_forgotten}};
  for (const char* dtype : {"f32", "bf16"}) {
    for (const bool causal : {false, true}) {
      const model::Point at = point(256, causal, dtype, 1);
      const AttentionProblem problem = make_attention_problem(at, 3);
      for (const auto& [name, control] : controls) {
        AttentionAnswer answer(problem);
        control(problem, answer);
        INFO(name << " " << dtype << " causal " << causal);
        CHECK_FALSE(judge(at, problem, answer).accepted);
      }
    }
  }
}

TEST_CASE("an element that nobody wrote is found, sampled or not") {
  const model::Point at = point(512, false, "f32", 1);
  const AttentionProblem problem = make_attention_problem(at, 5);
  AttentionAnswer answer(problem);
  reference_forward(forward_params(problem, &answer));
  REQUIRE(judge(at, problem, answer).accepted);
  answer.out.view<float>()(0, 300, 0, 17) = std::numeric_limits<float>::quiet_NaN();
  CHECK_FALSE(judge(at, problem, answer).accepted);
}

TEST_CASE("a wrong row that is not sampled is caught by convexity") {
  const model::Point at = point(512, false, "f32", 1);
  const AttentionProblem problem = make_attention_problem(at, 5);
  AttentionAnswer answer(problem);
  reference_forward(forward_params(problem, &answer));
  for (Index row = 0; row < 512; ++row) answer.out.view<float>()(0, row, 0, 3) += 20.0f;
  CHECK(rows_are_convex(problem, answer.tensors()).has_value());
}

TEST_CASE("work is the paper's count and halves under a causal mask") {
  const model::Work full = attention_forward_work(point(1024, false, "f32", 1));
  const model::Work causal = attention_forward_work(point(1024, true, "bf16", 1));
  CHECK(full.flops == 4.0 * 1024 * 1024 * 64);
  CHECK(causal.flops == full.flops / 2);
  CHECK(full.precision == "f32");
  CHECK(causal.precision == "bf16");
  CHECK(full.bytes == 1024.0 * (4 * 64 * 4 + 4));
}

TEST_CASE("the declaration is sound, and the grid on a GPU is the paper's") {
  const model::Suite suite = make();
  const model::Experiment& forward = *suite.find("forward");
  // 6 lengths x 2 head sizes x 2 masks, and two storage types.
  CHECK(forward.points(model::Mode::gpu).size() == 48);
  for (const model::Point& each : forward.points(model::Mode::gpu)) {
    CHECK(each.integer("batch") * each.integer("seqlen") == 16384);
    CHECK(each.integer("heads") * each.integer("head_dim") == 2048);
  }
  // The smallest point must be one on which every control is wrong; controls run there.
  CHECK(forward.controls.size() == 3);
}

TEST_CASE("same seed, same problem; another seed, another problem") {
  const model::Point at = point(32, false, "bf16");
  const AttentionProblem a = make_attention_problem(at, 1);
  const AttentionProblem b = make_attention_problem(at, 1);
  const AttentionProblem c = make_attention_problem(at, 2);
  CHECK(std::memcmp(a.q.data(), b.q.data(), a.q.bytes()) == 0);
  CHECK(std::memcmp(a.q.data(), c.q.data(), a.q.bytes()) != 0);
  CHECK(std::memcmp(a.q.data(), a.k.data(), a.q.bytes()) != 0);
}
