#include "harness/run/guardian.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

namespace ashlar::run {

namespace {

/// One message on the pipe; far below PIPE_BUF, so messages of several processes do not mix.
struct Message {
  pid_t group = 0;
  int care = 0;  // 1: take into care, 0: release
};

/// Whatever this process has open (record file, locks, the pipe's other end) must not live on in
/// the guardian.
void close_from(unsigned first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
  for (unsigned descriptor = first; descriptor < 4096; ++descriptor)
    close(static_cast<int>(descriptor));
}

/// Runs in the child of a process that may have threads, so nothing here allocates or locks.
[[noreturn]] void watch(int pipe) {
  setsid();  // out of reach of what is sent to the terminal's or the parent's group
  prctl(PR_SET_NAME, "ashlar-guardian");
  if (pipe != STDIN_FILENO) dup2(pipe, STDIN_FILENO);
  close_from(STDOUT_FILENO);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) signal(number, SIG_IGN);
  std::array<pid_t, 1024> groups{};
  std::size_t count = 0;
  Message message;
  while (true) {
    const ssize_t n = read(STDIN_FILENO, &message, sizeof message);
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(sizeof message)) break;
    auto* const end = groups.data() + count;
    auto* const found = std::find(groups.data(), end, message.group);
    if (message.care != 0 && found == end && count < groups.size()) groups[count++] = message.group;
    if (message.care == 0 && found != end) *found = groups[--count];
  }
  for (std::size_t i = 0; i < count; ++i) kill(-groups[i], SIGKILL);
  _exit(0);
}

void send(int pipe, Message message) {
  if (pipe < 0) return;
  ssize_t n = 0;
  do {
    n = write(pipe, &message, sizeof message);
  } while (n < 0 && errno == EINTR);
}

}  // namespace

Guardian& Guardian::instance() {
  static std::unique_ptr<Guardian> guardian;
  // A fork of the process that started it has one of its own, and lets go of the other's pipe.
  if (guardian && guardian->owner_ != getpid()) guardian.reset();
  if (!guardian) guardian.reset(new Guardian());
  return *guardian;
}

Guardian::Guardian() : owner_(getpid()) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  process_ = fork();
  if (process_ == 0) watch(ends[0]);
  close(ends[0]);
  if (process_ < 0) {
    close(ends[1]);
    return;
  }
  pipe_ = ends[1];
}

Guardian::~Guardian() {
  if (pipe_ < 0) return;
  close(pipe_);
  while (owner_ == getpid() && waitpid(process_, nullptr, 0) < 0 && errno == EINTR) continue;
}

void Guardian::enlist(pid_t group) const noexcept { send(pipe_, {group, 1}); }

void Guardian::release(pid_t group) const noexcept { send(pipe_, {group, 0}); }

}  // namespace ashlar::run
