#include "impls/core/simd.hpp"

#include <hwy/targets.h>

#include <catch2/catch.hpp>

namespace ashlar::core {
namespace {

TEST_CASE("names of instruction sets read back", "[simd]") {
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_bf16}) {
    CHECK(isa_from_name(name_of(isa)) == isa);
  }
  CHECK_FALSE(isa_from_name("avx9"));
}

TEST_CASE("a limit lowers what may be used, for its scope", "[simd]") {
  const Isa before = usable_isa();
  CHECK(before <= hardware_isa());
  CHECK(may_use(Isa::avx2));
  {
    const ScopedIsaLimit limit(Isa::avx2);
    CHECK(usable_isa() == Isa::avx2);
    CHECK_FALSE(may_use(Isa::avx512));
#if defined(__x86_64__)
    CHECK(highway_target() == "AVX2");
#endif
    {
      const ScopedIsaLimit higher(Isa::avx512_bf16);
      CHECK(usable_isa() == before);
    }
    CHECK(usable_isa() == Isa::avx2);
  }
  CHECK(usable_isa() == before);
  CHECK_FALSE(highway_target().empty());
#if defined(__x86_64__)
  CHECK((highway_target() == "AVX2") == (before == Isa::avx2));
#endif
}

TEST_CASE("dispatch is chosen when it is prepared, not by whoever calls first", "[simd]") {
  const ScopedIsaLimit limit(Isa::avx2);  // prepares
  CHECK(hwy::GetChosenTarget().IsInitialized());
}

TEST_CASE("to ask for the target changes nothing of a limit", "[simd]") {
  const ScopedIsaLimit limit(Isa::avx2);
  const std::size_t chosen = hwy::GetChosenTarget().GetIndex();
  const std::string_view name = highway_target();
  CHECK(hwy::GetChosenTarget().GetIndex() == chosen);
  CHECK(highway_target() == name);
}

}  // namespace
}  // namespace ashlar::core
