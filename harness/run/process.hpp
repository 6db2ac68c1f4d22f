#pragma once
// A worker as a child process: its own process group, JSON lines on pipes, a deadline and a memory
// limit.
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/record/record.hpp"
#include "harness/run/group_memory.hpp"

namespace ashlar::run {

using model::Json;

struct Limits {
  std::chrono::milliseconds deadline{30'000};  // for one reply
  std::int64_t memory_bytes = 0;               // resident, of the whole group; 0: none
};

/// What came back for one request.
struct Reply {
  enum class Kind { message, exited, timeout, out_of_memory, garbled };
  Kind kind = Kind::message;
  Json message;        // kind == message
  record::Exit exit;   // otherwise
  std::string reason;  // otherwise: one line, with the end of the worker's standard error
};

class WorkerProcess {
 public:
  /// Starts the command with `environment` added to this process's own. Standard error goes to a
  /// file in `folder`. The child's whole process group dies with its parent (guardian.hpp). Throws
  /// std::system_error when it cannot be started.
  WorkerProcess(const std::vector<std::string>& command,
                const std::map<std::string, std::string>& environment,
                const std::filesystem::path& folder);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Sends one line and waits for one line. On anything but a message the process group has been
  /// killed.
  Reply request(const Json& message, const Limits& limits);
  /// The halves of request(). Own workers take several lines before the first answer is received;
  /// they answer in order.
  void send(const std::vector<Json>& messages);
  Reply receive(const Limits& limits);
  bool alive() const { return process_ > 0; }
  /// Processes that outlived SIGKILL, which the kernel holds on to (a driver's call that hangs):
  /// the machine cannot be trusted with further timing.
  static int unkillable();
  pid_t id() const { return process_; }
  /// Closes its input, gives it a moment, then kills the group.
  void stop();

 private:
  /// The next whole line that has arrived, as a reply.
  std::optional<Reply> take_line();
  /// Waits one tick for output; the failure when the worker is gone.
  std::optional<Reply> read_some();
  std::optional<Reply> broken_limit(const Limits& limits, MemoryWatch& memory,
                                    std::chrono::steady_clock::time_point deadline);
  Reply failure(Reply::Kind kind, const std::string& what);
  /// Waits up to `grace` for the process to end by itself, then kills its group.
  record::Exit kill_group(std::chrono::milliseconds grace);
  std::string error_tail() const;

  pid_t process_ = -1;
  int input_ = -1;   // its standard input
  int output_ = -1;  // its standard output
  std::string pending_;
  std::filesystem::path error_file_;
};

}  // namespace ashlar::run
