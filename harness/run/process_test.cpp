#include "harness/run/process.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

#include "harness/run/guardian.hpp"

using namespace ashlar::run;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "ashlar-process-test-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

const char* const kEcho = "while read line; do echo '{\"ok\": true}'; done";

bool group_is_gone_within(pid_t group, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (resident_bytes_of_group(group) == 0) return true;  // a zombie holds nothing
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

Limits limits(int deadline_ms, std::int64_t memory_bytes = 0) {
  return {std::chrono::milliseconds(deadline_ms), memory_bytes};
}

}  // namespace

TEST_CASE("a worker answers, ends when its input ends, and its group is gone") {
  const Folder folder;
  WorkerProcess worker({"sh", "-c", std::string("sleep 1000 & ") + kEcho}, {}, folder.path);
  const pid_t group = worker.id();
  CHECK(worker.request({{"do", "hello"}}, limits(10'000)).message.at("ok") == true);
  CHECK(resident_bytes_of_group(group) > 0);
  CHECK(proportional_bytes_of_group(group) > 0);
  worker.stop();
  CHECK(group_is_gone_within(group, std::chrono::seconds(5)));
}

TEST_CASE("when this process is killed, workers die with all that they started") {
  const Folder folder;
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t supervisor = fork();
  if (supervisor == 0) {
    // What a worker starts does not ask to die with anybody, and its input does not end.
    WorkerProcess worker({"sh", "-c", std::string("(sleep 1000; true) & ") + kEcho}, {},
                         folder.path);
    worker.request({{"do", "hello"}}, limits(10'000));
    const pid_t pids[2] = {worker.id(), Guardian::instance().id()};
    [[maybe_unused]] const ssize_t written = write(ready[1], pids, sizeof pids);
    while (true) pause();
  }
  pid_t pids[2] = {0, 0};
  REQUIRE(read(ready[0], pids, sizeof pids) == sizeof pids);
  CHECK_FALSE(group_is_gone_within(pids[0], std::chrono::seconds(0)));
  kill(supervisor, SIGKILL);
  waitpid(supervisor, nullptr, 0);
  CHECK(group_is_gone_within(pids[0], std::chrono::seconds(5)));
  CHECK(group_is_gone_within(pids[1], std::chrono::seconds(5)));  // the guardian ends too
  close(ready[0]);
  close(ready[1]);
}

TEST_CASE("the memory of what a worker starts counts") {
  const Folder folder;
  constexpr std::int64_t kMiB = 1 << 20;
  // The leader stays small; its child takes 200 MiB and keeps it.
  const char* const hoard = "import time; x = bytearray(b'x') * (200 << 20); time.sleep(60)";
  WorkerProcess worker({"sh", "-c", std::string("python3 -c \"") + hoard + "\" & sleep 60"}, {},
                       folder.path);
  const pid_t group = worker.id();
  const Reply reply = worker.request({{"do", "hello"}}, limits(30'000, 100 * kMiB));
  CHECK(reply.kind == Reply::Kind::out_of_memory);
  CHECK_THAT(reply.reason, Catch::Contains("more than the limit of 100 MiB"));
  CHECK(group_is_gone_within(group, std::chrono::seconds(5)));
}

TEST_CASE("a worker that does not answer is killed at its deadline, children too") {
  const Folder folder;
  WorkerProcess worker({"sh", "-c", "sleep 1000 & sleep 1000"}, {}, folder.path);
  const pid_t group = worker.id();
  const Reply reply = worker.request({{"do", "hello"}}, limits(200));
  CHECK(reply.kind == Reply::Kind::timeout);
  CHECK(reply.exit.timed_out);
  CHECK_FALSE(worker.alive());
  CHECK(group_is_gone_within(group, std::chrono::seconds(5)));
}
