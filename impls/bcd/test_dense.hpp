#pragma once
// Small dense algebra and random numbers for the tests beside it: written out, so that what it
// checks does not check itself.
#include <cmath>
#include <span>
#include <vector>

#include "impls/bcd/test_drawn.hpp"

namespace ashlar::bcd::testing {

using drawn::Draws;
using drawn::random_problem;
using drawn::small_problems;

/// 0 .. count - 1
inline Index below(Draws& draws, Index count) {
  return static_cast<Index>(draws.uniform() * count);
}

/// Column after column.
using Dense = std::vector<double>;

/// B'B of a `rows` x k matrix B, column after column.
inline Dense gram(std::span<const double> b, std::size_t rows, std::size_t k) {
  Dense h(k * k);
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t j = 0; j < k; ++j) {
      for (std::size_t r = 0; r < rows; ++r) h[i + j * k] += b[r + i * rows] * b[r + j * rows];
    }
  }
  return h;
}

inline std::vector<double> times(const Dense& h, std::span<const double> v) {
  const std::size_t k = v.size();
  std::vector<double> out(k);
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t i = 0; i < k; ++i) out[i] += h[i + j * k] * v[j];
  }
  return out;
}

inline double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// H^-1 rhs by L D L' without pivoting; NaN where a pivot is 0.
inline std::vector<double> solve_ldl(Dense h, std::vector<double> rhs) {
  const std::size_t k = rhs.size();
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t i = j + 1; i < k; ++i) {
      const double factor = h[i + j * k] / h[j + j * k];
      for (std::size_t c = j + 1; c < k; ++c) h[i + c * k] -= factor * h[j + c * k];
      rhs[i] -= factor * rhs[j];
    }
  }
  for (std::size_t i = k; i-- > 0;) {
    for (std::size_t c = i + 1; c < k; ++c) rhs[i] -= h[i + c * k] * rhs[c];
    rhs[i] /= h[i + i * k];
  }
  return rhs;
}

/// max |a - b| / max |b|
inline double relative_difference(std::span<const double> a, std::span<const double> b) {
  double worst = 0;
  double scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::fmax(worst, std::isnan(a[i]) ? INFINITY : std::fabs(a[i] - b[i]));
    scale = std::fmax(scale, std::fabs(b[i]));
  }
  return worst / scale;
}

struct Edge {
  Index a = 0;
  Index b = 0;
  double weight = 0;
};

/// A symmetric matrix from its edges.
inline SymmetricMatrix symmetric_from_edges(std::vector<double> diagonal,
                                            std::span<const Edge> edges) {
  SparseLines lines;
  const std::size_t size = diagonal.size();
  lines.starts.assign(size + 1, 0);
  for (const Edge& edge : edges) {
    ++lines.starts[static_cast<std::size_t>(edge.a) + 1];
    ++lines.starts[static_cast<std::size_t>(edge.b) + 1];
  }
  for (std::size_t i = 0; i < size; ++i) lines.starts[i + 1] += lines.starts[i];
  lines.indices.resize(edges.size() * 2);
  lines.values.resize(edges.size() * 2);
  std::vector<std::int64_t> next(lines.starts.begin(), lines.starts.end() - 1);
  for (const Edge& edge : edges) {
    lines.indices[next[edge.a]] = edge.b;
    lines.values[next[edge.a]++] = edge.weight;
    lines.indices[next[edge.b]] = edge.a;
    lines.values[next[edge.b]++] = edge.weight;
  }
  SymmetricMatrix matrix;
  matrix.diagonal = std::move(diagonal);
  // Twice transposed, indices rise within a line.
  const Index count = static_cast<Index>(size);
  matrix.rest = transposed(transposed(lines, count), count);
  return matrix;
}

/// M_bb, column after column.
inline Dense dense_block(const SymmetricMatrix& matrix, Block block) {
  const std::size_t k = block.size();
  Dense out(k * k);
  for (std::size_t i = 0; i < k; ++i) {
    out[i + i * k] = matrix.diagonal[block[i]];
    const auto indices = matrix.rest.indices_of(block[i]);
    for (std::size_t j = 0; j < k; ++j) {
      for (std::size_t entry = 0; entry < indices.size(); ++entry) {
        if (indices[entry] == block[j]) out[i + j * k] = matrix.rest.values_of(block[i])[entry];
      }
    }
  }
  return out;
}

}  // namespace ashlar::bcd::testing
