#pragma once
// Half sweeps over a lattice, by tier: an iteration of the published runs is one half sweep.
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "impls/bcd/lattice.hpp"

namespace ashlar::bcd {

class LatticeSolver {
 public:
  virtual ~LatticeSolver() = default;
  /// One value per node, those of labelled nodes the labels. The next half is white.
  virtual void set_values(std::span<const double> values) = 0;
  /// Minimises over so many halves in turn, from the one after the last on.
  virtual void run(std::int64_t half_sweeps) = 0;
  virtual void get_values(std::span<double> values) const = 0;
  /// Counted, not measured: what one of many half sweeps reads and writes where no row stays in
  /// cache until the next pass over it.
  virtual double bytes_per_half_sweep() const = 0;
};

enum class LatticeTier : std::uint8_t { reference, optimized };
std::string_view name_of(LatticeTier tier);

/// At the start state. Keeps a reference to the problem. `threads` is for the optimized tier; 0
/// means core::thread_count(). Throws as validate().
std::unique_ptr<LatticeSolver> make_lattice_solver(const LatticeProblem& problem,
                                                   LatticePartition partition, LatticeTier tier,
                                                   int threads = 0);

struct LatticeRun {
  std::int64_t half_sweeps = 0;
  double gap = 0;
  bool converged = false;
};

struct LatticeStop {
  double gap = 1e-8;
  std::int64_t half_sweeps = 500;
  std::int64_t look_every = 1;  // half sweeps from gap to gap
};

/// From the solver's present values until the gap is at most stop.gap.
LatticeRun run_until(LatticeSolver& solver, const LatticeProblem& problem,
                     std::span<const double> optimum, const LatticeStop& stop);

}  // namespace ashlar::bcd
