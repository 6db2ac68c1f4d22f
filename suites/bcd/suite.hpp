#pragma once
#include "harness/model/suite.hpp"

namespace ashlar::bcd::suite {

/// Nutini, Laradji, Schmidt, "Let's Make Block Coordinate Descent Converge Faster", JMLR 23 (2022).
model::Suite make();

}  // namespace ashlar::bcd::suite
