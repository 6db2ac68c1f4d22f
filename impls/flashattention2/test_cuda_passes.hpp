#pragma once
// Test support: passes on a GPU in the tables of test_forward_checks.hpp and
// test_backward_checks.hpp.
#include <catch2/catch.hpp>

#include <iostream>
#include <optional>
#include <string>

#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::testing {

/// Solves a problem, and checks that nothing was written beside its tensors. A Solver has the
/// members of CudaSolver; it may take options behind the problem.
template <class Solver, class... Options>
void run_on_device(const AttentionParams& params, const Options&... options) {
  Solver solver(params, options...);
  solver.poison();
  solver.execute(nullptr);
  solver.fetch();
  CHECK(solver.problem().intact());
}

/// Whether a table stays empty, for a reason that is printed in the words that ctest looks for.
inline bool skipped(const std::optional<std::string>& reason) {
  if (reason) std::cout << "skipped: " << *reason << "\n";
  return reason.has_value();
}
inline bool skipped_without_device() {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  return skipped(device.available ? std::nullopt : std::optional(device.reason));
}

}  // namespace ashlar::flashattention2::testing
