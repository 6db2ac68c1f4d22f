#include "harness/cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "harness/measure/clock.hpp"

namespace ashlar::cli {

ConsoleProgress::ConsoleProgress(bool terminal, double budget_s)
    : terminal_(terminal), budget_s_(budget_s), start_ns_(measure::system_clock().now_ns()) {}

ConsoleProgress::~ConsoleProgress() { clear(); }

void ConsoleProgress::clear() {
  if (line_open_) fmt::print(stderr, "\r\033[K");
  line_open_ = false;
  std::fflush(stderr);
}

void ConsoleProgress::step(std::size_t done, std::size_t total, const std::string& label) {
  const double elapsed_s = static_cast<double>(measure::system_clock().now_ns() - start_ns_) * 1e-9;
  if (label.empty()) {
    clear();
    return;
  }
  // Time left: at the pace so far, and never more than the budget allows.
  std::string left;
  if (done > 0 && total > done) {
    const double pace = elapsed_s / static_cast<double>(done) * static_cast<double>(total - done);
    left = fmt::format(", at most {:.0f} s left",
                       std::min(pace, std::max(budget_s_ - elapsed_s, 0.0)));
  }
  const std::string line =
      fmt::format("[{}/{}] {} ({:.0f} s{})", done + 1, total, label, elapsed_s, left);
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
