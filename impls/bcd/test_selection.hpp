#pragma once
// Small dense quadratics and graphs for the tests of partitions and selection rules, and what every
// partition and block must satisfy.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "impls/bcd/eigen_value.hpp"
#include "impls/bcd/mersenne.hpp"
#include "impls/bcd/rule.hpp"

namespace ashlar::bcd::testing {

inline SymmetricMatrix symmetric_from_dense(Index size, const std::vector<double>& dense) {
  SymmetricMatrix matrix;
  matrix.rest.starts.push_back(0);
  for (Index row = 0; row < size; ++row) {
    matrix.diagonal.push_back(dense[row * size + row]);
    for (Index column = 0; column < size; ++column) {
      const double entry = dense[row * size + column];
      if (column == row || entry == 0) continue;
      matrix.rest.indices.push_back(column);
      matrix.rest.values.push_back(entry);
    }
    matrix.rest.starts.push_back(static_cast<std::int64_t>(matrix.rest.indices.size()));
  }
  return matrix;
}

using Edges = std::vector<std::pair<Index, Index>>;

/// Both directions of each edge, rising; edges twice are kept once.
inline SparseLines graph_of(Index size, const Edges& edges) {
  std::vector<std::vector<Index>> around(size);
  for (const auto& [one, other] : edges) {
    around[one].push_back(other);
    around[other].push_back(one);
  }
  SparseLines graph;
  graph.starts.push_back(0);
  for (std::vector<Index>& neighbours : around) {
    std::sort(neighbours.begin(), neighbours.end());
    neighbours.erase(std::unique(neighbours.begin(), neighbours.end()), neighbours.end());
    graph.indices.insert(graph.indices.end(), neighbours.begin(), neighbours.end());
    graph.starts.push_back(static_cast<std::int64_t>(graph.indices.size()));
  }
  graph.values.assign(graph.indices.size(), -1.0);
  return graph;
}

/// Laplacian plus I of a graph, c all 1.
inline Problem laplacian_problem(SparseLines graph) {
  auto matrix = std::make_shared<SymmetricMatrix>();
  for (Index node = 0; node < graph.lines(); ++node) {
    matrix->diagonal.push_back(1.0 + static_cast<double>(graph.indices_of(node).size()));
  }
  matrix->rest = std::move(graph);
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.linear.assign(matrix->diagonal.size(), 1.0);
  problem.matrix = std::move(matrix);
  return problem;
}

inline Edges random_edges(Index size, Index count, std::uint32_t seed) {
  Mersenne stream(seed);
  Edges edges;
  while (static_cast<Index>(edges.size()) < count) {
    const auto one = static_cast<Index>(stream.integer(static_cast<std::uint32_t>(size - 1)));
    const auto other = static_cast<Index>(stream.integer(static_cast<std::uint32_t>(size - 1)));
    if (one != other) edges.emplace_back(one, other);
  }
  return edges;
}

/// The nodes of a rows x columns lattice but the labelled ones, and its 4-neighbour matrix.
inline Problem lattice_problem(Index rows, Index columns, const std::vector<Index>& labelled = {}) {
  std::vector<Index> unknown(static_cast<std::size_t>(rows) * columns, 0);
  for (const Index node : labelled) unknown[node] = -1;
  Lattice lattice{.rows = rows, .columns = columns, .nodes = {}};
  for (std::size_t node = 0; node < unknown.size(); ++node) {
    if (unknown[node] < 0) continue;
    unknown[node] = static_cast<Index>(lattice.nodes.size());
    lattice.nodes.push_back(static_cast<Index>(node));
  }
  Edges edges;
  for (const Index node : lattice.nodes) {
    const bool last_row = node % rows == rows - 1;
    if (!last_row && unknown[node + 1] >= 0) edges.emplace_back(unknown[node], unknown[node + 1]);
    const auto right = static_cast<std::size_t>(node) + rows;
    if (right < unknown.size() && unknown[right] >= 0) {
      edges.emplace_back(unknown[node], unknown[right]);
    }
  }
  Problem problem = laplacian_problem(graph_of(static_cast<Index>(lattice.nodes.size()), edges));
  problem.lattice = std::move(lattice);
  return problem;
}

/// H = B'B + 0.1 I with columns of B of very different length, c normal.
inline Problem dense_quadratic(Index size, std::uint32_t seed) {
  Mersenne stream(seed);
  std::vector<double> b(static_cast<std::size_t>(size) * size);
  for (double& entry : b) entry = stream.normal();
  std::vector<double> scale(size);
  for (double& entry : scale) entry = std::exp(1.5 * stream.normal());
  std::vector<double> dense(b.size());
  for (Index i = 0; i < size; ++i) {
    for (Index j = 0; j < size; ++j) {
      double sum = i == j ? 0.1 : 0;
      for (Index r = 0; r < size; ++r) {
        sum += b[r * size + i] * b[r * size + j] * scale[i] * scale[j];
      }
      dense[i * size + j] = sum;
    }
  }
  Problem problem;
  problem.loss = Loss::quadratic;
  problem.matrix = std::make_shared<SymmetricMatrix>(symmetric_from_dense(size, dense));
  for (Index i = 0; i < size; ++i) problem.linear.push_back(stream.normal());
  return problem;
}

/// A quadratic whose H is dense and whose every constant may be overwritten; counts what is asked.
class DenseObjective final : public Objective {
 public:
  explicit DenseObjective(Problem problem)
      : problem_(std::move(problem)),
        h_(problem_.matrix->diagonal.size() * problem_.matrix->diagonal.size()),
        x_(problem_.matrix->diagonal.size()),
        gradient_(x_.size()) {
    const SymmetricMatrix& m = *problem_.matrix;
    for (Index i = 0; i < m.size(); ++i) {
      h_[i * x_.size() + i] = m.diagonal[i];
      for (std::size_t entry = 0; entry < m.rest.indices_of(i).size(); ++entry) {
        h_[i * x_.size() + m.rest.indices_of(i)[entry]] = m.rest.values_of(i)[entry];
      }
    }
    constants = m.diagonal;
    for (std::size_t i = 0; i < x_.size(); ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < x_.size(); ++j) sum += std::abs(h_[i * x_.size() + j]);
      sums.push_back(sum);
    }
  }

  std::vector<double> constants;
  std::vector<double> sums;
  /// Instead of M x - c, where not empty.
  std::vector<double> fixed_gradient;
  int gradients = 0;

  double h(Index i, Index j) const { return h_[i * x_.size() + j]; }

  const Problem& problem() const override { return problem_; }
  std::span<const double> lipschitz() override { return constants; }
  std::span<const double> row_sums() override { return sums; }
  double bound_lambda_max() override {
    return largest_eigenvalue(h_, static_cast<Index>(x_.size()));
  }
  void bound_product(std::span<const double> v, std::span<double> out) override {
    for (std::size_t i = 0; i < x_.size(); ++i) {
      out[i] = 0;
      for (std::size_t j = 0; j < x_.size(); ++j) out[i] += h_[i * x_.size() + j] * v[j];
    }
  }
  void bound_block(Block block, BlockMatrix out) override {
    std::size_t place = 0;
    for (const Index j : block) {
      for (const Index i : block) out[place++] = h(i, j);
    }
  }
  std::span<const double> x() const override { return x_; }
  void set_x(std::span<const double> x) override { x_.assign(x.begin(), x.end()); }
  double value() override { return value_at(x_); }
  double gap(const Optimum& optimum) override { return value() - optimum.value; }
  std::span<const double> gradient() override {
    ++gradients;
    if (!fixed_gradient.empty()) return fixed_gradient;
    bound_product(x_, gradient_);
    for (std::size_t i = 0; i < x_.size(); ++i) gradient_[i] -= problem_.linear[i];
    return gradient_;
  }
  void gradient_of(Block block, std::span<double> out) override {
    for (std::size_t place = 0; place < block.size(); ++place) {
      const Index i = block[place];
      out[place] = -problem_.linear[i];
      for (std::size_t j = 0; j < x_.size(); ++j) out[place] += h_[i * x_.size() + j] * x_[j];
    }
  }
  double value_after(Block block, std::span<const double> step) override {
    std::vector<double> x = x_;
    for (std::size_t place = 0; place < block.size(); ++place) x[block[place]] += step[place];
    return value_at(x);
  }
  void move(Block block, std::span<const double> step) override {
    for (std::size_t place = 0; place < block.size(); ++place) x_[block[place]] += step[place];
  }
  void hessian_block(Block block, BlockMatrix out) override { bound_block(block, out); }
  Traffic traffic() const override { return {}; }

 private:
  double value_at(const std::vector<double>& x) const {
    double value = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      double row = 0;
      for (std::size_t j = 0; j < x.size(); ++j) row += h_[i * x.size() + j] * x[j];
      value += x[i] * (0.5 * row - problem_.linear[i]);
    }
    return value;
  }

  Problem problem_;
  std::vector<double> h_;
  std::vector<double> x_;
  std::vector<double> gradient_;
};

inline std::vector<Index> copy_of(Block block) { return {block.begin(), block.end()}; }

// What must hold, with definitions of their own. Empty, or what is wrong.

/// Each of `size` coordinates is in one block, and none is empty.
inline std::string partition_fault(const Blocks& blocks, Index size) {
  std::vector<int> times(size, 0);
  for (const std::vector<Index>& block : blocks) {
    if (block.empty()) return "an empty block";
    for (const Index i : block) ++times.at(i);
  }
  for (Index i = 0; i < size; ++i) {
    if (times[i] != 1) return "coordinate " + std::to_string(i) + " is not in one block";
  }
  return {};
}

/// Edges and components of what the block induces, by searching it.
struct Induced {
  Index edges = 0;
  Index components = 0;
};
inline Induced induced(Block block, const SparseLines& graph) {
  std::vector<int> state(graph.lines(), 0);  // 1: in the block, 2: reached
  for (const Index node : block) state[node] = 1;
  Induced counts;
  std::vector<Index> open;
  for (const Index start : block) {
    if (state[start] == 2) continue;
    ++counts.components;
    state[start] = 2;
    open.push_back(start);
    while (!open.empty()) {
      const Index node = open.back();
      open.pop_back();
      for (const Index neighbour : graph.indices_of(node)) {
        if (state[neighbour] == 0) continue;
        if (neighbour > node) ++counts.edges;
        if (state[neighbour] == 1) {
          state[neighbour] = 2;
          open.push_back(neighbour);
        }
      }
    }
  }
  return counts;
}

inline std::string forest_fault(Block block, const SparseLines& graph) {
  const Induced counts = induced(block, graph);
  const auto nodes = static_cast<Index>(block.size());
  if (counts.edges == nodes - counts.components) return {};
  return std::to_string(counts.edges) + " edges on " + std::to_string(nodes) + " nodes in " +
         std::to_string(counts.components) + " trees";
}

/// No further node could be taken.
inline std::string maximal_fault(Block block, const SparseLines& graph) {
  std::vector<Index> larger = copy_of(block);
  std::vector<bool> inside(graph.lines(), false);
  for (const Index node : block) inside[node] = true;
  for (Index node = 0; node < graph.lines(); ++node) {
    if (inside[node]) continue;
    larger.push_back(node);
    if (forest_fault(larger, graph).empty()) {
      return "node " + std::to_string(node) + " could be taken";
    }
    larger.pop_back();
  }
  return {};
}

inline std::string independence_fault(Block block, const SparseLines& graph) {
  const Induced counts = induced(block, graph);
  return counts.edges == 0 ? std::string{} : std::to_string(counts.edges) + " edges inside";
}

/// sum (count - expected)^2 / expected.
inline double chi_square(const std::vector<int>& counts, const std::vector<double>& probability) {
  double draws = 0;
  for (const int count : counts) draws += count;
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = draws * probability[i];
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return sum;
}

}  // namespace ashlar::bcd::testing
