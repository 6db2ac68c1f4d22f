#include "harness/cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "harness/measure/clock.hpp"

namespace ashlar::cli {

ConsoleProgress::~ConsoleProgress() { clear(); }

void ConsoleProgress::clear() {
  if (line_open_) fmt::print(stderr, "\r\033[K");
  line_open_ = false;
  std::fflush(stderr);
}

void ConsoleProgress::step(std::size_t done, std::size_t total, const std::string& label,
                           double left_s) {
  if (label.empty()) {
    clear();
    return;
  }
  const std::int64_t now_ns = measure::system_clock().now_ns();
  if (!start_ns_) start_ns_ = now_ns;
  const double elapsed_s = static_cast<double>(now_ns - *start_ns_) * 1e-9;
  const std::string line = fmt::format("[{}/{}] {} ({:.0f} s, up to {:.0f} s left)", done + 1,
                                       total, label, elapsed_s, std::max(std::ceil(left_s), 1.0));
  if (terminal_) {
    fmt::print(stderr, "\r{}\033[K", line.substr(0, terminal_width(STDERR_FILENO) - 1));
    line_open_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

void ConsoleProgress::note(const std::string& line) {
  clear();
  fmt::print(stderr, "{}\n", line);
  std::fflush(stderr);
}

bool wants_colour(int descriptor) {
  const char* refused = std::getenv("NO_COLOR");
  return isatty(descriptor) != 0 && (refused == nullptr || *refused == '\0');
}

std::size_t terminal_width(int descriptor) {
  winsize size{};
  if (isatty(descriptor) != 0 && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
    return size.ws_col;
  return 100;
}

}  // namespace ashlar::cli
