#include "harness/cli/resources.hpp"

#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "harness/run/plan.hpp"

namespace ashlar::cli {

namespace fs = std::filesystem;

namespace {

std::vector<fs::path> roots() {
  std::vector<fs::path> places;
  if (const char* share = std::getenv("ASHLAR_SHARE")) places.emplace_back(share);
  std::error_code ignored;
  const fs::path executable = fs::read_symlink("/proc/self/exe", ignored);
  if (!executable.empty())
    places.push_back(executable.parent_path().parent_path() / "share" / "ashlar");
  places.emplace_back(ASHLAR_SOURCE_DIR);
  return places;
}

}  // namespace

fs::path find_resource(const std::string& relative) {
  std::error_code unreadable;  // a place that may not be looked into holds nothing for us
  if (fs::path(relative).is_absolute() && fs::exists(relative, unreadable)) return relative;
  for (const fs::path& root : roots()) {
    if (fs::exists(root / relative, unreadable)) return root / relative;
  }
  return {};
}

fs::path resource(const std::string& relative) {
  const fs::path found = find_resource(relative);
  if (!found.empty()) return found;
  std::string places;
  for (const fs::path& root : roots()) places += (places.empty() ? "" : ", ") + root.string();
  throw run::UsageError(fmt::format(
      "'{}' is not among Ashlar's files (looked in {}); set ASHLAR_SHARE", relative, places));
}

}  // namespace ashlar::cli
