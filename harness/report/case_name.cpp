#include "harness/report/case_name.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/report/text.hpp"

namespace ashlar::report {

namespace {

std::set<CaseName> names_of(const record::RecordSet& records) {
  std::set<CaseName> all;
  for (const auto& record : records.cases) all.insert({record.case_id, record.key});
  for (const auto& record : records.studies) all.insert({record.case_id, record.key});
  return all;
}

/// The whole words at the end of a key: "dtype=f32/flash", "/flash", "flash", not "sh".
bool ends_key(const std::string& key, std::string_view selector) {
  if (selector.empty() || !key.ends_with(selector)) return false;
  const std::size_t start = key.size() - selector.size();
  constexpr std::string_view kBoundaries = "/,";
  return start == 0 || kBoundaries.find(key[start]) != std::string_view::npos ||
         kBoundaries.find(key[start - 1]) != std::string_view::npos;
}

/// The part of a key after suite and experiment.
std::string_view short_key(std::string_view key) {
  for (int slashes = 0; slashes < 2; ++slashes) {
    const std::size_t slash = key.find('/');
    if (slash == std::string_view::npos) break;
    key.remove_prefix(slash + 1);
  }
  return key;
}

/// One line with a few of the matches; the start of their keys only where it differs.
std::string ambiguous(std::string_view selector, const std::vector<CaseName>& matches) {
  constexpr std::size_t kListed = 3;
  const auto start_of = [](const CaseName& match) {
    return match.key.substr(0, match.key.size() - short_key(match.key).size());
  };
  const bool one_start = std::all_of(matches.begin(), matches.end(), [&](const CaseName& match) {
    return start_of(match) == start_of(matches.front());
  });
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(kListed, matches.size()); ++i) {
    parts.push_back(fmt::format("{} ({})", matches[i].case_id,
                                one_start ? short_key(matches[i].key) : matches[i].key));
  }
  if (matches.size() > kListed) parts.push_back(fmt::format("{} more", matches.size() - kListed));
  return fmt::format("'{}' is the name of {}; say an id or more of the key: {}", selector,
                     count_of(matches.size(), "case"), enumeration(parts));
}

}  // namespace

CaseName find_case(const record::RecordSet& records, std::string_view selector) {
  const std::set<CaseName> all = names_of(records);
  std::vector<CaseName> matches;
  std::vector<std::string> names;
  for (const CaseName& candidate : all) {
    if (candidate.key == selector || candidate.case_id == selector) return candidate;
    const bool beginning = selector.size() >= 4 && candidate.case_id.starts_with(selector);
    if (beginning || ends_key(candidate.key, selector)) matches.push_back(candidate);
    names.push_back(candidate.key);
    names.emplace_back(short_key(candidate.key));
    names.push_back(candidate.key.substr(candidate.key.rfind('/') + 1));
  }
  if (matches.size() == 1) return matches.front();
  if (!matches.empty()) throw std::invalid_argument(ambiguous(selector, matches));
  const auto near = model::nearest_name(selector, names);
  throw std::invalid_argument(
      fmt::format("no case '{}' in these records{}", selector,
                  near ? fmt::format("; did you mean '{}'?", *near)
                       : fmt::format(" ({}); `ashlar table --format csv` lists their keys and ids",
                                     count_of(all.size(), "case"))));
}

}  // namespace ashlar::report
