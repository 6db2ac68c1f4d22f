#include "harness/machine/timing_lock.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include <catch2/catch.hpp>

namespace ashlar::machine {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "ashlar-lock-test-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

TEST_CASE("the lock is held by one at a time, shows its holder, and is free afterwards") {
  const Folder folder;
  const fs::path file = folder.path / "timing.lock";
  TimingLock second(file);
  {
    TimingLock first(file);
    CHECK(first.try_hold("ashlar run toy"));
    CHECK(first.try_hold("again"));
    CHECK_FALSE(second.try_hold("me too"));
    CHECK_THAT(second.holder().value(), Catch::Contains("process " + std::to_string(getpid())) &&
                                            Catch::Contains("'ashlar run toy'") &&
                                            Catch::Contains("since 2"));
  }
  CHECK_FALSE(second.holder());
  CHECK(second.try_hold("now me"));
  struct stat status {};
  REQUIRE(stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0666);
}

TEST_CASE("a holder that is killed leaves the lock free, and its child does not keep it") {
  const Folder folder;
  const fs::path file = folder.path / "timing.lock";
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t holder = fork();
  if (holder == 0) {
    TimingLock lock(file);
    lock.try_hold("to be killed");
    const pid_t child = fork();
    if (child == 0) {
      execlp("sleep", "sleep", "30", nullptr);
      _exit(127);
    }
    // The child has started its program, and closed what is not to be inherited.
    usleep(200'000);
    [[maybe_unused]] const ssize_t written = write(ready[1], &child, sizeof child);
    pause();
  }
  pid_t child = 0;
  REQUIRE(read(ready[0], &child, sizeof child) == sizeof child);
  TimingLock lock(file);
  CHECK_FALSE(lock.try_hold("waits"));
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
  CHECK(lock.try_hold("has it"));
  kill(child, SIGKILL);
  close(ready[0]);
  close(ready[1]);
}

TEST_CASE(
    "a file that cannot be made is an error; what another user wrote into it is shown safely") {
  const Folder folder;
  TimingLock nowhere(folder.path / "no-such-folder" / "timing.lock");
  CHECK_THROWS_AS(nowhere.try_hold("x"), std::system_error);
  const fs::path file = folder.path / "timing.lock";
  std::ofstream(file) << "\033[2Jgone\nsecond line\n";
  CHECK(TimingLock(file).holder() == "?[2Jgone");
  // A link in a folder where everybody may write could lead anywhere.
  fs::create_symlink(file, folder.path / "link");
  TimingLock link(folder.path / "link");
  CHECK_THROWS_AS(link.try_hold("x"), std::system_error);
}

TEST_CASE("the variable names another file") {
  setenv("ASHLAR_TIMING_LOCK", "/somewhere/else", 1);
  CHECK(TimingLock::default_file() == "/somewhere/else");
  unsetenv("ASHLAR_TIMING_LOCK");
  CHECK(TimingLock::default_file().filename() == "ashlar-timing.lock");
}

}  // namespace
}  // namespace ashlar::machine
