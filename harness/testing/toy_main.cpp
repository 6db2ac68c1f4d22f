#include <cstdlib>

#include "harness/cli/command.hpp"
#include "harness/testing/toy.hpp"

/// The toy suite behind the real command line; with ASHLAR_TOY_BLIND set also the suite whose
/// oracle is blind, with ASHLAR_TOY_BUILD=FAULT also the one that gates compare.
int main(int argc, char** argv) {
  ashlar::model::Registry registry;
  registry.push_back(ashlar::testing::toy_suite());
  if (std::getenv("ASHLAR_TOY_BLIND") != nullptr)
    registry.push_back(ashlar::testing::toy_with_blind_oracle());
  if (const char* fault = std::getenv("ASHLAR_TOY_BUILD"); fault != nullptr)
    registry.push_back(ashlar::testing::toy_build_suite(fault));
  return ashlar::cli::dispatch(argc, argv, registry);
}
