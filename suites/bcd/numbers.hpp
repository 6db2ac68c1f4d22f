#pragma once
// What the experiments share.
#include <cstddef>
#include <numeric>
#include <vector>

#include "harness/model/tensor.hpp"
#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd::suite {

/// An answer of one tensor of doubles, x. Answers derive from it, each sized by its own problem.
struct Numbers {
  explicit Numbers(std::size_t size) : x(size) {}
  std::vector<model::TensorView> tensors() {
    return {{"x", model::ElementType::f64, {static_cast<std::int64_t>(x.size())}, x.data()}};
  }
  std::vector<double> x;
};

/// 0 .. size - 1: all coordinates as one block.
inline std::vector<Index> all_of(Index size) {
  std::vector<Index> all(static_cast<std::size_t>(size));
  std::iota(all.begin(), all.end(), Index{0});
  return all;
}

}  // namespace ashlar::bcd::suite
