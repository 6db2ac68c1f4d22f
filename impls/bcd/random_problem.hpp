#pragma once
// Small problems of every loss and shape, for tests: they pass validate() and have nothing of the
// paper's data sets.
#include <cstdint>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd {

struct RandomShape {
  Index rows = 20;       // of a quadratic unused
  Index columns = 10;    // features, or unknowns of a quadratic
  Index classes = 3;     // of softmax alone
  double density = 0.3;  // of the entries, or of the edges; 1 is dense
};

/// Entries N(0, 1); each row and each column has one at least. Targets: N(0, 1), -1 or 1, a class,
/// each drawn independently of A, so that few of the classes may occur. A quadratic's M has N(0, 1)
/// off its diagonal, and a diagonal that exceeds the sum of their sizes by 0.1 to 1.1: its graph
/// may be in several components. Throws std::invalid_argument for an empty shape or a density
/// outside [0, 1].
Problem make_random(Loss loss, const RandomShape& shape, std::uint32_t seed, Penalty penalty = {});

}  // namespace ashlar::bcd
