#include <fmt/format.h>

#include "harness/cli/options.hpp"
#include "harness/cli/services.hpp"
#include "harness/cli/timing.hpp"
#include "harness/machine/build.hpp"
#include "harness/machine/environment.hpp"
#include "harness/machine/text.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

int machine_command(const Context& context, const Arguments& arguments) {
  Options options(
      "machine", "",
      "This machine, this build, and what the machine can do at most (takes some seconds).");
  options.add()                                                                    //
      ("format", po::value<std::string>()->default_value("text"), "text or json")  //
      ("no-calibration", po::bool_switch(), "do not measure the peaks");
  add_lock_options(options);
  if (!options.parse(context, arguments)) return kFine;
  options.at_most(0);
  const std::string format = options.get<std::string>("format");
  if (format != "text" && format != "json") {
    throw UsageError(fmt::format("--format: unknown format '{}'{}", format,
                                 model::suggestion(format, {"text", "json"})));
  }
  const model::Json environment = machine::capture_environment(device_description());
  const model::Json build = machine::describe_build();
  std::optional<machine::Calibration> calibration;
  if (!options.get<bool>("no-calibration")) {
    const auto lock = hold_timing_lock(
        options, context, [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
    calibration = machine::calibrate();
  }
  if (format == "text") {
    fmt::print("{}", machine::describe(environment, build, calibration ? &*calibration : nullptr));
    return kFine;
  }
  const model::Json all = {
      {"machine_id", machine::machine_id(environment)},
      {"machine", environment},
      {"build", build},
      {"calibration", calibration ? machine::to_json(*calibration) : model::Json(nullptr)}};
  fmt::print("{}\n", all.dump(2));
  return kFine;
}

}  // namespace ashlar::cli
