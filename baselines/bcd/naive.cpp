#include "baselines/bcd/naive.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "impls/bcd/lambda_max.hpp"
#include "impls/bcd/losses.hpp"

namespace ashlar::bcd::baselines {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kMostElements = std::size_t{1} << 29;  // of A: 4 GiB
constexpr Index kMostUnknowns = 20000;

struct Dense {
  std::size_t rows = 0;
  std::size_t columns = 0;
  Vector values;

  const double* row(std::size_t r) const { return values.data() + r * columns; }
  double* row(std::size_t r) { return values.data() + r * columns; }
};

double dot(const double* a, const double* b, std::size_t size) {
  constexpr std::size_t kSums = 16;  // a sum alone would wait for itself
  double sums[kSums] = {};
  std::size_t i = 0;
  for (; i + kSums <= size; i += kSums) {
    for (std::size_t k = 0; k < kSums; ++k) sums[k] += a[i + k] * b[i + k];
  }
  double sum = 0;
  for (; i < size; ++i) sum += a[i] * b[i];
  for (const double part : sums) sum += part;
  return sum;
}

void add(double factor, const double* __restrict from, double* __restrict to, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) to[i] += factor * from[i];
}

Dense dense_of(const SparseLines& rows, std::size_t columns) {
  Dense dense{static_cast<std::size_t>(rows.lines()), columns, {}};
  if (columns != 0 && dense.rows > kMostElements / columns) {
    throw std::invalid_argument("naive: a dense matrix of " + std::to_string(dense.rows) + " x " +
                                std::to_string(columns) +
                                " has more than 4 GiB; take a sparse objective");
  }
  dense.values.assign(dense.rows * columns, 0.0);
  for (std::size_t r = 0; r < dense.rows; ++r) {
    const auto line = static_cast<Index>(r);
    for (std::size_t e = 0; e < rows.indices_of(line).size(); ++e) {
      dense.row(r)[rows.indices_of(line)[e]] = rows.values_of(line)[e];
    }
  }
  return dense;
}

Dense matrix_of(const Problem& problem) {
  if (problem.loss != Loss::quadratic) {
    return dense_of(problem.features->by_row, static_cast<std::size_t>(problem.features->columns));
  }
  if (problem.size() > kMostUnknowns) {
    throw std::invalid_argument("naive: " + std::to_string(problem.size()) +
                                " unknowns are too many for a dense matrix, at most " +
                                std::to_string(kMostUnknowns) + "; take a sparse objective");
  }
  Dense dense = dense_of(problem.matrix->rest, static_cast<std::size_t>(problem.size()));
  for (std::size_t i = 0; i < dense.rows; ++i) dense.row(i)[i] = problem.matrix->diagonal[i];
  return dense;
}

/// All losses but quadratics have `width` columns of scores: 1, or one per class.
class NaiveObjective final : public Objective {
 public:
  explicit NaiveObjective(const Problem& problem)
      : problem_(problem),
        a_(matrix_of(problem)),
        width_(problem.loss == Loss::softmax ? static_cast<std::size_t>(problem.classes) : 1),
        x_(static_cast<std::size_t>(problem.size()), 0.0),
        gradient_(x_.size(), 0.0),
        slope_(problem.penalty.nonnegative ? problem.penalty.lambda : 0) {}

  const Problem& problem() const override { return problem_; }

  std::span<const double> lipschitz() override {
    if (!lipschitz_.empty()) return lipschitz_;
    if (quadratic()) return lipschitz_ = problem_.matrix->diagonal;
    Vector norms(a_.columns, 0.0);
    for (std::size_t r = 0; r < a_.rows; ++r) {
      for (std::size_t f = 0; f < a_.columns; ++f) norms[f] += a_.row(r)[f] * a_.row(r)[f];
    }
    return lipschitz_ = repeated(norms, softmax() ? 0.25 : factor());
  }
  std::span<const double> row_sums() override {
    if (!row_sums_.empty()) return row_sums_;
    Vector sums(a_.columns, 0.0);
    Vector line(a_.columns);
    for (std::size_t i = 0; i < a_.columns; ++i) {
      gram_row(i, line);
      for (const double element : line) sums[i] += std::abs(element);
    }
    const double classes = static_cast<double>(width_);
    return row_sums_ = repeated(sums, softmax() ? 1 - 1 / classes : factor());
  }
  double bound_lambda_max() override {
    if (lambda_max_ < 0) {
      lambda_max_ =
          largest_eigenvalue_from_above(size(), [&](auto v, auto out) { bound_product(v, out); });
    }
    return lambda_max_;
  }
  void bound_product(std::span<const double> v, std::span<double> out) override {
    Vector input(v.begin(), v.end());
    if (softmax()) {
      for (std::size_t f = 0; f < a_.columns; ++f) {
        double mean = 0;
        for (std::size_t c = 0; c < width_; ++c)
          mean += input[f * width_ + c] / static_cast<double>(width_);
        for (std::size_t c = 0; c < width_; ++c) input[f * width_ + c] -= mean;
      }
    }
    const Vector z = product(input);
    if (quadratic()) {
      std::copy(z.begin(), z.end(), out.begin());
      return;
    }
    transposed_product(z, out);
    for (double& element : out) element *= softmax() ? 0.5 : factor();
  }
  void bound_block(Block block, BlockMatrix out) override {
    std::vector<bool> seen(width_, false);
    for (const Index i : block) seen[class_of(i)] = true;
    const auto present = static_cast<std::size_t>(std::count(seen.begin(), seen.end(), true));
    const double q = static_cast<double>(std::min(width_, present + 1));
    fill_block(block, out, [&](std::size_t, std::size_t c, std::size_t other) {
      if (!softmax()) return factor();
      return 0.5 * ((c == other ? 1.0 : 0.0) - 1 / q);
    });
  }

  std::span<const double> x() const override { return x_; }
  void set_x(std::span<const double> x) override {
    if (x.size() != x_.size())
      throw std::invalid_argument("set_x: x has another size than the problem");
    x_.assign(x.begin(), x.end());
  }
  double value() override { return value_at(x_); }
  double gap(const Optimum& optimum) override;
  std::span<const double> gradient() override {
    if (quadratic()) {
      const Vector z = product(x_);
      for (std::size_t i = 0; i < x_.size(); ++i) gradient_[i] = z[i] - problem_.linear[i];
    } else {
      Vector z = product(x_);
      to_slopes(z);
      transposed_product(z, gradient_);
    }
    for (double& element : gradient_) element += slope_;
    return gradient_;
  }
  void gradient_of(Block block, std::span<double> out) override {
    const auto whole = gradient();
    for (std::size_t k = 0; k < block.size(); ++k) out[k] = whole[block[k]];
  }
  double value_after(Block block, std::span<const double> step) override {
    Vector moved = x_;
    for (std::size_t k = 0; k < block.size(); ++k) moved[block[k]] += step[k];
    return value_at(moved);
  }
  void move(Block block, std::span<const double> step) override {
    for (std::size_t k = 0; k < block.size(); ++k) x_[block[k]] += step[k];
  }
  void hessian_block(Block block, BlockMatrix out) override {
    if (quadratic() || problem_.loss == Loss::least_squares) return bound_block(block, out);
    Vector z = product(x_);
    if (!softmax()) {
      fill_block(block, out, [&](std::size_t r, std::size_t, std::size_t) {
        return logistic_curvature(problem_.targets[r] * z[r]);
      });
      return;
    }
    std::vector<SoftmaxRow> rows;
    for (std::size_t r = 0; r < a_.rows; ++r)
      rows.push_back(softmax_in_place(scores(z, r), target(r)));
    fill_block(block, out, [&](std::size_t r, std::size_t c, std::size_t other) {
      const auto p = scores(z, r);
      return c == other ? p[c] * rows[r].one_minus(p, c) : -p[c] * p[other];
    });
  }
  Traffic traffic() const override { return traffic_; }

 private:
  bool quadratic() const { return problem_.loss == Loss::quadratic; }
  bool softmax() const { return problem_.loss == Loss::softmax; }
  double factor() const { return problem_.loss == Loss::logistic ? 0.25 : 1; }
  std::size_t class_of(Index i) const { return static_cast<std::size_t>(i) % width_; }
  std::size_t target(std::size_t row) const {
    return static_cast<std::size_t>(problem_.targets[row]);
  }
  std::span<double> scores(Vector& z, std::size_t row) const {
    return {z.data() + row * width_, width_};
  }
  Vector repeated(const Vector& constants, double scale) const {
    Vector all;
    for (const double constant : constants) all.insert(all.end(), width_, scale * constant);
    return all;
  }
  void count_product() {
    const auto elements = static_cast<double>(a_.values.size());
    const auto width = static_cast<double>(width_);
    traffic_.flops += 2 * elements * width;
    traffic_.bytes += 8 * (elements + static_cast<double>(a_.rows + a_.columns) * width);
  }

  Vector product(std::span<const double> x) {
    Vector z(a_.rows * width_, 0.0);
    for (std::size_t r = 0; r < a_.rows; ++r) {
      if (width_ == 1) {
        z[r] = dot(a_.row(r), x.data(), a_.columns);
        continue;
      }
      for (std::size_t f = 0; f < a_.columns; ++f) {
        add(a_.row(r)[f], x.data() + f * width_, z.data() + r * width_, width_);
      }
    }
    count_product();
    return z;
  }
  void transposed_product(const Vector& z, std::span<double> out) {
    std::fill(out.begin(), out.end(), 0.0);
    for (std::size_t r = 0; r < a_.rows; ++r) {
      if (width_ == 1) {
        add(z[r], a_.row(r), out.data(), a_.columns);
        continue;
      }
      for (std::size_t f = 0; f < a_.columns; ++f) {
        add(a_.row(r)[f], z.data() + r * width_, out.data() + f * width_, width_);
      }
    }
    count_product();
  }
  void gram_row(std::size_t i, Vector& line) {
    if (quadratic()) {
      line.assign(a_.row(i), a_.row(i) + a_.columns);
      return;
    }
    std::fill(line.begin(), line.end(), 0.0);
    for (std::size_t r = 0; r < a_.rows; ++r) add(a_.row(r)[i], a_.row(r), line.data(), a_.columns);
    count_product();
  }

  double value_at(const Vector& x) {
    Vector z = product(x);
    double sum = 0;
    if (quadratic()) {
      for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * (0.5 * z[i] - problem_.linear[i]);
    } else {
      for (std::size_t r = 0; r < a_.rows; ++r) sum += row_loss(z, r);
    }
    if (slope_ != 0) {
      for (const double element : x) sum += slope_ * element;
    }
    return sum;
  }
  double row_loss(Vector& z, std::size_t r) const {
    const double y = problem_.targets[r];
    if (softmax()) return softmax_in_place(scores(z, r), target(r)).loss;
    if (problem_.loss == Loss::logistic) return logistic_loss(y * z[r]);
    return 0.5 * (z[r] - y) * (z[r] - y);
  }
  void to_slopes(Vector& z) const {
    for (std::size_t r = 0; r < a_.rows; ++r) {
      const double y = problem_.targets[r];
      if (softmax()) {
        const auto p = scores(z, r);
        const SoftmaxRow row = softmax_in_place(p, target(r));
        p[target(r)] = -row.one_minus(p, target(r));
      } else {
        z[r] = problem_.loss == Loss::logistic ? y * logistic_slope(y * z[r]) : z[r] - y;
      }
    }
  }

  /// sum_r weight(r, class, class') a_rf a_rf' ; of a quadratic the entries of M.
  template <class Weight>
  void fill_block(Block block, BlockMatrix out, const Weight& weight) {
    const std::size_t size = block.size();
    std::fill(out.begin(), out.end(), 0.0);
    if (quadratic()) {
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < size; ++j) out[i + j * size] = a_.row(block[i])[block[j]];
      }
      return;
    }
    Vector of_row(size);
    for (std::size_t r = 0; r < a_.rows; ++r) {
      for (std::size_t i = 0; i < size; ++i) of_row[i] = a_.row(r)[block[i] / width_];
      for (std::size_t j = 0; j < size; ++j) {
        for (std::size_t i = 0; i < size; ++i) {
          out[i + j * size] +=
              weight(r, class_of(block[i]), class_of(block[j])) * (of_row[i] * of_row[j]);
        }
      }
    }
    const auto pairs = static_cast<double>(size * size);
    traffic_.flops += 3 * pairs * static_cast<double>(a_.rows);
    traffic_.bytes += 8 * (static_cast<double>(size * a_.rows) + pairs);
  }

  const Problem& problem_;
  Dense a_;
  std::size_t width_;
  Vector x_;
  Vector gradient_;
  Vector lipschitz_;
  Vector row_sums_;
  double lambda_max_ = -1;
  double slope_;
  Traffic traffic_;
};

double NaiveObjective::gap(const Optimum& optimum) {
  const Traffic before = traffic_;
  double gap = 0;
  const double lambda = problem_.penalty.nonnegative ? 0 : problem_.penalty.lambda;
  const bool exact = quadratic() || problem_.loss == Loss::least_squares;
  if (exact && !optimum.x.empty()) {
    Vector d = x_;
    for (std::size_t i = 0; i < d.size(); ++i) d[i] -= optimum.x[i];
    const Vector z = product(d);
    gap = 0.5 * dot(z.data(), quadratic() ? d.data() : z.data(), z.size());
    for (std::size_t i = 0; i < d.size(); ++i) {
      gap += optimum.gradient[i] * d[i] + lambda * (std::abs(x_[i]) - std::abs(optimum.x[i]));
    }
    gap = std::max(gap, 0.0);
  } else {
    gap = value() - optimum.value;
    for (const double element : x_) gap += lambda * std::abs(element);
  }
  traffic_ = before;
  return gap;
}

}  // namespace

std::unique_ptr<Objective> make_naive_objective(const Problem& problem) {
  return std::make_unique<NaiveObjective>(problem);
}

}  // namespace ashlar::bcd::baselines
