// Least squares and logistic regression: f(x) = sum_r loss(a_r'x, y_r).
#include <memory>

#include "impls/bcd/gram.hpp"
#include "impls/bcd/losses.hpp"
#include "impls/bcd/reference_objective.hpp"

namespace ashlar::bcd {
namespace {

struct SquareLoss {
  static constexpr double bound = 1;  // of the curvature
  static double loss(double score, double y) { return 0.5 * (score - y) * (score - y); }
  static double slope(double score, double y) { return score - y; }
  static double curvature(double, double) { return 1; }
};

struct LogisticLoss {
  static constexpr double bound = 0.25;
  static double loss(double score, double y) { return logistic_loss(y * score); }
  static double slope(double score, double y) { return y * logistic_slope(y * score); }
  static double curvature(double score, double y) { return logistic_curvature(y * score); }
};

// Operations of exp, log and the like, by which a row of a loss is counted.
constexpr double kRowFlops = 10;

template <class RowLoss>
class ReferenceLinear final : public ReferenceObjective {
 public:
  explicit ReferenceLinear(const Problem& problem)
      : ReferenceObjective(problem), a_(*problem.features), y_(problem.targets) {}

  void bound_product(std::span<const double> v, std::span<double> out) override {
    const Vector z = scores_at(v);
    multiply(a_.by_column, z, out);
    for (double& element : out) element *= RowLoss::bound;
    count_columns(entries());
  }
  void bound_block(Block block, BlockMatrix out) override {
    weighted_block(block, {}, RowLoss::bound, out);
  }
  void hessian_block(Block block, BlockMatrix out) override {
    if (problem().loss == Loss::least_squares) return bound_block(block, out);
    Vector weights = scores_at(x());
    for (Index r = 0; r < a_.rows; ++r) weights[r] = RowLoss::curvature(weights[r], y_[r]);
    count(kRowFlops * a_.rows, 0, 2.0 * a_.rows);
    weighted_block(block, weights, 1, out);
  }

 protected:
  Vector make_lipschitz() override {
    Vector constants = squared_norms(a_.by_column);
    for (double& constant : constants) constant *= RowLoss::bound;
    count(2 * entries(), entries(), a_.columns);
    return constants;
  }
  Vector make_row_sums() override {
    Vector sums = gram_row_sums(a_);
    for (double& sum : sums) sum *= RowLoss::bound;
    const double operations = 0.5 * gram_operations(a_);
    count(2 * operations, operations, 0.5 * a_.columns * a_.columns);
    return sums;
  }
  double make_lambda_max() override { return RowLoss::bound * gram_lambda_max(a_); }

  double loss_at(std::span<const double> x) override {
    const Vector z = scores_at(x);
    double sum = 0;
    for (Index r = 0; r < a_.rows; ++r) sum += RowLoss::loss(z[r], y_[r]);
    count(kRowFlops * a_.rows, 0, 2.0 * a_.rows);
    return sum;
  }
  void loss_gradient_at(std::span<const double> x, std::span<double> out) override {
    multiply(a_.by_column, slopes_at(x), out);
    count_columns(entries());
  }
  void loss_gradient_of(std::span<const double> x, Block block, std::span<double> out) override {
    const Vector slopes = slopes_at(x);
    double touched = 0;
    for (std::size_t k = 0; k < block.size(); ++k) {
      out[k] = dot_of_line(a_.by_column, block[k], slopes);
      touched += static_cast<double>(a_.by_column.indices_of(block[k]).size());
    }
    count_columns(touched);
  }
  std::optional<double> half_square(std::span<const double> d) override {
    if (problem().loss != Loss::least_squares) return std::nullopt;
    double sum = 0;
    for (const double element : scores_at(d)) sum += element * element;
    return 0.5 * sum;
  }

 private:
  double entries() const { return static_cast<double>(a_.by_row.entries()); }

  Vector scores_at(std::span<const double> x) {
    Vector z(static_cast<std::size_t>(a_.rows));
    multiply(a_.by_row, x, z);
    count(2 * entries(), entries(), entries() + a_.rows);
    return z;
  }
  Vector slopes_at(std::span<const double> x) {
    Vector z = scores_at(x);
    for (Index r = 0; r < a_.rows; ++r) z[r] = RowLoss::slope(z[r], y_[r]);
    count(kRowFlops * a_.rows, 0, 3.0 * a_.rows);
    return z;
  }
  void count_columns(double touched) { count(2 * touched, touched, touched); }

  void weighted_block(Block block, std::span<const double> weights, double factor,
                      BlockMatrix out) {
    const std::size_t size = block.size();
    double touched = 0;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        const double entry = factor * weighted_dot(a_.by_column, block[i], block[j], weights);
        out[i + j * size] = out[j + i * size] = entry;
        touched += static_cast<double>(a_.by_column.indices_of(block[i]).size() +
                                       a_.by_column.indices_of(block[j]).size());
      }
    }
    count(touched, touched, static_cast<double>(size * size));
  }

  const FeatureMatrix& a_;
  std::span<const double> y_;
};

}  // namespace

std::unique_ptr<Objective> make_reference_linear(const Problem& problem) {
  if (problem.loss == Loss::logistic)
    return std::make_unique<ReferenceLinear<LogisticLoss>>(problem);
  return std::make_unique<ReferenceLinear<SquareLoss>>(problem);
}

}  // namespace ashlar::bcd
