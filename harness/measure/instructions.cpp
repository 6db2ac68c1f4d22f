#include "harness/measure/instructions.hpp"

#ifdef ASHLAR_HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#endif

namespace ashlar::measure {

#ifdef ASHLAR_HAVE_CALLGRIND

std::optional<std::string> instructions_uncountable() {
  if (RUNNING_ON_VALGRIND != 0) return std::nullopt;
  return "this process does not run under valgrind";
}

void count_instructions(const std::function<void()>& region) {
  CALLGRIND_START_INSTRUMENTATION;
  CALLGRIND_ZERO_STATS;
  region();
  CALLGRIND_DUMP_STATS;
  CALLGRIND_STOP_INSTRUMENTATION;
}

#else

std::optional<std::string> instructions_uncountable() { return "built without valgrind's headers"; }

void count_instructions(const std::function<void()>& region) { region(); }

#endif

}  // namespace ashlar::measure
