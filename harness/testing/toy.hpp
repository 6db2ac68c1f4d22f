#pragma once
// The toy suite: proves the model before any paper does. One timed experiment with an
// implementation in another language and negative controls, one experiment whose implementations
// misbehave, one study, one analytical model. It is built in tests only.
#include <string>

#include "harness/model/suite.hpp"

namespace ashlar::testing {

model::Suite toy_suite();
/// A suite whose negative control is right, so that the oracle accepts it: the harness must notice.
model::Suite toy_with_blind_oracle();
/// The suite "build", for gates: one executable that stands for several builds. `fault` is what its
/// implementation "work" does: "plain", "slow" (half as much work again), "wrong", "imprecise",
/// "crash", "crash-later" (when sampled), "hang", "memory", "workspace"; with "more" there is an
/// implementation "new".
model::Suite toy_build_suite(const std::string& fault);

}  // namespace ashlar::testing
