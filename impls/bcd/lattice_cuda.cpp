#include "impls/bcd/lattice_cuda.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "impls/bcd/lattice_cuda_launch.hpp"
#include "impls/bcd/lattice_factors.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

using core::cuda::DeviceBuffer;

template <class T>
DeviceBuffer lattice_upload(const std::vector<T>& values) {
  DeviceBuffer buffer(values.size() * sizeof(T));
  buffer.copy_in(values.data(), buffer.bytes());
  return buffer;
}
template <class T>
const T* as(const DeviceBuffer& buffer) {
  return static_cast<const T*>(buffer.data());
}

/// The values of a state in two planes on the device.
template <class Real>
class DevicePlanes {
 public:
  explicit DevicePlanes(const PlaneShape& shape) : shape_(shape) {
    for (DeviceBuffer& plane : planes_)
      plane = DeviceBuffer(static_cast<std::size_t>(shape.size()) * sizeof(Real));
  }

  Real* plane(int which) const { return static_cast<Real*>(planes_[which].data()); }
  void set(std::span<const double> values) {
    std::vector<Real> host[2];
    for (auto& plane : host) plane.assign(static_cast<std::size_t>(shape_.size()), Real(0));
    for_each_place(shape_, [&](std::size_t node, int which, std::size_t place) {
      host[which][place] = static_cast<Real>(values[node]);
    });
    for (int which = 0; which < 2; ++which)
      planes_[which].copy_in(host[which].data(), planes_[which].bytes());
  }
  void get(std::span<double> values) const {
    std::vector<Real> host[2];
    for (int which = 0; which < 2; ++which) {
      host[which].resize(static_cast<std::size_t>(shape_.size()));
      planes_[which].copy_out(host[which].data(), planes_[which].bytes());
    }
    for_each_place(shape_, [&](std::size_t node, int which, std::size_t place) {
      values[node] = static_cast<double>(host[which][place]);
    });
  }

 private:
  PlaneShape shape_;
  DeviceBuffer planes_[2];
};

/// What both partitions share.
template <class Real>
class PlaneLattice : public CudaLattice {
 public:
  explicit PlaneLattice(const LatticeProblem& problem)
      : shape_(problem.rows, problem.columns), values_(shape_) {
    set_values(start_state(problem).values);
  }

  void set_values(std::span<const double> values) final {
    values_.set(values);
    half_ = 0;
  }
  void get_values(std::span<double> values) const final {
    core::cuda::synchronize();
    values_.get(values);
  }
  void run(std::int64_t half_sweeps) final {
    launch(half_sweeps, nullptr);
    core::cuda::synchronize();
  }
  void launch(std::int64_t half_sweeps, void* stream) final {
    if (half_sweeps <= 0) return;
    const core::Range range("lattice half sweeps on a GPU", half_sweeps);
    launch_from(half_, half_sweeps, stream);
    half_ = static_cast<int>((half_ + half_sweeps) % 2);
  }
  double bytes_per_half_sweep() const final {
    return 0.5 * shape_.rows * static_cast<double>(shape_.columns) * bytes_per_unknown();
  }

 protected:
  virtual void launch_from(int half, std::int64_t half_sweeps, void* stream) = 0;
  virtual double bytes_per_unknown() const = 0;

  PlaneShape shape_;
  DevicePlanes<Real> values_;

 private:
  int half_ = 0;
};

template <class Real>
class CudaCombs final : public PlaneLattice<Real> {
 public:
  explicit CudaCombs(const LatticeProblem& problem) : PlaneLattice<Real>(problem) {
    const ToothFactors factors;
    factors_ = lattice_upload(std::vector<Real>(std::begin(factors.of), std::end(factors.of)));
    arguments_.shape = this->shape_;
    arguments_.factors = as<Real>(factors_);
    for (int comb = 0; comb < 2; ++comb) {
      const CombFactors of_comb = comb_factors(problem, comb);
      classes_[comb] = lattice_upload(of_comb.classes);
      spine_[comb] = lattice_upload(std::vector<Real>(of_comb.spine.begin(), of_comb.spine.end()));
      arguments_.plane[comb] = this->values_.plane(comb);
      arguments_.classes[comb] = as<std::uint8_t>(classes_[comb]);
      arguments_.spine[comb] = as<Real>(spine_[comb]);
    }
  }

 private:
  void launch_from(int half, std::int64_t half_sweeps, void* stream) override {
    kernel::launch_combs(arguments_, half, half_sweeps, stream);
  }
  /// Neighbours and classes, with halos, and values written.
  double bytes_per_unknown() const override {
    constexpr double kReads = 1 + 2.0 * kernel::CombTiling<Real>::kHalo / kernel::kTileRows;
    return kReads * (sizeof(Real) + 1) + sizeof(Real);
  }

  DeviceBuffer factors_, classes_[2], spine_[2];
  kernel::CombArguments<Real> arguments_;
};

template <class Real>
class CudaColours final : public PlaneLattice<Real> {
 public:
  explicit CudaColours(const LatticeProblem& problem) : PlaneLattice<Real>(problem) {
    arguments_.shape = this->shape_;
    for (int plane = 0; plane < 2; ++plane) {
      std::vector<std::uint8_t> labelled(
          static_cast<std::size_t>(problem.rows) * static_cast<std::size_t>(this->shape_.width),
          0xff);
      for (Index c = plane; c < problem.columns; c += 2) {
        for (Index r = 0; r < problem.rows; ++r) {
          const bool label = problem.labelled[static_cast<std::size_t>(problem.node(r, c))] != 0;
          labelled[static_cast<std::size_t>(std::int64_t{r} * this->shape_.width + c / 2)] =
              label ? 0xff : 0;
        }
      }
      labelled_[plane] = lattice_upload(labelled);
      arguments_.plane[plane] = this->values_.plane(plane);
      arguments_.labelled[plane] = as<std::uint8_t>(labelled_[plane]);
    }
  }

 private:
  void launch_from(int half, std::int64_t half_sweeps, void* stream) override {
    kernel::launch_colours(arguments_, half, half_sweeps, stream);
  }
  /// Of the other colour, of this one, written, and the mask.
  double bytes_per_unknown() const override { return 3 * sizeof(Real) + 1; }

  DeviceBuffer labelled_[2];
  kernel::ColourArguments<Real> arguments_;
};

template <class Real>
std::unique_ptr<CudaLattice> make_on_device(const LatticeProblem& problem,
                                            LatticePartition partition) {
  if (partition == LatticePartition::red_black) return std::make_unique<CudaColours<Real>>(problem);
  return std::make_unique<CudaCombs<Real>>(problem);
}

}  // namespace

std::optional<std::string> lattice_cuda_unsupported(const LatticeProblem& problem,
                                                    LatticePartition partition) {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!kernel::lattice_kernels_built()) return "not built";
  if (!device.available) return device.reason;
  const bool chain = problem.rows < 2 || problem.columns < 2;
  if (partition == LatticePartition::combs && chain)
    return "combs on a single row or column are a chain, which one thread would follow";
  return std::nullopt;
}

std::unique_ptr<CudaLattice> make_cuda_lattice(const LatticeProblem& problem,
                                               LatticePartition partition, DeviceReal real) {
  validate(problem);
  if (const auto why = lattice_cuda_unsupported(problem, partition))
    throw std::invalid_argument("lattice on a GPU: " + *why);
  return real == DeviceReal::f64 ? make_on_device<double>(problem, partition)
                                 : make_on_device<float>(problem, partition);
}

}  // namespace ashlar::bcd
