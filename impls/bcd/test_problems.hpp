#pragma once
// Small problems of every loss, points and blocks, for the tests of objectives here and of the
// baselines.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "impls/bcd/data.hpp"
#include "impls/bcd/random_problem.hpp"
#include "impls/core/random.hpp"

namespace ashlar::bcd::testing {

using Vector = std::vector<double>;

/// N(0, 1), one after the other.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : seed_(seed) {}
  double normal() { return core::random_element(core::Distribution::normal, seed_, 0, next_++); }
  Vector vector(std::size_t size, double scale = 1) {
    Vector numbers;
    for (std::size_t i = 0; i < size; ++i) numbers.push_back(scale * normal());
    return numbers;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t next_ = 0;
};

/// More rows than columns and the reverse, dense and sparse, and a single coordinate.
inline std::vector<Problem> small_problems() {
  return {make_random(Loss::least_squares, {7, 13, 1, 0.4}, 1),
          make_random(Loss::least_squares, {19, 6, 1, 1.0}, 2),
          make_random(Loss::least_squares, {1, 1, 1, 1.0}, 3),
          make_random(Loss::logistic, {7, 13, 1, 0.4}, 4),
          make_random(Loss::logistic, {19, 6, 1, 0.4}, 5),
          make_random(Loss::softmax, {9, 4, 3, 0.6}, 6),
          make_random(Loss::softmax, {5, 11, 2, 0.4}, 7),
          make_random(Loss::softmax, {15, 20, 5, 0.3}, 8),
          make_random(Loss::quadratic, {0, 17, 1, 0.3}, 9),
          make_random(Loss::quadratic, {0, 1, 1, 1.0}, 10),
          make_lattice(4, 5, 3, 11)};
}

/// As above, and the same with a penalty and x >= 0.
inline std::vector<Problem> small_problems_and_penalised() {
  std::vector<Problem> problems = small_problems();
  for (Problem problem : small_problems()) {
    problem.penalty = {2.5, true};
    problems.push_back(problem);
  }
  return problems;
}

/// At most `take` coordinates, in no order.
inline std::vector<Index> unsorted_block(Index size, Index take) {
  std::vector<Index> block;
  for (Index i = size - 1; i >= 0; i -= 2) block.push_back(i);
  for (Index i = size % 2; i < size; i += 2) block.push_back(i);
  block.resize(static_cast<std::size_t>(std::min(size, take)));
  return block;
}

inline double magnitude(std::span<const double> v) {
  double largest = 0;
  for (const double element : v) largest = std::max(largest, std::abs(element));
  return largest;
}

inline double distance(std::span<const double> a, std::span<const double> b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace ashlar::bcd::testing
