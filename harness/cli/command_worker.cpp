#include "harness/cli/options.hpp"
#include "harness/cli/services.hpp"
#include "harness/run/worker.hpp"
#include "harness/trace/recorder.hpp"

namespace ashlar::cli {

/// Started by `run` and by nobody else; serves the worker protocol on standard input and output.
int worker_command(const Context& context, const Arguments&) {
  trace::record_ranges_if_asked();
  return run::Worker(*context.registry, worker_services()).serve();
}

}  // namespace ashlar::cli
