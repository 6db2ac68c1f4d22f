#include "harness/cli/run_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>

#include <fmt/format.h>

#include "harness/model/time.hpp"
#include "harness/run/plan.hpp"

namespace ashlar::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPrefix = "ashlar-scratch-";
constexpr const char* kLockFile = "owner.lock";

fs::path temporary_place() {
  const char* place = std::getenv("TMPDIR");
  return place != nullptr && *place != '\0' ? place : "/tmp";
}

/// Whether the lock could be taken and its file is still in its folder: another process may have
/// removed both between the opening and the locking.
bool lock_file(int descriptor, int how) {
  struct stat status {};
  return flock(descriptor, how) == 0 && fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

/// The lock file goes last, so that what a kill leaves of this is still known as left behind.
void remove_folder(const fs::path& folder) {
  std::error_code ignored;
  for (fs::directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored)) {
    if (entry->path().filename() != kLockFile) fs::remove_all(entry->path(), ignored);
  }
  fs::remove_all(folder, ignored);
}

/// Removes the folder unless its owner lives. One that has no lock file yet was left, or is being
/// made, at this moment: it goes only while it is empty, and who is making it makes another.
void remove_if_left(const fs::path& folder) {
  const int descriptor = open((folder / kLockFile).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) {
    if (errno == ENOENT) rmdir(folder.c_str());
    return;
  }
  if (lock_file(descriptor, LOCK_EX | LOCK_NB)) remove_folder(folder);
  close(descriptor);
}

void remove_left_folders(const fs::path& place) {
  std::error_code ignored;
  for (fs::directory_iterator entry(place, ignored), end; entry != end; entry.increment(ignored)) {
    struct stat status {};
    if (!entry->path().filename().string().starts_with(kPrefix)) continue;
    const bool own_folder = lstat(entry->path().c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
                            status.st_uid == geteuid();
    if (own_folder) remove_if_left(entry->path());
  }
}

}  // namespace

ScratchFolder::ScratchFolder() {
  const fs::path place = temporary_place();
  remove_left_folders(place);
  const std::string pattern = (place / (std::string(kPrefix) + "XXXXXX")).string();
  constexpr int kAttempts = 10;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::string name = pattern;
    if (mkdtemp(name.data()) == nullptr) break;
    lock_ = open((fs::path(name) / kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ >= 0 && lock_file(lock_, LOCK_EX)) {
      path_ = name;
      return;
    }
    if (lock_ < 0 && errno != ENOENT) break;
    if (lock_ >= 0) close(lock_);
  }
  throw run::UsageError(fmt::format("cannot make a temporary folder '{}': {}; set TMPDIR", pattern,
                                    std::strerror(errno)));
}

ScratchFolder::~ScratchFolder() {
  remove_folder(path_);
  close(lock_);
}

std::string new_run_id() {
  return fmt::format("{}-{:08x}", model::utc_now("%Y%m%dT%H%M%SZ"), std::random_device()());
}

}  // namespace ashlar::cli
