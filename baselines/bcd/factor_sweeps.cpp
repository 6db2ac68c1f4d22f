#include "baselines/bcd/factor_sweeps.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "baselines/bcd/dense.hpp"

namespace ashlar::bcd::baselines {

/// M_bb as a problem of its own, whose right side is set when its turn comes.
struct FactorSweeps::System {
  std::vector<Index> nodes;
  Problem inside;
  SparseLines outside;
  std::unique_ptr<QuadraticPeer> peer;  // null where it is solved densely

  /// `place_of` is -1 for all nodes, before and after.
  void cut(const SymmetricMatrix& matrix, std::vector<Index>& place_of);
  void set_right_side(const Problem& whole, std::span<const double> x);
};

void FactorSweeps::System::cut(const SymmetricMatrix& matrix, std::vector<Index>& place_of) {
  for (std::size_t i = 0; i < nodes.size(); ++i) place_of[nodes[i]] = static_cast<Index>(i);
  SymmetricMatrix block;
  block.rest.starts.push_back(0);
  outside.starts.push_back(0);
  for (const Index node : nodes) {
    block.diagonal.push_back(matrix.diagonal[node]);
    const auto indices = matrix.rest.indices_of(node);
    const auto values = matrix.rest.values_of(node);
    for (std::size_t e = 0; e < indices.size(); ++e) {
      const Index place = place_of[indices[e]];
      SparseLines& lines = place >= 0 ? block.rest : outside;
      lines.indices.push_back(place >= 0 ? place : indices[e]);
      lines.values.push_back(values[e]);
    }
    block.rest.starts.push_back(static_cast<std::int64_t>(block.rest.indices.size()));
    outside.starts.push_back(static_cast<std::int64_t>(outside.indices.size()));
  }
  for (const Index node : nodes) place_of[node] = -1;
  inside.loss = Loss::quadratic;
  inside.linear.resize(nodes.size());
  inside.matrix = std::make_shared<const SymmetricMatrix>(std::move(block));
}

void FactorSweeps::System::set_right_side(const Problem& whole, std::span<const double> x) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    double right = whole.linear[nodes[i]];
    for (std::int64_t e = outside.starts[i]; e < outside.starts[i + 1]; ++e)
      right -= outside.values[e] * x[outside.indices[e]];
    inside.linear[i] = right;
  }
}

FactorSweeps::FactorSweeps(const Problem& problem, std::span<const std::vector<Index>> blocks,
                           BlockFactor factor)
    : problem_(problem) {
  if (problem.loss != Loss::quadratic)
    throw std::invalid_argument("factor sweeps: the problem is no quadratic");
  std::vector<Index> place_of(problem.linear.size(), -1);
  for (const std::vector<Index>& block : blocks) {
    auto system = std::make_unique<System>();
    // Rising, as are the indices of a row.
    system->nodes = block;
    std::sort(system->nodes.begin(), system->nodes.end());
    system->cut(*problem.matrix, place_of);
    if (factor == BlockFactor::eigen_ldlt)
      system->peer = make_quadratic_peer(QuadraticSolver::eigen_ldlt, system->inside);
    systems_.push_back(std::move(system));
  }
}

FactorSweeps::~FactorSweeps() = default;

void FactorSweeps::sweep(std::span<double> x) {
  for (const auto& system : systems_) {
    system->set_right_side(problem_, x);
    found_.resize(system->nodes.size());
    if (system->peer) {
      system->peer->solve(found_, 0);
    } else {
      solve_dense(*system->inside.matrix, system->inside.linear, found_);
    }
    for (std::size_t i = 0; i < found_.size(); ++i) x[system->nodes[i]] = found_[i];
  }
}

}  // namespace ashlar::bcd::baselines
