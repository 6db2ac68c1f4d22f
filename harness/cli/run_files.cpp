#include "harness/cli/run_files.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>

#include <fmt/format.h>

#include "harness/run/plan.hpp"

namespace ashlar::cli {

ScratchFolder::ScratchFolder() {
  const char* place = std::getenv("TMPDIR");
  std::string name = fmt::format("{}/ashlar-XXXXXX", place != nullptr ? place : "/tmp");
  if (mkdtemp(name.data()) == nullptr) {
    throw run::UsageError(fmt::format("cannot make a temporary folder '{}': {}; set TMPDIR", name,
                                      std::strerror(errno)));
  }
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string new_run_id() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return fmt::format("{}-{:08x}", text, std::random_device()());
}

}  // namespace ashlar::cli
