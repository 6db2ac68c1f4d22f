#pragma once
// The toy suite: proves the model before any paper does. One timed experiment with an
// implementation in another language and negative controls, one experiment whose implementations
// misbehave, one study, one analytical model. It is built in tests only.
#include "harness/model/suite.hpp"

namespace ashlar::testing {

model::Suite toy_suite();
/// A suite whose negative control is right, so that the oracle accepts it: the harness must notice.
model::Suite toy_with_blind_oracle();

}  // namespace ashlar::testing
