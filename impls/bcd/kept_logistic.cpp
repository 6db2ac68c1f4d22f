// Logistic regression: rows whose scores have changed are evaluated when something is asked of
// them.
#include <array>
#include <cstddef>
#include <memory>
#include <optional>

#include "impls/bcd/kept_linear.hpp"

namespace ashlar::bcd {
namespace {

class KeptLogistic final : public KeptLinear {
 public:
  KeptLogistic(const Problem& problem, const OptimizedOptions& options)
      : KeptLinear(problem, options, 0.25, false) {
    const auto rows = static_cast<std::size_t>(a().rows);
    for (Vector* of_rows : {&slopes_, &curvatures_, &losses_}) of_rows->resize(rows);
    for (Vector& few : few_) few.resize(rows);
    renew();
  }

  void hessian_block(Block block, BlockMatrix out) override {
    evaluate();
    weighted_block(block, curvatures_, 1, out);
  }

 protected:
  const Vector& slopes() override {
    evaluate();
    return slopes_;
  }

  double loss() override {
    evaluate();
    count(a().rows, 0, a().rows);
    return kernels().sum(losses_.data(), a().rows);
  }
  double loss_change(Block block, std::span<const double> step) override {
    evaluate();
    const BlockRows& rows = rows_of(block);
    const auto rows_touched = static_cast<Index>(rows.rows().size());
    for (Index i = 0; i < rows_touched; ++i) {
      const Index row = rows.rows()[i];
      double by = 0;
      for (const auto& entry : rows.entries_of(i)) by += step[entry.place] * entry.value;
      few_[0][i] = scores()[row] + by;
      few_[1][i] = problem().targets[row];
    }
    evaluate_few(rows_touched);
    double change = 0;
    for (Index i = 0; i < rows_touched; ++i) change += few_[4][i] - losses_[rows.rows()[i]];
    const auto touched = static_cast<double>(rows.entries());
    count(2 * touched + kKeptRowFlops * rows_touched, touched, touched + 5.0 * rows_touched);
    return change;
  }
  std::optional<double> half_square(const Optimum&) override { return std::nullopt; }

 private:
  /// Of scores few_[0] and targets few_[1].
  void evaluate_few(Index rows) {
    kernels().logistic(few_[0].data(), few_[1].data(), rows, few_[2].data(), few_[3].data(),
                       few_[4].data());
  }

  void evaluate() {
    if (stale().empty()) return;
    const auto changed = static_cast<Index>(stale().size());
    if (changed >= a().rows / kFew) {
      kernels().logistic(scores().data(), problem().targets.data(), a().rows, slopes_.data(),
                         curvatures_.data(), losses_.data());
    } else {
      for (Index i = 0; i < changed; ++i) {
        few_[0][i] = scores()[stale()[i]];
        few_[1][i] = problem().targets[stale()[i]];
      }
      evaluate_few(changed);
      for (Index i = 0; i < changed; ++i) {
        slopes_[stale()[i]] = few_[2][i];
        curvatures_[stale()[i]] = few_[3][i];
        losses_[stale()[i]] = few_[4][i];
      }
    }
    clear_stale();
    count(kKeptRowFlops * changed, 0, 5.0 * changed);
  }

  Vector slopes_;
  Vector curvatures_;
  Vector losses_;
  std::array<Vector, 5> few_;
};

}  // namespace

std::unique_ptr<Objective> make_kept_logistic(const Problem& problem,
                                              const OptimizedOptions& options) {
  return std::make_unique<KeptLogistic>(problem, options);
}

}  // namespace ashlar::bcd
