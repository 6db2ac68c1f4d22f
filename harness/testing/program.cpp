#include "harness/testing/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

namespace ashlar::testing {

namespace fs = std::filesystem;

Folder::Folder() {
  std::string name = (fs::temp_directory_path() / "ashlar-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), name);
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  fs::permissions(path_, fs::perms::owner_all, ignored);
  fs::remove_all(path_, ignored);
}

Ended run_program(const std::string& program, const std::vector<std::string>& words,
                  const fs::path& folder, int interrupt_after_ms,
                  const std::vector<std::string>& environment) {
  const Folder capture;
  const std::string out = (capture / "out").string();
  const std::string err = (capture / "err").string();
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    const int to_out = open(out.c_str(), O_CREAT | O_WRONLY, 0600);
    const int to_err = open(err.c_str(), O_CREAT | O_WRONLY, 0600);
    dup2(to_out, STDOUT_FILENO);
    dup2(to_err, STDERR_FILENO);
    // Tests run beside each other; those that are about the lock name it themselves.
    setenv("ASHLAR_TIMING_LOCK", (capture / "timing.lock").c_str(), 0);
    for (const std::string& entry : environment) putenv(const_cast<char*>(entry.c_str()));
    if (chdir(folder.c_str()) != 0) _exit(126);
    std::vector<char*> arguments = {const_cast<char*>(program.c_str())};
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(program.c_str(), arguments.data());
    _exit(127);
  }
  if (interrupt_after_ms > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(interrupt_after_ms));
    kill(child, SIGINT);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Ended ended;
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ended.output = read_text(out);
  ended.errors = read_text(err);
  return ended;
}

std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace ashlar::testing
