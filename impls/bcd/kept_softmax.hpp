#pragma once
// Softmax regression with what is kept: scores, probabilities and slopes of all rows, the gradient
// A'slopes. Matrices of rows have the classes contiguous, at a stride of whole cache lines.
// Internal.
#include <span>
#include <vector>

#include "impls/bcd/block_rows.hpp"
#include "impls/bcd/kept_objective.hpp"
#include "impls/core/aligned_buffer.hpp"

namespace ashlar::bcd {

class KeptSoftmax final : public KeptObjective {
 public:
  KeptSoftmax(const Problem& problem, const OptimizedOptions& options);

  void bound_product(std::span<const double> v, std::span<double> out) override;
  void bound_block(Block block, BlockMatrix out) override;
  std::span<const double> gradient() override;
  void gradient_of(Block block, std::span<double> out) override;
  void hessian_block(Block block, BlockMatrix out) override;

 protected:
  void renew() override;
  void moved(Block block, std::span<const double> step) override;
  double loss() override;
  double loss_change(Block block, std::span<const double> step) override;
  std::optional<double> half_square(const Optimum&) override { return std::nullopt; }

 private:
  Index feature(Index coordinate) const { return coordinate / classes_; }
  Index class_of(Index coordinate) const { return coordinate % classes_; }
  double* row_of(core::AlignedBuffer& matrix, Index row) const {
    return matrix.as<double>() + std::int64_t{row} * stride_;
  }
  Index target(Index row) const { return static_cast<Index>(problem().targets[row]); }
  double entries() const { return static_cast<double>(a_.by_row.entries()); }
  /// 1 - p without cancellation.
  double one_minus(double p, Index row) const { return p > 0.5 ? complements_[row] : 1 - p; }

  void mark(Index row);
  void evaluate();
  void evaluate_row(Index row);
  void pass(core::AlignedBuffer& matrix, double offset, std::span<double> out);
  void add_rows();
  void add_scores(std::span<const double> x, core::AlignedBuffer& scores);
  void product_by_gram(std::span<const double> v, std::span<double> out);
  Index classes_in(Block block);

  const FeatureMatrix& a_;
  Index classes_;
  Index stride_;
  core::AlignedBuffer scores_;         // A X
  core::AlignedBuffer probabilities_;  // softmax of the scores
  core::AlignedBuffer slopes_;         // probabilities - Y
  core::AlignedBuffer seen_;           // slopes of which gradient_ is the gradient
  core::AlignedBuffer product_;        // scores of something else than x
  core::AlignedBuffer one_row_;        // two of them
  Vector complements_;                 // 1 - the largest probability
  Vector below_;                       // largest score - that of the target
  Vector others_;                      // SoftmaxSums::others
  Vector losses_;
  bool losses_are_current_ = false;
  std::vector<char> is_stale_;
  std::vector<Index> stale_;  // rows whose scores have changed since they were evaluated
  std::vector<char> is_changed_;
  std::vector<Index> changed_;  // rows whose slopes have changed since the gradient
  Vector gradient_;
  bool gradient_exists_ = false;
  BlockRows rows_;
  std::vector<Vector> of_class_;  // products of A'A, class by class
  std::vector<char> has_class_;
  std::vector<Index> present_;  // classes of which there is one
};

}  // namespace ashlar::bcd
