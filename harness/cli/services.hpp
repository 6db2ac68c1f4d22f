#pragma once
// What the parts of the harness that know the machine lend to those that do not.
#include "harness/run/worker.hpp"

namespace ashlar::cli {

/// Calibration and timers for this program's workers.
run::WorkerServices worker_services();

/// The GPU for the run record: null without one.
model::Json device_description();

}  // namespace ashlar::cli
