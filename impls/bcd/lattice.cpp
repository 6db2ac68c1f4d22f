#include "impls/bcd/lattice.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"

namespace ashlar::bcd {
namespace {

constexpr std::uint32_t kLabelledStream = 0x6c617430;
constexpr std::uint32_t kLabelStream = 0x6c617431;

[[noreturn]] void lattice_error(const std::string& what) {
  throw std::invalid_argument("lattice: " + what);
}

std::string lattice_place(const LatticeProblem& problem, Index node) {
  return "row " + std::to_string(node % problem.rows) + ", column " +
         std::to_string(node / problem.rows);
}

void check_sizes(Index rows, Index columns) {
  if (rows < 1 || columns < 1) {
    lattice_error(std::to_string(rows) + " x " + std::to_string(columns) +
                  " has no nodes; both must be at least 1");
  }
  if (std::int64_t{rows} * columns > std::numeric_limits<Index>::max()) {
    lattice_error(std::to_string(rows) + " x " + std::to_string(columns) +
                  " has more than 2^31 - 1 nodes; take fewer");
  }
}

LatticeProblem without_labels(Index rows, Index columns, double weight) {
  LatticeProblem problem;
  problem.rows = rows;
  problem.columns = columns;
  problem.weight = weight;
  problem.labelled.resize(static_cast<std::size_t>(problem.nodes()));
  problem.labels.resize(problem.labelled.size());
  return problem;
}

/// The sum of term(column) over columns, each by itself and then in order.
template <class Term>
double sum_over_columns(Index columns, const Term& term) {
  std::vector<double> sums(static_cast<std::size_t>(columns));
  core::parallel_for_static(columns, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t c = begin; c < end; ++c) {
      sums[static_cast<std::size_t>(c)] = term(static_cast<Index>(c));
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

double square(double x) { return x * x; }

/// The energy of at(node).
template <class At>
double energy_of(const LatticeProblem& problem, const At& at) {
  const Index rows = problem.rows;
  return 0.5 * problem.weight * sum_over_columns(problem.columns, [&](Index c) {
           const Index first = c * rows;
           double sum = 0;
           for (Index r = 0; r + 1 < rows; ++r) sum += square(at(first + r) - at(first + r + 1));
           if (c + 1 == problem.columns) return sum;
           for (Index r = 0; r < rows; ++r) sum += square(at(first + r) - at(first + rows + r));
           return sum;
         });
}

/// degree * x - sum of neighbours.
double slope(const LatticeProblem& problem, std::span<const double> x, Index row, Index column) {
  const Index i = problem.node(row, column);
  const auto at = [&](Index node) { return x[static_cast<std::size_t>(node)]; };
  double sum = problem.degree(row, column) * at(i);
  if (row > 0) sum -= at(i - 1);
  if (row + 1 < problem.rows) sum -= at(i + 1);
  if (column > 0) sum -= at(i - problem.rows);
  if (column + 1 < problem.columns) sum -= at(i + problem.rows);
  return sum;
}

template <class Counts>
double largest_slope(const LatticeProblem& problem, std::span<const double> x,
                     const Counts& counts) {
  double largest = 0;
  for (Index c = 0; c < problem.columns; ++c) {
    for (Index r = 0; r < problem.rows; ++r) {
      if (problem.labelled[static_cast<std::size_t>(problem.node(r, c))] != 0 || !counts(r, c))
        continue;
      const double size = std::abs(slope(problem, x, r, c));
      if (!(size <= largest)) largest = size;  // a NaN too
    }
  }
  return problem.weight * largest;
}

/// Conjugate gradients for the unknowns, the matrix scaled by its diagonal.
class LatticeGradients {
 public:
  explicit LatticeGradients(const LatticeProblem& problem)
      : problem_(problem),
        size_(static_cast<std::size_t>(problem.nodes())),
        x_(start_state(problem)) {}

  LatticeState solve() {
    restart();
    const double start = rho_;
    constexpr double kEnough = 1e-30;  // of the squared norm: rounding
    const std::int64_t most = 1000 + 20 * std::int64_t{problem_.rows + problem_.columns};
    for (std::int64_t i = 0; rho_ > kEnough * start; ++i) {
      if (i == most)
        throw std::runtime_error("lattice_optimum: conjugate gradients do not converge");
      step();
    }
    // What rounding has added to the residual that is carried along.
    restart();
    for (int i = 0; i < 20 && rho_ > 0; ++i) step();
    return std::move(x_);
  }

 private:
  void restart() {
    residual_.assign(size_, 0);
    for_unknowns(
        [&](Index r, Index c, std::size_t i) { residual_[i] = -slope(problem_, x_.values, r, c); });
    direction_.assign(size_, 0);
    product_.assign(size_, 0);
    rho_ = 0;
    for_unknowns([&](Index r, Index c, std::size_t i) {
      direction_[i] = residual_[i] / problem_.degree(r, c);
      rho_ += residual_[i] * direction_[i];
    });
  }

  void step() {
    double curvature = 0;
    for_unknowns([&](Index r, Index c, std::size_t i) {
      product_[i] = slope(problem_, direction_, r, c);
      curvature += direction_[i] * product_[i];
    });
    if (!(curvature > 0)) return;
    const double length = rho_ / curvature;
    double rho = 0;
    for_unknowns([&](Index r, Index c, std::size_t i) {
      x_.values[i] += length * direction_[i];
      residual_[i] -= length * product_[i];
      rho += square(residual_[i]) / problem_.degree(r, c);
    });
    const double keep = rho / rho_;
    rho_ = rho;
    for_unknowns([&](Index r, Index c, std::size_t i) {
      direction_[i] = residual_[i] / problem_.degree(r, c) + keep * direction_[i];
    });
  }

  template <class Body>
  void for_unknowns(const Body& body) {
    for (Index c = 0; c < problem_.columns; ++c) {
      for (Index r = 0; r < problem_.rows; ++r) {
        const auto i = static_cast<std::size_t>(problem_.node(r, c));
        if (problem_.labelled[i] == 0) body(r, c, i);
      }
    }
  }

  const LatticeProblem& problem_;
  std::size_t size_;
  LatticeState x_;
  std::vector<double> residual_, direction_, product_;
  double rho_ = 0;
};

}  // namespace

void validate(const LatticeProblem& problem) {
  check_sizes(problem.rows, problem.columns);
  const auto nodes = static_cast<std::size_t>(problem.nodes());
  if (problem.labelled.size() != nodes || problem.labels.size() != nodes) {
    lattice_error("a mask of " + std::to_string(problem.labelled.size()) + " and " +
                  std::to_string(problem.labels.size()) + " labels for " + std::to_string(nodes) +
                  " nodes; give one of each per node");
  }
  if (!(problem.weight > 0) || !std::isfinite(problem.weight))
    lattice_error("the weight is " + std::to_string(problem.weight) + "; it must be above 0");
  bool any = false;
  for (Index i = 0; i < problem.nodes(); ++i) {
    const auto place = static_cast<std::size_t>(i);
    if (problem.labelled[place] > 1)
      lattice_error("the mask at " + lattice_place(problem, i) + " is neither 0 nor 1");
    if (problem.labelled[place] == 0) continue;
    any = true;
    if (!std::isfinite(problem.labels[place]))
      lattice_error("the label at " + lattice_place(problem, i) + " is not finite");
  }
  if (!any)
    lattice_error("no node has a label, so that no minimiser is unique; label at least one");
}

LatticeProblem lattice_with_labels(const LabelledLattice& listed) {
  check_sizes(listed.rows, listed.columns);
  if (listed.nodes.size() != listed.labels.size()) {
    lattice_error(std::to_string(listed.nodes.size()) + " labelled nodes and " +
                  std::to_string(listed.labels.size()) + " labels; give one label per node");
  }
  LatticeProblem problem = without_labels(listed.rows, listed.columns, listed.weight);
  for (std::size_t k = 0; k < listed.nodes.size(); ++k) {
    const Index node = listed.nodes[k];
    if (node < 0 || node >= problem.nodes()) {
      lattice_error("node " + std::to_string(node) + " is labelled; there are nodes 0 to " +
                    std::to_string(problem.nodes() - 1));
    }
    const auto place = static_cast<std::size_t>(node);
    if (problem.labelled[place] != 0)
      lattice_error("node " + std::to_string(node) + " is labelled twice");
    problem.labelled[place] = 1;
    problem.labels[place] = listed.labels[k];
  }
  validate(problem);
  return problem;
}

LabelledLattice labelled_nodes(const LatticeProblem& problem) {
  LabelledLattice listed;
  listed.rows = problem.rows;
  listed.columns = problem.columns;
  listed.weight = problem.weight;
  for (Index i = 0; i < problem.nodes(); ++i) {
    if (problem.labelled[static_cast<std::size_t>(i)] == 0) continue;
    listed.nodes.push_back(i);
    listed.labels.push_back(problem.labels[static_cast<std::size_t>(i)]);
  }
  return listed;
}

LatticeProblem random_lattice(Index rows, Index columns, double share, double weight,
                              std::uint64_t seed) {
  check_sizes(rows, columns);
  if (!(share >= 0 && share <= 1)) {
    lattice_error("the labelled share is " + std::to_string(share) + "; it must be in 0 to 1");
  }
  LatticeProblem problem = without_labels(rows, columns, weight);
  const auto label = [&](std::size_t i) {
    problem.labelled[i] = 1;
    problem.labels[i] =
        10.0 * core::random_element(core::Distribution::normal, seed, kLabelStream, i);
  };
  core::parallel_for_static(problem.nodes(), [&](std::int64_t begin, std::int64_t end, int) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const float drawn =
          core::random_element(core::Distribution::uniform, seed, kLabelledStream, i);
      if (drawn < share) label(i);
    }
  });
  if (std::find(problem.labelled.begin(), problem.labelled.end(), 1) == problem.labelled.end())
    label(0);
  validate(problem);
  return problem;
}

std::string_view name_of(LatticePartition partition) {
  return partition == LatticePartition::red_black ? "red-black" : "combs";
}

LatticeState start_state(const LatticeProblem& problem) {
  LatticeState state;
  state.values.resize(problem.labels.size());
  for (std::size_t i = 0; i < state.values.size(); ++i) {
    state.values[i] = problem.labelled[i] != 0 ? problem.labels[i] : 0.0;
  }
  return state;
}

double energy(const LatticeProblem& problem, std::span<const double> values) {
  return energy_of(problem, [&](Index i) { return values[static_cast<std::size_t>(i)]; });
}

double gap(const LatticeProblem& problem, std::span<const double> values,
           std::span<const double> optimum) {
  return energy_of(problem, [&](Index i) {
    const auto place = static_cast<std::size_t>(i);
    return values[place] - optimum[place];
  });
}

double residual(const LatticeProblem& problem, std::span<const double> values) {
  return largest_slope(problem, values, [](Index, Index) { return true; });
}

double residual_of(const LatticeProblem& problem, std::span<const double> values,
                   LatticePartition partition, int half) {
  return largest_slope(problem, values, [&](Index row, Index column) {
    return half_of(partition, problem.rows, row, column) == half;
  });
}

LatticeState lattice_optimum(const LatticeProblem& problem) {
  return LatticeGradients(problem).solve();
}

}  // namespace ashlar::bcd
