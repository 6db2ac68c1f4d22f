#pragma once
// Progress on standard error: one line that is overwritten on a terminal, plain lines in a pipe.
#include <cstdint>
#include <optional>
#include <string>

#include "harness/run/supervisor.hpp"

namespace ashlar::cli {

class ConsoleProgress final : public run::Progress {
 public:
  explicit ConsoleProgress(bool terminal) : terminal_(terminal) {}
  ~ConsoleProgress() override;
  void step(std::size_t done, std::size_t total, const std::string& label, double left_s) override;
  void note(const std::string& line) override;

 private:
  void clear();

  bool terminal_;
  std::optional<std::int64_t> start_ns_;
  bool line_open_ = false;
};

/// A terminal, and NO_COLOR not set.
bool wants_colour(int descriptor);
std::size_t terminal_width(int descriptor);

}  // namespace ashlar::cli
