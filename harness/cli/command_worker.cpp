#include "harness/cli/options.hpp"
#include "harness/cli/services.hpp"
#include "harness/gate/selftest_suite.hpp"
#include "harness/run/worker.hpp"
#include "harness/trace/recorder.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

/// Started by `run`, `gate` and `selftest`, and by nobody else; serves the worker protocol on
/// standard input and output.
int worker_command(const Context& context, const Arguments& arguments) {
  Options options("worker", "", "Serves the worker protocol (docs/worker-protocol.md).");
  options.add()                                                                             //
      ("selftest", po::bool_switch(), "serve the self-test's work in place of the suites")  //
      ("extra", po::value<double>()->default_value(0),
       "share of its work that the self-test does on top");
  if (!options.parse(context, arguments)) return kFine;
  trace::record_ranges_if_asked();
  if (!options.get<bool>("selftest"))
    return run::Worker(*context.registry, worker_services()).serve();
  // Sizes are the commanding side's business; a worker takes any.
  const model::Registry work = gate::selftest_registry({1}, options.get<double>("extra"));
  return run::Worker(work, worker_services()).serve();
}

}  // namespace ashlar::cli
