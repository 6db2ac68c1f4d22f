// The real suites with their negative controls in the place of the implementations, for a test: a
// broken method that is measured like any other must end in "wrong answer", exit code 2.
#include <utility>

#include "harness/cli/command.hpp"
#include "suites/suites.hpp"

int main(int argc, char** argv) {
  const ashlar::model::Registry registry = ashlar::suites::all();
  for (const ashlar::model::Suite& suite : registry) {
    for (const auto& experiment : suite.experiments()) {
      experiment->implementations = std::exchange(experiment->controls, {});
      experiment->baselines.clear();
    }
  }
  return ashlar::cli::dispatch(argc, argv, registry);
}
