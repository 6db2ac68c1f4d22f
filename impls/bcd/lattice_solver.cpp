#include "impls/bcd/lattice_solver.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "impls/bcd/lattice_reference.hpp"
#include "impls/bcd/lattice_sweep.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::bcd {
namespace {

class ReferenceLattice final : public LatticeSolver {
 public:
  ReferenceLattice(const LatticeProblem& problem, LatticePartition partition)
      : problem_(problem), partition_(partition), values_(start_state(problem).values) {}

  void set_values(std::span<const double> values) override {
    values_.assign(values.begin(), values.end());
    half_ = 0;
  }
  void run(std::int64_t half_sweeps) override {
    for (std::int64_t i = 0; i < half_sweeps; ++i) {
      reference_half_sweep(problem_, partition_, half_, values_);
      half_ = 1 - half_;
    }
  }
  void get_values(std::span<double> values) const override {
    std::copy(values_.begin(), values_.end(), values.begin());
  }
  double bytes_per_half_sweep() const override {
    // Section 6 of the method's cost: values, mask and right sides, and two numbers of scratch.
    const double half = 0.5 * problem_.nodes();
    return half * (partition_ == LatticePartition::red_black ? 25 : 57);
  }

 private:
  const LatticeProblem& problem_;
  LatticePartition partition_;
  std::vector<double> values_;
  int half_ = 0;
};

}  // namespace

std::string_view name_of(LatticeTier tier) {
  return tier == LatticeTier::reference ? "reference" : "optimized";
}

std::unique_ptr<LatticeSolver> make_lattice_solver(const LatticeProblem& problem,
                                                   LatticePartition partition, LatticeTier tier,
                                                   int threads) {
  validate(problem);
  // The teeth of a single column have factors of their own at every node, and there is one tooth.
  const bool single_tooth = partition == LatticePartition::combs && problem.columns == 1;
  if (tier == LatticeTier::reference || single_tooth)
    return std::make_unique<ReferenceLattice>(problem, partition);
  const int workers = threads > 0 ? threads : core::thread_count();
  if (partition == LatticePartition::red_black) return make_colour_sweeps(problem, workers);
  return make_comb_sweeps(problem, workers);
}

LatticeRun run_until(LatticeSolver& solver, const LatticeProblem& problem,
                     std::span<const double> optimum, const LatticeStop& stop) {
  if (stop.look_every < 1) throw std::invalid_argument("run_until: look_every must be at least 1");
  std::vector<double> values(optimum.size());
  LatticeRun result;
  for (;;) {
    solver.get_values(values);
    result.gap = gap(problem, values, optimum);
    result.converged = result.gap <= stop.gap;
    const std::int64_t left = stop.half_sweeps - result.half_sweeps;
    if (result.converged || left <= 0) return result;
    const std::int64_t count = std::min(stop.look_every, left);
    solver.run(count);
    result.half_sweeps += count;
  }
}

}  // namespace ashlar::bcd
