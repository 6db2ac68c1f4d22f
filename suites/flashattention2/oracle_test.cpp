#include "suites/flashattention2/oracle.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <catch2/catch.hpp>

#include "harness/measure/verify.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/elements.hpp"
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

void set_element(const core::AnyView<4>& tensor, Index flat, double exact) {
  const auto& shape = tensor.shape;
  store(tensor, flat / (shape[1] * shape[2] * shape[3]), flat / (shape[2] * shape[3]) % shape[1],
        flat / shape[3] % shape[2], flat % shape[3], static_cast<float>(exact));
}

/// What cuBLAS around a softmax kernel computes: scores and weights rounded to the storage type,
/// sums in float, and in another order than the yardstick's.
void attention_with_stored_scores(const AttentionProblem& problem, AttentionAnswer& answer) {
  const AttentionParams params = forward_params(problem, &answer);
  const core::DType dtype = params.q.dtype;
  for (Index h = 0; h < params.heads_q(); ++h) {
    for (Index n = 0; n < params.seqlen_q(); ++n) {
      std::vector<float> scores;
      for (Index c = 0; c < params.mask(params.sequence(0)).columns(n).end; ++c) {
        float dot = 0;
        for (Index k = params.head_dim(); k-- > 0;) {
          dot += static_cast<float>(value(params.q, 0, n, h, k) * value(params.k, 0, c, h, k));
        }
        scores.push_back(rounded(dtype, problem.scale * dot));
      }
      const float greatest = *std::max_element(scores.begin(), scores.end());
      float sum = 0;
      for (float& score : scores) sum += score = std::exp(score - greatest);
      params.lse(0, h, n) = greatest + std::log(sum);
      for (Index k = 0; k < params.head_dim(); ++k) {
        float out = 0;
        for (std::size_t c = scores.size(); c-- > 0;) {
          out += rounded(dtype, scores[c] / sum) *
                 static_cast<float>(value(params.v, 0, static_cast<Index>(c), h, k));
        }
        store(params.out, 0, n, h, k, out);
      }
    }
  }
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
  for (const char* dtype : {"f32", "bf16", "f16"}) {
    for (const bool causal : {false, true}) {
      // The smallest point of mode quick, on which controls run.
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

TEST_CASE("the yardstick itself is within its tolerance") {
  for (const char* dtype : {"bf16", "f16"}) {
    for (const bool causal : {false, true}) {
      for (const std::int64_t seqlen : {64, 700}) {
        const model::Point at = point(seqlen, causal, dtype);
        const AttentionProblem problem = make_attention_problem(at, 11);
        const model::Expected yardstick = attention_rows_in_storage_precision(problem);
        AttentionAnswer answer(problem);
        reference_forward(forward_params(problem, &answer));
        for (std::size_t i = 0; i < yardstick[0].indices.size(); ++i) {
          set_element(answer.out.any(), yardstick[0].indices[i], yardstick[0].values[i]);
        }
        for (std::size_t i = 0; i < yardstick[1].indices.size(); ++i) {
          answer.lse.view<float>().data[yardstick[1].indices[i]] =
              static_cast<float>(yardstick[1].values[i]);
        }
        const auto result = measure::compare(attention_rows_in_double(problem), answer.tensors(),
                                             attention_tolerance(at), &yardstick);
        INFO(dtype << " causal " << causal << " N " << seqlen << ": "
                   << result.mismatch.value_or(""));
        CHECK(result.accepted);
      }
    }
  }
}

TEST_CASE("the oracle accepts attention that stores its scores in 16 bits") {
  for (const char* dtype : {"bf16", "f16"}) {
    for (const bool causal : {false, true}) {
      const model::Point at = point(300, causal, dtype);
      const AttentionProblem problem = make_attention_problem(at, 5);
      AttentionAnswer answer(problem);
      attention_with_stored_scores(problem, answer);
      const auto result = judge(at, problem, answer);
      INFO(dtype << " causal " << causal << ": " << result.mismatch.value_or(""));
      CHECK(result.accepted);
    }
  }
}

TEST_CASE("an lse that fits neither exact nor stored scores is refused") {
  for (const char* dtype : {"bf16", "f16"}) {
    for (const bool causal : {false, true}) {
      const model::Point at = point(300, causal, dtype);
      const AttentionProblem problem = make_attention_problem(at, 5);
      const model::Expected yardstick = attention_rows_in_storage_precision(problem);
      AttentionAnswer answer(problem);
      reference_forward(forward_params(problem, &answer));
      for (Index i = 0; i < answer.lse.size(); ++i) answer.lse.view<float>().data[i] += 5e-5F;
      INFO(dtype << " causal " << causal);
      // Within twice the yardstick's error ...
      CHECK(measure::compare(attention_rows_in_double(problem), answer.tensors(),
                             attention_tolerance(at), &yardstick)
                .accepted);
      // ... but the weights do not sum to one.
      const auto wrong = rows_are_convex(problem, answer.tensors());
      REQUIRE(wrong);
      CHECK_THAT(*wrong, Catch::Contains("lse(0, "));
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
  // 6 lengths x 3 head sizes x 2 masks, and two storage types.
  CHECK(forward.points(model::Mode::gpu).size() == 72);
  for (const model::Point& each : forward.points(model::Mode::gpu)) {
    CHECK(each.integer("batch") * each.integer("seqlen") == 16384);
    CHECK(each.integer("heads") * each.integer("head_dim") == 2048);
  }
  // The smallest point must be one on which every control is wrong; controls run there.
  CHECK(forward.controls.size() == 3);
}

TEST_CASE("the oracle rejects the control of long sequences of one head") {
  // The smallest point of experiment "heads" on a GPU.
  for (const bool causal : {false, true}) {
    const model::Point at = point(16384, causal, "f16", 1);
    const AttentionProblem problem = make_attention_problem(at, 1);
    AttentionAnswer answer(problem);
    rescale_forgotten(problem, answer);
    CHECK_FALSE(judge(at, problem, answer).accepted);
  }
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
