// The claim files of this suite: they load, name only what the suite declares, and speak of what
// they should.
#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "harness/claims/judge.hpp"
#include "suites/flashattention2/suite.hpp"

using namespace ashlar;

namespace {

claims::ClaimFile file(const std::string& name) {
  return claims::load(std::string(ASHLAR_SOURCE_DIR "/suites/flashattention2/") + name);
}

claims::Catalog declared() {
  claims::Catalog catalog;
  claims::add_declarations(catalog, flashattention2::suite::make());
  return catalog;
}

const claims::Claim& find(const claims::ClaimFile& from, const std::string& id) {
  const auto found = std::find_if(from.claims.begin(), from.claims.end(),
                                  [&](const claims::Claim& claim) { return claim.id == id; });
  INFO(id);
  REQUIRE(found != from.claims.end());
  return *found;
}

/// Whether the points of a mode hold every combination of the values that the claim lists.
bool reached_in(const claims::Claim& claim, model::Mode mode) {
  const model::Suite suite = flashattention2::suite::make();
  const model::Experiment* experiment = suite.find(claim.check->experiment.text);
  if (experiment == nullptr) return false;
  const auto points = experiment->points(mode);
  return std::all_of(
      claim.check->where.begin(), claim.check->where.end(), [&](const claims::Constraint& axis) {
        return std::all_of(axis.values.begin(), axis.values.end(), [&](const model::Value& value) {
          return std::any_of(points.begin(), points.end(), [&](const model::Point& point) {
            const model::Value* there = point.find(axis.axis.text);
            return there != nullptr && *there == value;
          });
        });
      });
}

bool on_cpu(const claims::Claim& claim) {
  const auto named = [](const std::optional<claims::Side>& side, const char* part) {
    return side && side->implementation.text.find(part) != std::string::npos;
  };
  return claim.on.empty() && !named(claim.check->of, "mma") && !named(claim.check->of, "cuda");
}

}  // namespace

TEST_CASE("the claim files name only what the suite declares, and need what they say they need") {
  for (const char* name : {"claims.toml", "goals.toml"}) {
    INFO(name);
    const claims::ClaimFile loaded = file(name);
    CHECK(loaded.suite == "flashattention2");
    CHECK(loaded.claims.size() > 20);
    CHECK(claims::validate(loaded, declared()).empty());  // throws on unknown names
  }
  CHECK(file("claims.toml").title.empty());
  CHECK_FALSE(file("goals.toml").title.empty());
}

TEST_CASE("exactness is required, speed is not") {
  std::set<std::string> required;
  for (const char* name : {"claims.toml", "goals.toml"})
    for (const claims::Claim& claim : file(name).claims)
      if (claim.required) required.insert(claim.id);
  CHECK(required == std::set<std::string>{"fa2-exact", "fa2-exact-16-bit", "fa2-exact-gpu",
                                          "fa2-exact-16-bit-gpu", "fa2-lse-exact",
                                          "fa2-exact-backward", "fa2-exact-backward-16-bit",
                                          "fa2-exact-both-passes", "fa2-exact-features",
                                          "fa2-deterministic", "fa2-nonmatmul-formula"});
}

TEST_CASE("a part of the lengths is not taken for all of them") {
  const claims::ClaimFile loaded = file("claims.toml");
  for (const char* id :
       {"fa2-beats-standard", "fa2-vs-standard", "fa2-beats-fa1", "fa2-standard-causal",
        "fa2-vs-standard-cpu-full", "fa2-vs-standard-cpu-causal", "fa2-standard-causal-cpu",
        "fa2-loop-order-cpu", "fa2-utilisation-cpu"}) {
    const claims::Claim& claim = find(loaded, id);
    std::set<std::string> listed;
    for (const claims::Constraint& axis : claim.check->where)
      if (!axis.range) listed.insert(axis.axis.text);
    INFO(id);
    CHECK(listed.contains("seqlen"));
    CHECK(listed.contains("head_dim"));
    CHECK_FALSE(reached_in(claim, model::Mode::quick));
  }
}

TEST_CASE("quick mode reaches claims and goals of its own") {
  for (const char* name : {"claims.toml", "goals.toml"}) {
    std::size_t reached = 0;
    for (const claims::Claim& claim : file(name).claims)
      if (claim.check && claim.needs.empty() && on_cpu(claim) &&
          reached_in(claim, model::Mode::quick))
        ++reached;
    INFO(name);
    CHECK(reached >= 10);
  }
}

TEST_CASE("bars that are missing in the figures of the H100 are claims about PyTorch's bytes") {
  std::size_t bars = 0;
  for (const claims::Claim& claim : file("claims.toml").claims) {
    if (claim.reported != "out of memory" || claim.setting.find("H100") == std::string::npos)
      continue;
    ++bars;
    INFO(claim.id);
    CHECK(claim.reach == claims::Reach::model);
    CHECK(claim.needs.empty());
    REQUIRE(claim.check.has_value());
    CHECK(claim.check->experiment.text == "pytorch-memory");
  }
  CHECK(bars == 10);  // four shapes in figure 7 and forward, two backward
}

TEST_CASE("without records nothing is judged, and nothing is contradicted") {
  for (const char* name : {"claims.toml", "goals.toml"})
    for (const claims::Verdict& verdict : claims::judge(file(name), {}, declared())) {
      INFO(verdict.id);
      CHECK((verdict.outcome == claims::Outcome::not_run ||
             verdict.outcome == claims::Outcome::out_of_reach));
    }
}
