#pragma once
// Two processes that measure time on one machine at once spoil each other's numbers, so each holds
// this lock while it measures. It is an flock: the kernel frees it however its holder ends, and
// programs that the holder starts do not inherit it.
#include <filesystem>
#include <optional>
#include <string>

namespace ashlar::machine {

class TimingLock {
 public:
  /// The file that all users of this machine share: $ASHLAR_TIMING_LOCK, else
  /// /run/lock/ashlar-timing.lock, else the same name below /tmp where there is no /run/lock.
  static std::filesystem::path default_file();

  explicit TimingLock(std::filesystem::path file = default_file());
  ~TimingLock();
  TimingLock(const TimingLock&) = delete;
  TimingLock& operator=(const TimingLock&) = delete;

  /// True when the lock is held now; false when another process has it. `command` is what others
  /// are shown. Throws std::system_error when the file can neither be opened nor made.
  bool try_hold(const std::string& command);
  bool held() const { return held_; }
  /// Who has it, in one line ("process 12, 'ashlar run', since 2026-07-04T10:20:30Z"); nothing
  /// where the file does not say.
  std::optional<std::string> holder() const;
  const std::filesystem::path& file() const { return file_; }

 private:
  void open_file();

  std::filesystem::path file_;
  int descriptor_ = -1;
  bool held_ = false;
};

}  // namespace ashlar::machine
