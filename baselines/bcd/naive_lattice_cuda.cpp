#include "baselines/bcd/naive_lattice_cuda.hpp"

#include <stdexcept>

#include "baselines/bcd/naive_lattice_launch.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"

namespace ashlar::bcd::baselines {
namespace {

using core::cuda::DeviceBuffer;

class NaiveCudaLattice final : public CudaLattice {
 public:
  NaiveCudaLattice(const LatticeProblem& problem, LatticePartition partition)
      : partition_(partition),
        labelled_(problem.labelled.size()),
        values_(problem.labels.size() * sizeof(double)),
        diagonal_(values_.bytes()),
        right_(values_.bytes()) {
    labelled_.copy_in(problem.labelled.data(), labelled_.bytes());
    lattice_.rows = problem.rows;
    lattice_.columns = problem.columns;
    lattice_.labelled = static_cast<const std::uint8_t*>(labelled_.data());
    lattice_.values = static_cast<double*>(values_.data());
    lattice_.diagonal = static_cast<double*>(diagonal_.data());
    lattice_.right = static_cast<double*>(right_.data());
    NaiveCudaLattice::set_values(start_state(problem).values);
  }

  void set_values(std::span<const double> values) override {
    values_.copy_in(values.data(), values.size_bytes());
    half_ = 0;
  }
  void get_values(std::span<double> values) const override {
    core::cuda::synchronize();
    values_.copy_out(values.data(), values.size_bytes());
  }
  void run(std::int64_t half_sweeps) override {
    launch(half_sweeps, nullptr);
    core::cuda::synchronize();
  }
  void launch(std::int64_t half_sweeps, void* stream) override {
    for (std::int64_t i = 0; i < half_sweeps; ++i) {
      if (partition_ == LatticePartition::red_black) {
        launch_naive_colour(lattice_, half_, stream);
      } else if (half_ == 0 || lattice_.rows > 1) {
        launch_naive_comb(lattice_, half_, stream);
      }
      half_ = 1 - half_;
    }
  }
  double bytes_per_half_sweep() const override {
    const double half = 0.5 * lattice_.rows * static_cast<double>(lattice_.columns);
    return half * (partition_ == LatticePartition::red_black ? 25 : 57);
  }

 private:
  LatticePartition partition_;
  DeviceBuffer labelled_, values_, diagonal_, right_;
  NaiveLattice lattice_;
  int half_ = 0;
};

}  // namespace

std::optional<std::string> naive_lattice_cuda_unsupported() {
  if (!naive_lattice_built()) return "not built";
  if (!core::cuda::device_status().available) return core::cuda::device_status().reason;
  return std::nullopt;
}

std::unique_ptr<CudaLattice> make_naive_cuda_lattice(const LatticeProblem& problem,
                                                     LatticePartition partition) {
  validate(problem);
  if (const auto why = naive_lattice_cuda_unsupported())
    throw std::invalid_argument("lattice on a GPU: " + *why);
  return std::make_unique<NaiveCudaLattice>(problem, partition);
}

}  // namespace ashlar::bcd::baselines
