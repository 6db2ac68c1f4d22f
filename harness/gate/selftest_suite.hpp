#pragma once
// What the self-test measures: work of known and fixed amount that knows no paper, served by this
// program's own workers.
#include <cstdint>
#include <vector>

#include "harness/model/suite.hpp"

namespace ashlar::gate {

inline constexpr const char* kSelftestSuite = "selftest";
/// The experiment into which slow-downs are injected.
inline constexpr const char* kPowerExperiment = "mixed";

/// One suite, its experiments over the axis `steps`, each with one implementation, "work": bounded
/// by arithmetic ("arithmetic"), by a private cache ("cache"), by memory ("stream"), by the first
/// two ("mixed"), and by two threads that have to meet ("threads"). `extra` is the share of the
/// same work that each does on top: 0.05 is a slow-down of 5 %.
model::Registry selftest_registry(const std::vector<std::int64_t>& steps, double extra = 0);

/// Steps of "mixed" that take about `nanoseconds` here and now.
std::int64_t steps_lasting(std::int64_t nanoseconds);

}  // namespace ashlar::gate
