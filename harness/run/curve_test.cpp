#include "harness/run/curve.hpp"

#include <algorithm>
#include <cmath>

#include <catch2/catch.hpp>

using namespace ashlar;
using run::kMostCurvePoints;
using run::thinned;

namespace {

model::Curve decaying(int rows) {
  model::Curve curve{"gap", {{"iteration", {}}, {"gap", {}}}};
  for (int i = 0; i < rows; ++i) {
    curve.columns[0].second.push_back(i);
    curve.columns[1].second.push_back(std::exp(-0.001 * i));
  }
  return curve;
}

}  // namespace

TEST_CASE("a short curve is kept as it is") {
  const model::Curve curve = decaying(200);
  CHECK(thinned(curve).columns == curve.columns);
  CHECK(thinned({"empty", {}}).columns.empty());
}

TEST_CASE("a long curve keeps its ends, few rows, and where it crosses powers of ten") {
  const model::Curve whole = decaying(20'000);
  const model::Curve kept = thinned(whole);
  const auto& iteration = kept.columns[0].second;
  const auto& gap = kept.columns[1].second;
  REQUIRE(iteration.size() == gap.size());
  CHECK(iteration.front() == 0);
  CHECK(iteration.back() == 19'999);
  CHECK(std::is_sorted(iteration.begin(), iteration.end()));
  CHECK(iteration.size() <= kMostCurvePoints + 10);
  // exp(-0.001 i) < 1e-4 from i = 9211 on.
  const auto below = std::find_if(gap.begin(), gap.end(), [](double y) { return y < 1e-4; });
  CHECK(iteration[static_cast<std::size_t>(below - gap.begin())] == 9211);
}
