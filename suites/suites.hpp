#pragma once
// The table of all suites: one explicit list, no static initialisers.
#include "harness/model/suite.hpp"

namespace ashlar::suites {

model::Registry all();

}  // namespace ashlar::suites
