#include "harness/machine/timing_lock.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "harness/model/time.hpp"

namespace ashlar::machine {
namespace {

constexpr std::size_t kMostShown = 300;

}  // namespace

std::filesystem::path TimingLock::default_file() {
  if (const char* chosen = std::getenv("ASHLAR_TIMING_LOCK"); chosen != nullptr && *chosen != '\0')
    return chosen;
  std::error_code ignored;
  const bool usual = std::filesystem::is_directory("/run/lock", ignored) &&
                     ::access("/run/lock", W_OK | X_OK) == 0;
  return std::filesystem::path(usual ? "/run/lock" : "/tmp") / "ashlar-timing.lock";
}

TimingLock::TimingLock(std::filesystem::path file) : file_(std::move(file)) {}

TimingLock::~TimingLock() {
  if (held_ && ::ftruncate(descriptor_, 0) != 0) errno = 0;  // a stale name is only a name
  if (descriptor_ >= 0) ::close(descriptor_);
}

/// In a folder where everybody may write, Linux refuses O_CREAT on another user's file
/// (fs.protected_regular): an existing file is opened without it.
void TimingLock::open_file() {
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
  for (int attempt = 0; attempt < 10 && descriptor_ < 0; ++attempt) {
    descriptor_ = ::open(file_.c_str(), kFlags);
    if (descriptor_ >= 0 || errno != ENOENT) break;
    descriptor_ = ::open(file_.c_str(), kFlags | O_CREAT | O_EXCL, 0666);
    if (descriptor_ >= 0) ::fchmod(descriptor_, 0666);  // whatever the umask says: for all users
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), file_.string());
}

bool TimingLock::try_hold(const std::string& command) {
  if (held_) return true;
  if (descriptor_ < 0) open_file();
  int result = 0;
  do {
    result = ::flock(descriptor_, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    if (errno == EWOULDBLOCK) return false;
    throw std::system_error(errno, std::generic_category(), file_.string());
  }
  held_ = true;
  const std::string text =
      fmt::format("process {}, '{}', since {}\n", ::getpid(), command, model::utc_now());
  const bool written =
      ::ftruncate(descriptor_, 0) == 0 && ::pwrite(descriptor_, text.data(), text.size(), 0) > 0;
  if (!written) errno = 0;  // a full disk: the lock holds without a name on it
  return true;
}

std::optional<std::string> TimingLock::holder() const {
  std::string text(kMostShown, '\0');
  const int file = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return std::nullopt;
  const ssize_t length = ::read(file, text.data(), text.size());
  ::close(file);
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  text = text.substr(0, text.find('\n'));
  // Anybody may write there: nothing that moves a terminal's cursor is passed on.
  std::replace_if(
      text.begin(), text.end(),
      [](unsigned char letter) { return letter < 0x20 || letter == 0x7f; }, '?');
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace ashlar::machine
