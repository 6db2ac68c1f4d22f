#include "harness/report/holes.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/text.hpp"

namespace ashlar::report {

void Holes::add(const std::string& implementation, const std::string& why,
                const std::string& reason) {
  Hole& hole = holes_[implementation][why];
  ++hole.count;
  hole.reasons.insert(reason);
}

std::string Holes::phrase(const std::string& implementation) const {
  const std::size_t points = points_.at(implementation);
  std::vector<std::string> parts;
  for (const auto& [why, hole] : holes_.at(implementation)) {
    const std::string& reason = *hole.reasons.begin();
    if (hole.count < points) {
      parts.push_back(fmt::format("{} at {} of {}", why, hole.count, count_of(points, "point")));
    } else if (hole.reasons.size() == 1 && !reason.empty()) {
      parts.push_back(fmt::format("{}: {}", why, reason));
    } else {
      parts.push_back(why + " at every point");
    }
  }
  return fmt::format("{}", fmt::join(parts, " and "));
}

std::string Holes::text(const std::vector<std::string>& order, const std::string& baseline) const {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const std::string& name : order) {
    if (!holes_.contains(name)) continue;
    const std::string why = phrase(name);
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& known) { return known.first == why; });
    if (group == groups.end()) group = groups.insert(groups.end(), {why, {}});
    group->second.push_back(name);
  }
  std::vector<std::string> parts;
  if (incomparable_ > 0) {
    parts.push_back(fmt::format("{} of {} without a time of {}", incomparable_,
                                count_of(incomparable_ + comparable_, "point"), baseline));
  }
  for (const auto& [why, names] : groups) parts.push_back(enumeration(names) + ' ' + why);
  if (parts.empty()) return "";
  return fmt::format("Not drawn: {}.", fmt::join(parts, "; "));
}

}  // namespace ashlar::report
