#pragma once
// What a run will do: experiments x points x implementations, chosen by filters.
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "harness/model/suite.hpp"

namespace ashlar::run {

/// The user's choice. A name that does not exist, or a choice that leaves nothing, is a UsageError.
struct Filter {
  std::vector<std::string> suites;  // empty: all
  std::vector<std::pair<std::string, std::string>>
      where;                      // axis, value; the same axis twice: either value
  std::vector<std::string> only;  // regular expressions on the case key
  std::vector<std::string> skip;
  std::vector<std::string> tiers;  // empty: all
};

/// Wrong words from the user: one line that says what, and what to do. Exit code 3.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct PlannedPoint {
  const model::Experiment* experiment = nullptr;
  model::Point point;
  std::vector<const model::Implementation*> implementations;
  bool with_controls = false;  // the experiment's smallest point
};

/// One part of a plan of which several machines or jobs do one each.
struct Shard {
  int index = 1;  // from 1
  int count = 1;
};

struct Plan {
  model::Mode mode = model::Mode::quick;
  std::uint64_t seed = 0;
  std::vector<PlannedPoint> points;  // least work first
  std::string hash;                  // of the sorted case ids, the mode and the seed

  std::size_t cases() const;
};

std::string case_key(const model::Experiment& experiment, const model::Point& point,
                     std::string_view implementation);
/// Sixteen hexadecimal digits from the key.
std::string case_id(std::string_view key);
/// Seed of a point's problem: from the run's seed and the point, the same for all implementations.
std::uint64_t point_seed(std::uint64_t run_seed, const model::Experiment& experiment,
                         const model::Point& point);

Plan make_plan(const model::Registry& registry, const Filter& filter, model::Mode mode,
               std::uint64_t seed);

/// Points fall to shards by a hash of experiment and point, so that all implementations of a point
/// stay together and every shard knows its own without asking. The hash of the plan stays that of
/// the whole, as shards belong together by it; a shard may be without any point.
Plan part_of(const Plan& whole, const Shard& shard);
/// "2/4". Throws UsageError.
Shard parse_shard(const std::string& text);

}  // namespace ashlar::run
