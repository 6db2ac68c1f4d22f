#include "harness/machine/build.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "harness/machine/sha256.hpp"

namespace ashlar::machine {
namespace {

TEST_CASE("the build is described, no field left out") {
  const Json build = describe_build();
  for (const char* name : {"git", "compiler", "flags", "type", "assertions", "isa", "lto",
                           "sanitize", "threads", "cuda", "binary_sha256", "libraries"}) {
    INFO(name);
    CHECK(build.contains(name));
  }
  for (const char* name : {"sha", "dirty", "diff_hash"}) CHECK(build["git"].contains(name));
  CHECK(build["compiler"]["id"].is_string());
  CHECK(build["compiler"]["version"].is_string());
  CHECK(build["flags"].get<std::string>().find("$<") == std::string::npos);
  CHECK(build["isa"]["base"].is_string());
  CHECK(build["binary_sha256"] == *sha256_of_file("/proc/self/exe"));
}

TEST_CASE("what is known of git is well-formed") {
  const Json git = describe_build()["git"];
  for (const auto& [name, digits] : {std::pair("sha", 40U), std::pair("diff_hash", 64U)}) {
    if (git[name].is_null()) continue;
    CHECK(git[name].get<std::string>().size() == digits);
    CHECK(git[name].get<std::string>().find_first_not_of("0123456789abcdef") == std::string::npos);
  }
  CHECK((git["dirty"].is_null() || git["dirty"].is_boolean()));
  if (git["diff_hash"].is_string()) CHECK(git["dirty"] == true);
}

}  // namespace
}  // namespace ashlar::machine
