#include "impls/core/range.hpp"

#include <catch2/catch.hpp>
#include <type_traits>

namespace ashlar::core {
namespace {

TEST_CASE("ranges nest and cost nothing to declare without a listener", "[range]") {
  const Range outer("outer");
  for (std::int64_t block = 0; block < 3; ++block) {
    const Range inner("block", block);
  }
  static_assert(!std::is_copy_constructible_v<Range>);
  CHECK(kRangesCompiled == (ASHLAR_HAVE_NVTX != 0));
}

}  // namespace
}  // namespace ashlar::core
