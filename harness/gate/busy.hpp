#pragma once
#include <sys/types.h>

#include <vector>

namespace ashlar::gate {

/// Processes that do nothing but take CPU time from others, for as long as this lives.
class BusyLoops {
 public:
  /// Throws std::system_error.
  explicit BusyLoops(int count);
  ~BusyLoops();
  BusyLoops(const BusyLoops&) = delete;
  BusyLoops& operator=(const BusyLoops&) = delete;

 private:
  void end();

  std::vector<pid_t> processes_;
};

}  // namespace ashlar::gate
