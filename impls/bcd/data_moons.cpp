#include <cmath>
#include <numbers>

#include "impls/bcd/data.hpp"
#include "impls/bcd/mersenne.hpp"
#include "impls/bcd/neighbours.hpp"

namespace ashlar::bcd {

Problem make_e_prime(std::uint32_t seed) {
  constexpr Index kPerClass = 1000, kNeighbours = 5, kLabelled = 100;
  Mersenne random(seed);
  std::vector<double> points, classes;
  for (Index i = 0; i < 2 * kPerClass; ++i) {
    const bool second = i >= kPerClass;
    const double angle = std::numbers::pi * random.uniform();
    points.push_back(second ? 1.0 + std::cos(angle) : std::cos(angle));
    points.push_back(second ? 0.5 - std::sin(angle) : std::sin(angle));
    classes.push_back(second ? 2.0 : 1.0);
  }
  for (double& coordinate : points) coordinate += 0.2 * random.normal();
  const SparseLines graph = nearest_neighbours(points, 2, kNeighbours);
  return make_label_propagation(graph, label_at_random(graph, classes, kLabelled, random));
}

}  // namespace ashlar::bcd
