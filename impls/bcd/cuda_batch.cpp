#include "impls/bcd/cuda_batch.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "impls/bcd/cuda_batch_launch.hpp"
#include "impls/bcd/cuda_batch_plan.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

using core::cuda::DeviceBuffer;

template <class T>
DeviceBuffer batch_upload(const std::vector<T>& values) {
  DeviceBuffer buffer(values.size() * sizeof(T));
  buffer.copy_in(values.data(), buffer.bytes());
  return buffer;
}

class DeviceBatch final : public CudaBatch {
 public:
  DeviceBatch(const Problem& problem, std::span<const Rule> rules, const Optimum& optimum,
              const BatchOptions& options)
      : plan_(problem, rules, optimum, options),
        shape_(kernel::batch_shape(options.team, options.cluster_blocks,
                                   static_cast<std::int64_t>(rules.size()),
                                   plan_.sizes(1).most_matrix)),
        inputs_(batch_upload(plan_.inputs())),
        outputs_(plan_.output_bytes()),
        queue_(sizeof(std::uint32_t)) {
    const auto* const inputs = static_cast<const std::byte*>(inputs_.data());
    runs_ = batch_upload(plan_.runs(inputs, static_cast<std::byte*>(outputs_.data())));
    order_ = batch_upload(plan_.by_cost());
    launch_.problem = plan_.problem(inputs);
    launch_.runs = static_cast<const kernel::BatchRun*>(runs_.data());
    launch_.order = static_cast<const Index*>(order_.data());
    launch_.count = static_cast<std::uint32_t>(plan_.count());
    launch_.queue = static_cast<std::uint32_t*>(queue_.data());
    launch_.sizes = plan_.sizes(shape_.blocks_of_team);
    launch_.near_is_shared = shape_.near_is_shared;
    launch_.in_clusters = shape_.team == BatchTeam::cluster;
    kernel::TeamMemory measured;
    if (shape_.near_is_shared) {
      double somewhere = 0;  // what is shared takes no room here
      measured.near.matrix = &somewhere;
    }
    launch_.memory_bytes = kernel::carve(launch_.sizes, 0, measured);
    memories_ = DeviceBuffer(static_cast<std::size_t>(launch_.memory_bytes) *
                             static_cast<std::size_t>(shape_.teams));
    launch_.memories = static_cast<unsigned char*>(memories_.data());
  }

  void run() override {
    launch(nullptr);
    core::cuda::synchronize();
  }
  void launch(void* stream) override {
    const core::Range range("batch on a GPU", static_cast<std::int64_t>(plan_.count()));
    kernel::launch_batch(launch_, shape_, stream);
  }
  void poison() override { outputs_.fill(0xff); }
  void x(std::size_t run, std::span<double> out) const override {
    check_run(run);
    if (out.size() != static_cast<std::size_t>(launch_.problem.size)) {
      throw std::invalid_argument(fmt::format("batch on a GPU: room for {} coordinates, not {}",
                                              out.size(), launch_.problem.size));
    }
    core::cuda::synchronize();
    outputs_.copy_out(out.data(), out.size_bytes(), plan_.x_offset(run));
  }
  BatchTrace trace(std::size_t run) const override {
    check_run(run);
    std::vector<std::byte> bytes(plan_.trace_bytes());
    core::cuda::synchronize();
    outputs_.copy_out(bytes.data(), bytes.size(), plan_.trace_offset(run));
    return plan_.trace(bytes.data());
  }
  BatchTeam team() const override { return shape_.team; }
  int blocks_of_team() const override { return shape_.blocks_of_team; }
  int teams() const override { return shape_.teams; }

 private:
  void check_run(std::size_t run) const {
    if (run >= plan_.count()) {
      throw std::invalid_argument(
          fmt::format("batch on a GPU: no run {}; there are {}", run, plan_.count()));
    }
  }

  BatchPlan plan_;
  kernel::BatchShape shape_;
  DeviceBuffer inputs_, outputs_, runs_, order_, queue_, memories_;
  kernel::BatchLaunch launch_;
};

}  // namespace

std::optional<std::string> cuda_batch_unsupported(const Problem& problem, const Rule& rule) {
  if (!kernel::batch_kernels_built()) return "not built";
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!device.available) return device.reason;
  return batch_rule_unsupported(problem, rule);
}

std::unique_ptr<CudaBatch> make_cuda_batch(const Problem& problem, std::span<const Rule> rules,
                                           const Optimum& optimum, const BatchOptions& options) {
  for (const Rule& rule : rules) {
    validate(rule, problem);
    if (const auto why = cuda_batch_unsupported(problem, rule))
      throw std::invalid_argument("batch on a GPU: " + *why);
  }
  const int blocks = options.cluster_blocks;
  if (blocks != 2 && blocks != 4 && blocks != 8) {
    throw std::invalid_argument(
        fmt::format("batch on a GPU: {} blocks in a cluster; 2, 4 or 8", blocks));
  }
  return std::make_unique<DeviceBatch>(problem, rules, optimum, options);
}

}  // namespace ashlar::bcd
