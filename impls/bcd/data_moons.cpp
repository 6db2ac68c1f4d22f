#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include "impls/bcd/data.hpp"
#include "impls/bcd/mersenne.hpp"
#include "impls/bcd/neighbours.hpp"

namespace ashlar::bcd {
namespace {

constexpr Index kMoonNeighbours = 5;

struct Moons {
  SparseLines graph;
  std::vector<double> classes;  // 1 or 2
};

Moons draw_moons(Index per_class, Mersenne& random) {
  Moons moons;
  std::vector<double> points;
  for (Index i = 0; i < 2 * per_class; ++i) {
    const bool second = i >= per_class;
    const double angle = std::numbers::pi * random.uniform();
    points.push_back(second ? 1.0 + std::cos(angle) : std::cos(angle));
    points.push_back(second ? 0.5 - std::sin(angle) : std::sin(angle));
    moons.classes.push_back(second ? 2.0 : 1.0);
  }
  for (double& coordinate : points) coordinate += 0.2 * random.normal();
  moons.graph = nearest_neighbours(points, 2, kMoonNeighbours);
  return moons;
}

}  // namespace

Problem make_e_prime(std::uint32_t seed) {
  constexpr Index kPerClass = 1000, kLabelled = 100;
  Mersenne random(seed);
  const Moons moons = draw_moons(kPerClass, random);
  return make_label_propagation(moons.graph,
                                label_at_random(moons.graph, moons.classes, kLabelled, random));
}

Problem make_moons(std::uint32_t seed, Index per_class) {
  if (per_class < 10) {
    throw std::invalid_argument("two moons: " + std::to_string(per_class) +
                                " points per class; at least 10");
  }
  Mersenne random(seed);
  const Moons moons = draw_moons(per_class, random);
  return make_label_propagation(
      moons.graph, label_every_component(moons.graph, moons.classes, per_class / 10, random));
}

}  // namespace ashlar::bcd
