// The line search on functions of one variable whose minima are known, and on those that have none.
#include "impls/bcd/line_search.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

namespace ashlar::bcd {
namespace line_search_tests {

TEST_CASE("line search: a full step that decreases enough costs one value") {
  const LineSearchResult result = search_line([](double t) { return (t - 1) * (t - 1); }, 1, -2);
  CHECK(result.accepted);
  CHECK(result.step == 1);
  CHECK(result.value == 0);
  CHECK(result.trials == 1);
}

TEST_CASE("line search: the first back-off is exact on a quadratic, the second on a cubic") {
  // (t - 0.3)^2: 1 is too far.
  const LineSearchResult quadratic =
      search_line([](double t) { return (t - 0.3) * (t - 0.3); }, 0.09, -0.6);
  CHECK(quadratic.trials == 2);
  CHECK(quadratic.step == Approx(0.3).epsilon(1e-14));
  // -t + 0.1 t^2 + 60 t^3: the quadratic through t = 1 goes to 1/120.2, which is accepted at once;
  // with that value spoiled, the cubic through both would be found.
  const auto cubic = [](double t) { return -t + 0.1 * t * t + 60 * t * t * t; };
  std::vector<double> asked;
  const LineSearchResult second = search_line(
      [&](double t) {
        asked.push_back(t);
        return t == 1 || t > 0.2 ? cubic(t) : 1e-300 + cubic(t);
      },
      0, -1);
  CHECK(second.accepted);
  CHECK(asked.at(1) == Approx(1 / 120.2));
}

TEST_CASE("line search: the cubic through two trials has its minimum where the function has") {
  // -t + b t^2 + a t^3 with a far minimum: t = 1 and t = 1/2 (the clamp of the quadratic's step)
  // fail.
  const double a = 400;
  const double b = -300;  // dips, rises, and the quadratic through t = 1 lies too far right
  const auto f = [&](double t) { return -t + b * t * t * t + a * t * t * t * t * t; };
  std::vector<double> asked;
  const LineSearchResult result = search_line(
      [&](double t) {
        asked.push_back(t);
        return f(t);
      },
      0, -1);
  CHECK(result.accepted);
  CHECK(result.value == f(result.step));
  CHECK(result.value <= 1e-10 * result.step * -1);
  for (std::size_t i = 1; i < asked.size(); ++i) {
    CHECK(asked[i] <= asked[i - 1] / 2);
    CHECK(asked[i] >= asked[i - 1] * 1e-3);
  }
}

TEST_CASE("line search: values that are not finite are cut through") {
  // log's domain ends at t = 1e-4.
  const LineSearchResult result = search_line(
      [](double t) { return t < 1e-4 ? -t - 1e-5 * std::log(1 - 1e4 * t) : NAN; }, 0, -0.9);
  CHECK(result.accepted);
  CHECK(result.step < 1e-4);
  CHECK(result.value < 0);
  const LineSearchResult infinite =
      search_line([](double t) { return t < 1e-3 ? -t : INFINITY; }, 0, -1);
  CHECK(infinite.accepted);
  CHECK(infinite.value < 0);
}

TEST_CASE("line search: without a decrease it ends, and says so") {
  int asked = 0;
  const auto rises = [&](double t) {
    ++asked;
    return 1 + t;
  };
  LineSearchResult result = search_line(rises, 1, -1);
  CHECK_FALSE(result.accepted);
  CHECK(result.step == 0);
  CHECK(result.value == 1);
  CHECK(result.trials == asked);
  CHECK(asked <= 60);
  result = search_line([](double) { return NAN; }, 1, -1);
  CHECK_FALSE(result.accepted);
  CHECK_FALSE(search_line(rises, 1, 0).accepted);
  CHECK_FALSE(search_line(rises, 1, 1).accepted);
  CHECK_FALSE(search_line(rises, 1, NAN).accepted);
  CHECK_FALSE(search_line(rises, NAN, -1).accepted);
}

TEST_CASE("line search: a decrease below the resolution of f is taken on trust") {
  // f about 5e6, promised decrease 1e-10: one ulp of f is 1e-9.
  const double value = 5453511.848984;
  const double ulp = std::nextafter(value, INFINITY) - value;
  const LineSearchResult result = search_line([&](double) { return value + ulp; }, value, -1e-10);
  CHECK(result.accepted);
  CHECK(result.step == 1);
  // Not so a visible increase, nor a promise that is visible.
  CHECK_FALSE(search_line([&](double t) { return value + 1e-6 * t; }, value, -1e-10).accepted);
  CHECK_FALSE(search_line([&](double t) { return value + ulp * t; }, value, -1).accepted);
}

}  // namespace line_search_tests
}  // namespace ashlar::bcd
