#include "harness/run/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "harness/run/guardian.hpp"

namespace ashlar::run {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kTick_ms = 20;                       // how often limits are looked at while waiting
constexpr std::chrono::milliseconds kGrace{2000};  // for a worker that is ending by itself
constexpr std::chrono::seconds kDeath{20};         // for the kernel to end a killed process
constexpr std::size_t kLongestLine = std::size_t{64} << 20;

std::atomic<int> unkillable_processes{0};

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// In the child: runs the command; returns only when that fails.
void become(const std::vector<std::string>& command,
            const std::map<std::string, std::string>& environment, int input, int output,
            int errors, pid_t parent, const Guardian& guardian) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before prctl
  guardian.enlist(getpid());
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  signal(SIGINT, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const std::string message = "cannot start " + command[0] + ": " + std::strerror(errno) + "\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, message.data(), message.size());
  _exit(127);
}

/// Returns when the child has ended, or after `limit`.
void await_end(pid_t child, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  siginfo_t ended{};
  const auto still_running = [&] {
    ended.si_pid = 0;
    return waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
  };
  while (still_running() && Clock::now() < deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count() + 1;
    pollfd ready{handle, POLLIN, 0};
    // An old kernel has no handles for processes: look again every millisecond.
    poll(&ready, handle >= 0 ? 1 : 0, handle >= 0 ? static_cast<int>(left) : 1);
  }
  if (handle >= 0) close(handle);
}

std::string describe(const record::Exit& exit) {
  if (exit.signal)
    return fmt::format("killed by signal {} ({})", *exit.signal, strsignal(*exit.signal));
  if (exit.status) return fmt::format("exited with status {}", *exit.status);
  return "ended";
}

}  // namespace

WorkerProcess::WorkerProcess(const std::vector<std::string>& command,
                             const std::map<std::string, std::string>& environment,
                             const std::filesystem::path& folder) {
  static std::atomic<int> serial{0};
  error_file_ = folder / fmt::format("worker-{}.stderr", serial++);
  int to_child[2];
  int from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) fail("pipe");
  const int errors =
      open(error_file_.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (errors < 0) fail(error_file_.string());
  const pid_t parent = getpid();
  const Guardian& guardian = Guardian::instance();
  process_ = fork();
  if (process_ < 0) fail("fork");
  if (process_ == 0)
    become(command, environment, to_child[0], from_child[1], errors, parent, guardian);
  setpgid(process_, process_);
  close(to_child[0]);
  close(from_child[1]);
  close(errors);
  input_ = to_child[1];
  output_ = from_child[0];
}

WorkerProcess::~WorkerProcess() { stop(); }

int WorkerProcess::unkillable() { return unkillable_processes; }

void WorkerProcess::stop() {
  if (input_ >= 0) close(input_);
  input_ = -1;
  kill_group(kGrace);
  if (output_ >= 0) close(output_);
  output_ = -1;
}

Reply WorkerProcess::request(const Json& message, const Limits& limits) {
  send({message});
  return receive(limits);
}

/// A worker that is gone is noticed when its answer is waited for.
void WorkerProcess::send(const std::vector<Json>& messages) {
  if (!alive()) return;
  std::string lines;
  for (const Json& message : messages) lines += message.dump() + "\n";
  std::size_t sent = 0;
  while (sent < lines.size()) {
    const ssize_t n = write(input_, lines.data() + sent, lines.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    sent += static_cast<std::size_t>(n);
  }
}

std::optional<Reply> WorkerProcess::take_line() {
  const std::size_t end = pending_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  const std::string line = pending_.substr(0, end);
  pending_.erase(0, end + 1);
  Reply reply;
  reply.message = Json::parse(line, nullptr, false);
  if (reply.message.is_object()) return reply;
  return failure(Reply::Kind::garbled,
                 "answered with something that is no JSON object: " + line.substr(0, 80));
}

std::optional<Reply> WorkerProcess::read_some() {
  pollfd ready{output_, POLLIN, 0};
  if (poll(&ready, 1, kTick_ms) <= 0) return std::nullopt;
  char buffer[65536];
  const ssize_t n = read(output_, buffer, sizeof buffer);
  if (n < 0 && errno == EINTR) return std::nullopt;
  if (n <= 0) return failure(Reply::Kind::exited, "");
  pending_.append(buffer, static_cast<std::size_t>(n));
  if (pending_.size() > kLongestLine && pending_.find('\n') == std::string::npos)
    return failure(Reply::Kind::garbled, "answered with a line that does not end");
  return std::nullopt;
}

std::optional<Reply> WorkerProcess::broken_limit(const Limits& limits, MemoryWatch& memory,
                                                 Clock::time_point deadline) {
  if (const std::int64_t used = memory.excess(); used > 0) {
    return failure(Reply::Kind::out_of_memory,
                   fmt::format("used {} MiB, more than the limit of {} MiB", used >> 20,
                               limits.memory_bytes >> 20));
  }
  if (Clock::now() < deadline) return std::nullopt;
  return failure(Reply::Kind::timeout,
                 fmt::format("no answer within {:.0f} s",
                             static_cast<double>(limits.deadline.count()) / 1000.0));
}

Reply WorkerProcess::receive(const Limits& limits) {
  if (!alive()) return failure(Reply::Kind::exited, "the worker is not running");
  const auto deadline = Clock::now() + limits.deadline;
  MemoryWatch memory(process_, limits.memory_bytes);
  while (true) {
    if (auto reply = take_line()) return *reply;
    if (auto gone = read_some()) return *gone;
    if (pending_.find('\n') != std::string::npos) continue;  // in time
    if (auto broken = broken_limit(limits, memory, deadline)) return *broken;
  }
}

Reply WorkerProcess::failure(Reply::Kind kind, const std::string& what) {
  Reply reply;
  reply.kind = kind;
  const bool by_itself = kind == Reply::Kind::exited;
  reply.exit = kill_group(by_itself ? kGrace : std::chrono::milliseconds(0));
  reply.exit.timed_out = kind == Reply::Kind::timeout;
  reply.reason = what.empty() ? describe(reply.exit) : what;
  const std::string tail = error_tail();
  if (!tail.empty()) reply.reason += ": " + tail;
  return reply;
}

record::Exit WorkerProcess::kill_group(std::chrono::milliseconds grace) {
  record::Exit exit;
  if (process_ <= 0) return exit;
  int status = 0;
  const auto ended_within = [&](std::chrono::milliseconds limit) {
    await_end(process_, limit);
    return waitpid(process_, &status, WNOHANG) == process_;
  };
  // A process that is ending by itself gets a moment, so that its own status is seen.
  bool ended = ended_within(grace);
  kill(-process_, SIGKILL);  // the whole group: also what it may have started
  ended = ended || ended_within(kDeath);
  Guardian::instance().release(process_);
  process_ = -1;
  if (!ended) {
    ++unkillable_processes;
    return exit;
  }
  if (WIFEXITED(status)) exit.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) exit.signal = WTERMSIG(status);
  return exit;
}

std::string WorkerProcess::error_tail() const {
  std::ifstream file(error_file_);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) last = line;
  }
  return last.substr(0, 300);
}

}  // namespace ashlar::run
