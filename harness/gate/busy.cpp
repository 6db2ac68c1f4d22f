#include "harness/gate/busy.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace ashlar::gate {

BusyLoops::BusyLoops(int count) {
  const pid_t parent = getpid();
  for (int i = 0; i < count; ++i) {
    const pid_t process = fork();
    if (process < 0) {
      const int error = errno;
      end();
      throw std::system_error(error, std::generic_category(), "fork");
    }
    if (process == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(0);  // the parent died before prctl
      setpgid(0, 0);                      // a Ctrl-C at the terminal is for the parent
      volatile unsigned counter = 0;
      while (true) counter = counter + 1;
    }
    processes_.push_back(process);
  }
}

BusyLoops::~BusyLoops() { end(); }

void BusyLoops::end() {
  for (const pid_t process : processes_) {
    kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
  }
  processes_.clear();
}

}  // namespace ashlar::gate
