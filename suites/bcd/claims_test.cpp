// The claim files of this suite: they load, name only what the suite declares, and speak of what
// they should.
#include <set>

#include <catch2/catch.hpp>

#include "harness/claims/judge.hpp"
#include "suites/bcd/suite.hpp"

using namespace ashlar;

namespace {

claims::ClaimFile file(const std::string& name) {
  return claims::load(std::string(ASHLAR_SOURCE_DIR "/suites/bcd/") + name);
}

claims::Catalog declared() {
  claims::Catalog catalog;
  claims::add_declarations(catalog, bcd::suite::make());
  return catalog;
}

}  // namespace

TEST_CASE("the claim files of bcd name only what the suite declares") {
  for (const auto& [name, most] : {std::pair("claims.toml", 300), std::pair("goals.toml", 7)}) {
    INFO(name);
    const claims::ClaimFile loaded = file(name);
    CHECK(loaded.suite == "bcd");
    CHECK(loaded.claims.size() > static_cast<std::size_t>(most));
    CHECK(claims::validate(loaded, declared()).empty());  // throws on unknown names
  }
}

TEST_CASE("what is exact or proved is required in bcd") {
  std::set<std::string> required;
  for (const char* name : {"claims.toml", "goals.toml"})
    for (const claims::Claim& claim : file(name).claims)
      if (claim.required) required.insert(claim.id);
  CHECK(required == std::set<std::string>{"bcd-d-optimum", "bcd-fig4b-start", "bcd-fig8-b-start",
                                          "bcd-thm-progress", "bcd-thm-bound-order",
                                          "bcd-forest-exact"});
}

TEST_CASE("without records nothing of bcd is judged") {
  for (const char* name : {"claims.toml", "goals.toml"})
    for (const claims::Verdict& verdict : claims::judge(file(name), {}, declared())) {
      INFO(verdict.id);
      CHECK((verdict.outcome == claims::Outcome::not_run ||
             verdict.outcome == claims::Outcome::out_of_reach));
    }
}
