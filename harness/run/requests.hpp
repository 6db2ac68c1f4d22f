#pragma once
// What is said to workers by all who command one (docs/worker-protocol.md), and how their answers
// are read.
#include <cstdint>
#include <optional>
#include <string>

#include "harness/run/plan.hpp"
#include "harness/run/process.hpp"

namespace ashlar::run {

inline constexpr int kProtocol = 1;

Json hello_request();
Json open_request(const Plan& plan, const PlannedPoint& planned);
/// One sample of `batch` executions.
Json sample_request(const std::string& implementation, std::int64_t batch);

/// Why a request was not answered with ok; nothing when it was.
std::optional<std::string> refusal(const Reply& reply);
/// A field of an answer; nothing where it is missing or null.
std::optional<std::int64_t> optional_integer(const Json& answer, const char* field);

}  // namespace ashlar::run
