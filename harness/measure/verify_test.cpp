#include "harness/measure/verify.hpp"

#include <limits>

#include <catch2/catch.hpp>

using namespace ashlar::measure;
using namespace ashlar::model;

namespace {

const double kInf = std::numeric_limits<double>::infinity();

TensorView view(std::vector<float>& data, std::vector<std::int64_t> shape = {}) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(data.size())};
  return {"y", ElementType::f32, std::move(shape), data.data()};
}

Tolerances tolerance(Tolerance limit) { return {{"y", limit}}; }

}  // namespace

TEST_CASE("norms of known errors") {
  std::vector<float> data = {1.0f, 2.5f, -4.0f, 8.0f};
  const Norms norms = norms_of({"y", {}, {1.0, 2.0, -4.0, 8.0}}, view(data));
  CHECK(norms.max_abs == 0.5);
  CHECK(norms.rms == Approx(0.25));
  CHECK(norms.relative_l2 == Approx(0.5 / std::sqrt(85.0)));
  CHECK(norms.max_rel == Approx(0.5 / std::sqrt(85.0 / 4)));
  CHECK(norms.compared == 4);
}

TEST_CASE("one unit in the last place is one, in every storage type") {
  std::vector<float> data = {std::nextafter(1.0f, 2.0f)};
  CHECK(norms_of({"y", {}, {1.0}}, view(data)).ulp_p99 == Approx(1.0));
  std::uint16_t bits = 0x3f81;  // bfloat16 after 1
  const TensorView brain{"y", ElementType::bf16, {1}, &bits};
  CHECK(norms_of({"y", {}, {1.0}}, brain).ulp_p99 == Approx(1.0));
}

TEST_CASE("a right answer passes, a wrong one names its worst elements by coordinates") {
  std::vector<float> data = {1, 2, 3, 4, 5, 60};
  const auto right =
      compare({{"y", {0, 1}, {1, 2}}}, {view(data, {2, 3})}, tolerance({.max_abs = 0}), nullptr);
  CHECK(right.accepted);
  const auto wrong = compare({{"y", {}, {1, 2, 3, 4, 5, 6}}}, {view(data, {2, 3})},
                             tolerance({.max_abs = 1e-3}), nullptr);
  CHECK_FALSE(wrong.accepted);
  CHECK_THAT(*wrong.mismatch, Catch::Contains("y(1, 2) is 60, expected 6"));
  CHECK(wrong.norms.at("y").at("max_abs") == 54.0);
}

TEST_CASE("NaN anywhere is rejected, also where nothing was sampled") {
  std::vector<float> data = {1, 2, std::numeric_limits<float>::quiet_NaN()};
  const auto result = compare({{"y", {0}, {1}}}, {view(data)}, tolerance({}), nullptr);
  CHECK_FALSE(result.accepted);
  CHECK_THAT(*result.mismatch, Catch::Contains("y(2) is NaN"));
}

TEST_CASE("infinities must be met exactly") {
  std::vector<float> data = {std::numeric_limits<float>::infinity(), 1.0f};
  CHECK(
      compare({{"y", {}, {kInf, 1.0}}}, {view(data)}, tolerance({.max_abs = 0}), nullptr).accepted);
  CHECK_FALSE(compare({{"y", {}, {-kInf, 1.0}}}, {view(data)}, tolerance({.max_abs = 1}), nullptr)
                  .accepted);
  CHECK_FALSE(
      compare({{"y", {}, {1.0, 1.0}}}, {view(data)}, tolerance({.max_abs = 1}), nullptr).accepted);
}

TEST_CASE("the yardstick's own error scales the limit") {
  std::vector<float> data = {1.03f};
  const Expected expected{{"y", {}, {1.0}}};
  const Expected yardstick{{"y", {}, {1.02}}};
  CHECK(compare(expected, {view(data)}, tolerance({.yardstick_factor = 2}), &yardstick).accepted);
  CHECK_FALSE(
      compare(expected, {view(data)}, tolerance({.yardstick_factor = 1.2}), &yardstick).accepted);
}

TEST_CASE("a missing or too small tensor is a wrong answer; a faulty oracle is an error") {
  std::vector<float> data = {1};
  const auto missing = compare({{"z", {}, {1.0}}}, {view(data)}, Tolerances{{"", {}}}, nullptr);
  CHECK_FALSE(missing.accepted);
  CHECK_THAT(*missing.mismatch, Catch::Contains("no tensor 'z'"));
  const auto shorter = compare({{"y", {}, {1.0, 2.0}}}, {view(data)}, tolerance({}), nullptr);
  CHECK_THAT(*shorter.mismatch, Catch::Contains("'y' has 1 elements, expected 2"));
  const auto sampled = compare({{"y", {5}, {1.0}}}, {view(data)}, tolerance({}), nullptr);
  CHECK_THAT(*sampled.mismatch, Catch::Contains("expected at least 6"));
  CHECK_THROWS_AS(compare({{"y", {}, {std::nan("")}}}, {view(data)}, tolerance({}), nullptr),
                  std::logic_error);
  CHECK_THROWS_AS(compare({{"y", {-1}, {1.0}}}, {view(data)}, tolerance({}), nullptr),
                  std::logic_error);
}
