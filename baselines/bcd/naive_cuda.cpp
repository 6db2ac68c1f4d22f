#include "baselines/bcd/naive_cuda.hpp"

#include <stdexcept>
#include <vector>

#include "baselines/bcd/naive.hpp"
#include "baselines/bcd/naive_cuda_launch.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"

namespace ashlar::bcd::baselines {
namespace {

using core::cuda::DeviceBuffer;

DeviceBuffer numbers_on_device(std::size_t count) { return DeviceBuffer(count * sizeof(double)); }

std::vector<double> dense_rows(const FeatureMatrix& features) {
  const auto columns = static_cast<std::size_t>(features.columns);
  std::vector<double> dense(static_cast<std::size_t>(features.rows) * columns);
  for (Index row = 0; row < features.rows; ++row) {
    const auto indices = features.by_row.indices_of(row);
    for (std::size_t e = 0; e < indices.size(); ++e)
      dense[row * columns + indices[e]] = features.by_row.values_of(row)[e];
  }
  return dense;
}

class NaiveCudaObjective final : public Objective {
 public:
  explicit NaiveCudaObjective(const Problem& problem)
      : host_(make_naive_objective(problem)),
        x_(static_cast<std::size_t>(problem.size())),
        gradient_(x_.size()) {
    const FeatureMatrix& features = *problem.features;
    const std::vector<double> rows = dense_rows(features);
    matrix_ = numbers_on_device(rows.size());
    matrix_.copy_in(rows.data(), matrix_.bytes());
    targets_ = numbers_on_device(problem.targets.size());
    targets_.copy_in(problem.targets.data(), targets_.bytes());
    slopes_ = numbers_on_device(problem.targets.size());
    device_x_ = numbers_on_device(x_.size());
    device_x_.fill(0);
    device_gradient_ = numbers_on_device(x_.size());
    dense_.rows = features.rows;
    dense_.columns = features.columns;
    dense_.logistic = problem.loss == Loss::logistic;
    dense_.factor = dense_.logistic ? 0.25 : 1;
    dense_.penalty = problem.penalty.nonnegative ? problem.penalty.lambda : 0;
    dense_.a = static_cast<const double*>(matrix_.data());
    dense_.targets = static_cast<const double*>(targets_.data());
  }

  const Problem& problem() const override { return host_->problem(); }

  std::span<const double> lipschitz() override { return host_->lipschitz(); }
  std::span<const double> row_sums() override { return host_->row_sums(); }
  double bound_lambda_max() override { return host_->bound_lambda_max(); }
  void bound_product(std::span<const double> v, std::span<double> out) override {
    host_->bound_product(v, out);
  }
  void bound_block(Block block, BlockMatrix out) override {
    put_block(block);
    grow(device_block_matrix_, out.size_bytes());
    launch_naive_block(dense_, static_cast<const Index*>(device_block_.data()),
                       static_cast<Index>(block.size()),
                       static_cast<double*>(device_block_matrix_.data()));
    device_block_matrix_.copy_out(out.data(), out.size_bytes());
    const auto pairs = static_cast<double>(out.size());
    count(2 * pairs * dense_.rows,
          8 * (static_cast<double>(block.size()) * dense_.rows + 2 * pairs));
  }

  std::span<const double> x() const override { return x_; }
  void set_x(std::span<const double> x) override {
    if (x.size() != x_.size())
      throw std::invalid_argument("set_x: x has another size than the problem");
    x_.assign(x.begin(), x.end());
    device_x_.copy_in(x_.data(), device_x_.bytes());
  }
  double value() override { return on_host().value(); }
  double gap(const Optimum& optimum) override { return on_host().gap(optimum); }
  std::span<const double> gradient() override {
    launch_naive_gradient(dense_, static_cast<const double*>(device_x_.data()),
                          static_cast<double*>(slopes_.data()),
                          static_cast<double*>(device_gradient_.data()));
    device_gradient_.copy_out(gradient_.data(), device_gradient_.bytes());
    const double elements = static_cast<double>(dense_.rows) * dense_.columns;
    count(4 * elements, 16 * (elements + dense_.rows + dense_.columns));
    return gradient_;
  }
  void gradient_of(Block block, std::span<double> out) override {
    const auto whole = gradient();
    for (std::size_t k = 0; k < block.size(); ++k) out[k] = whole[block[k]];
  }
  double value_after(Block block, std::span<const double> step) override {
    return on_host().value_after(block, step);
  }
  void move(Block block, std::span<const double> step) override {
    if (block.empty()) return;
    for (std::size_t k = 0; k < block.size(); ++k) x_[block[k]] += step[k];
    put_block(block);
    grow(device_step_, step.size_bytes());
    device_step_.copy_in(step.data(), step.size_bytes());
    launch_naive_move(static_cast<const Index*>(device_block_.data()),
                      static_cast<const double*>(device_step_.data()),
                      static_cast<Index>(block.size()), static_cast<double*>(device_x_.data()));
  }
  void hessian_block(Block block, BlockMatrix out) override { on_host().hessian_block(block, out); }
  Traffic traffic() const override {
    const Traffic host = host_->traffic();
    return {traffic_.flops + host.flops, traffic_.bytes + host.bytes};
  }

 private:
  Objective& on_host() {
    host_->set_x(x_);
    return *host_;
  }
  void count(double flops, double bytes) {
    traffic_.flops += flops;
    traffic_.bytes += bytes;
  }
  static void grow(DeviceBuffer& buffer, std::size_t bytes) {
    if (buffer.bytes() < bytes) buffer = DeviceBuffer(bytes);
  }
  void put_block(Block block) {
    grow(device_block_, block.size_bytes());
    device_block_.copy_in(block.data(), block.size_bytes());
  }

  std::unique_ptr<Objective> host_;
  std::vector<double> x_;
  std::vector<double> gradient_;
  DeviceBuffer matrix_, targets_, slopes_, device_x_, device_gradient_;
  DeviceBuffer device_block_, device_step_, device_block_matrix_;
  NaiveDense dense_;
  Traffic traffic_;
};

}  // namespace

std::optional<std::string> naive_cuda_unsupported(const Problem& problem) {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!naive_cuda_built()) return "not built";
  if (!device.available) return device.reason;
  if (problem.loss != Loss::least_squares && problem.loss != Loss::logistic)
    return "the plain kernels are those of least squares and logistic";
  return std::nullopt;
}

std::unique_ptr<Objective> make_naive_cuda_objective(const Problem& problem) {
  if (const auto why = naive_cuda_unsupported(problem))
    throw std::invalid_argument("naive objective on a GPU: " + *why);
  return std::make_unique<NaiveCudaObjective>(problem);
}

}  // namespace ashlar::bcd::baselines
