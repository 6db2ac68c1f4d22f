#pragma once
// Dense block coordinate descent on a GPU as one would write it first: A is dense in device memory,
// row by row; a gradient is two kernels and a copy of all p derivatives to the host, where the
// rules sort scores and pick a block; H_bb is a kernel with a thread per entry and a copy, its
// eigenvalue or factorisation the host's; a step is copied to the device and added there. Constants
// and values are the naive objective's on the host. Double precision, the default stream.
#include <memory>
#include <optional>
#include <string>

#include "impls/bcd/objective.hpp"

namespace ashlar::bcd::baselines {

/// Why not, or nothing: "not built", "no device: ...", or a loss that is neither least squares nor
/// logistic.
std::optional<std::string> naive_cuda_unsupported(const Problem& problem);

/// Waits for the device in every call. Throws as make_naive_objective(), std::invalid_argument for
/// what naive_cuda_unsupported() names, std::bad_alloc when the device's memory is short.
std::unique_ptr<Objective> make_naive_cuda_objective(const Problem& problem);

}  // namespace ashlar::bcd::baselines
