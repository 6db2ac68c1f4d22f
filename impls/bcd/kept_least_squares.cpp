// Least squares: the scores that are kept are the residual A x - y, which is also the slopes.
#include <cstddef>
#include <memory>
#include <optional>

#include "impls/bcd/kept_linear.hpp"

namespace ashlar::bcd {
namespace {

class KeptLeastSquares final : public KeptLinear {
 public:
  KeptLeastSquares(const Problem& problem, const OptimizedOptions& options)
      : KeptLinear(problem, options, 1, true) {
    renew();
  }

  void hessian_block(Block block, BlockMatrix out) override { bound_block(block, out); }

 protected:
  void renew() override {
    KeptLinear::renew();
    for (Index r = 0; r < a().rows; ++r) scores()[r] -= problem().targets[r];
  }
  const Vector& slopes() override { return scores(); }

  double loss() override {
    count(2.0 * a().rows, 0, a().rows);
    return 0.5 * kernels().dot(scores().data(), scores().data(), a().rows);
  }
  double loss_change(Block block, std::span<const double> step) override {
    const BlockRows& rows = rows_of(block);
    double change = 0;
    for (std::size_t i = 0; i < rows.rows().size(); ++i) {
      double by = 0;
      for (const auto& entry : rows.entries_of(i)) by += step[entry.place] * entry.value;
      change += by * (scores()[rows.rows()[i]] + 0.5 * by);
    }
    const auto touched = static_cast<double>(rows.entries());
    count(2 * touched, touched, touched);
    return change;
  }
  std::optional<double> half_square(const Optimum& optimum) override {
    if (optimum.x != optimum_x_) {  // 8 p bytes, against 12 nnz for its scores
      optimum_x_ = optimum.x;
      optimum_scores_.resize(static_cast<std::size_t>(a().rows));
      kernels().column_dots(a().by_row, 0, a().rows, optimum_x_.data(), 0, optimum_scores_.data());
      for (Index r = 0; r < a().rows; ++r) optimum_scores_[r] -= problem().targets[r];
    }
    double sum = 0;
    for (Index r = 0; r < a().rows; ++r) {
      const double difference = scores()[r] - optimum_scores_[r];
      sum += difference * difference;
    }
    return 0.5 * sum;
  }

 private:
  Vector optimum_x_;
  Vector optimum_scores_;
};

}  // namespace

std::unique_ptr<Objective> make_kept_least_squares(const Problem& problem,
                                                   const OptimizedOptions& options) {
  return std::make_unique<KeptLeastSquares>(problem, options);
}

}  // namespace ashlar::bcd
