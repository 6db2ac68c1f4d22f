#pragma once
// No worker outlives the process that started it, however that process ends.
//
// A worker asks the kernel to be killed with its parent, but that wish is not inherited by what the
// worker starts itself (a shell, a pool of Python processes). So a small process waits beside this
// one at the end of a pipe that only this one holds open: when the pipe ends, also by `kill -9`, it
// kills every process group in its care and ends. A process that leaves its worker's group is out
// of its reach.
#include <sys/types.h>

namespace ashlar::run {

class Guardian {
 public:
  /// The one of this process, started at the first call. Where it cannot be started, its functions
  /// do nothing.
  static Guardian& instance();

  /// Takes a process group into care. Allowed between fork and exec: a worker enlists itself, so
  /// that there is no moment in which it runs and is not known.
  void enlist(pid_t group) const noexcept;
  /// The group has ended.
  void release(pid_t group) const noexcept;
  /// -1 where it could not be started.
  pid_t id() const { return process_; }

  ~Guardian();
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

 private:
  Guardian();

  pid_t owner_;
  pid_t process_ = -1;
  int pipe_ = -1;
};

}  // namespace ashlar::run
