#pragma once
// Least squares and logistic regression with what is kept: scores, slopes, the gradient A'slopes.
// Internal.
#include <memory>
#include <span>
#include <vector>

#include "impls/bcd/block_rows.hpp"
#include "impls/bcd/kept_objective.hpp"

namespace ashlar::bcd {

// Operations of exp, log and the like, by which a row of a loss is counted.
inline constexpr double kKeptRowFlops = 10;
/// Where fewer than this share of all change, they are looked at alone.
inline constexpr Index kFew = 4;

class KeptLinear : public KeptObjective {
 public:
  /// The Hessian is at most `bound` times A'A, and equal to it where it is constant.
  KeptLinear(const Problem& problem, const OptimizedOptions& options, double bound,
             bool hessian_is_constant);

  void bound_product(std::span<const double> v, std::span<double> out) final;
  void bound_block(Block block, BlockMatrix out) final { weighted_block(block, {}, bound_, out); }
  std::span<const double> gradient() final;
  void gradient_of(Block block, std::span<double> out) final;

 protected:
  /// Derivatives of the losses of all rows by their scores.
  virtual const Vector& slopes() = 0;

  void renew() override;
  void moved(Block block, std::span<const double> step) final;

  const FeatureMatrix& a() const { return a_; }
  double entries() const { return static_cast<double>(a_.by_row.entries()); }
  Vector& scores() { return scores_; }
  const BlockRows& rows_of(Block block) {
    rows_.collect(a_.by_column, block);
    return rows_;
  }
  /// Rows whose scores have changed since the list was cleared, each once; kept only where the
  /// Hessian is not constant.
  const std::vector<Index>& stale() const { return stale_; }
  void clear_stale();
  void weighted_block(Block block, std::span<const double> weights, double factor, BlockMatrix out);

 private:
  enum class Refresh { pass, rows, gram };
  void mark(Index row) {
    if (is_stale_[row] != 0) return;
    is_stale_[row] = 1;
    stale_.push_back(row);
  }
  Refresh cheapest(const Vector& now);
  bool gram_pays(std::span<const Index> columns, double instead);
  void pass(std::span<const double> v, double offset, std::span<double> out);
  void add_rows(const Vector& now);
  void add_gram(std::span<const Index> columns, std::span<const double> factors,
                std::span<double> out);
  void product_scores(std::span<const double> v, Index nonzeros);

  const FeatureMatrix& a_;
  double bound_;
  bool hessian_is_constant_;
  const SlicedColumns* sliced_;  // null in runs of their own: a copy takes longer than it saves
  Vector scores_;                // A x; of least squares A x - y
  Vector seen_;                  // slopes of which gradient_ is the gradient
  Vector gradient_;
  bool gradient_exists_ = false;
  bool gradient_is_current_ = false;
  std::vector<Index> pending_;  // moved since then, possibly twice
  Vector pending_steps_;
  BlockRows rows_;
  Vector product_;
  std::vector<char> is_stale_;
  std::vector<Index> stale_;
  std::vector<const double*> lines_;
  Vector rent_;  // by column: what it would have saved so far; empty where columns are shared
  std::vector<Index> support_;
  Vector support_values_;
};

std::unique_ptr<Objective> make_kept_least_squares(const Problem& problem,
                                                   const OptimizedOptions& options);
std::unique_ptr<Objective> make_kept_logistic(const Problem& problem,
                                              const OptimizedOptions& options);

}  // namespace ashlar::bcd
