// Softmax regression: x is X, features x classes, row by row. The bound is H = 0.5 (A'A) kron
// (I - 11'/K), which is never formed.
#include <algorithm>
#include <memory>
#include <vector>

#include "impls/bcd/gram.hpp"
#include "impls/bcd/losses.hpp"
#include "impls/bcd/reference_objective.hpp"

namespace ashlar::bcd {
namespace {

class ReferenceSoftmax final : public ReferenceObjective {
 public:
  explicit ReferenceSoftmax(const Problem& problem)
      : ReferenceObjective(problem),
        a_(*problem.features),
        classes_(static_cast<std::size_t>(problem.classes)) {}

  void bound_product(std::span<const double> v, std::span<double> out) override {
    // V (I - 11'/K): from each row its mean.
    Vector centred(v.begin(), v.end());
    for (Index f = 0; f < a_.columns; ++f) {
      const auto row = row_of(std::span<double>(centred), f);
      double sum = 0;
      for (const double element : row) sum += element;
      for (double& element : row) element -= sum / static_cast<double>(classes_);
    }
    const Vector z = scores_at(centred);
    times_transpose(z, out);
    for (double& element : out) element *= 0.5;
    count(3.0 * size(), 0, 4.0 * size());
  }

  /// H_bb = 0.5 (A'A)_{ff'} times (I - 11'/q)_{cc'}: the classes that are not in the block act as
  /// one class, so that this is a bound of the block though q may be less than K.
  void bound_block(Block block, BlockMatrix out) override {
    const double q = static_cast<double>(std::min(classes_, classes_in(block) + 1));
    for_each_pair(block, [&](std::size_t i, std::size_t j) {
      const double gram = weighted_dot(a_.by_column, feature(block[i]), feature(block[j]), {});
      const bool same = class_of(block[i]) == class_of(block[j]);
      set(out, block.size(), i, j, 0.5 * gram * (same ? 1 - 1 / q : -1 / q));
    });
  }

  void hessian_block(Block block, BlockMatrix out) override {
    const Probabilities at_x = probabilities_at(x());
    Vector weights(static_cast<std::size_t>(a_.rows));
    for_each_pair(block, [&](std::size_t i, std::size_t j) {
      const std::size_t c = class_of(block[i]);
      const std::size_t other = class_of(block[j]);
      const Index f = feature(block[i]);
      for (const Index r : a_.by_column.indices_of(f)) {
        const auto p = row_of(std::span<const double>(at_x.values), r);
        weights[r] = c == other ? p[c] * at_x.rows[r].one_minus(p, c) : -p[c] * p[other];
      }
      set(out, block.size(), i, j, weighted_dot(a_.by_column, f, feature(block[j]), weights));
    });
  }

 protected:
  Vector make_lipschitz() override { return per_feature(squared_norms(a_.by_column), 0.25); }
  Vector make_row_sums() override {
    const double operations = 0.5 * gram_operations(a_);
    count(2 * operations, operations, 0.5 * a_.columns * a_.columns);
    return per_feature(gram_row_sums(a_), 1 - 1 / static_cast<double>(classes_));
  }
  double make_lambda_max() override { return classes_ == 1 ? 0 : 0.5 * gram_lambda_max(a_); }

  double loss_at(std::span<const double> x) override {
    const Probabilities at_x = probabilities_at(x);
    double sum = 0;
    for (const SoftmaxRow& row : at_x.rows) sum += row.loss;
    return sum;
  }
  void loss_gradient_at(std::span<const double> x, std::span<double> out) override {
    times_transpose(slopes_at(x), out);
  }
  void loss_gradient_of(std::span<const double> x, Block block, std::span<double> out) override {
    const Vector slopes = slopes_at(x);
    double touched = 0;
    for (std::size_t k = 0; k < block.size(); ++k) {
      const Index f = feature(block[k]);
      const auto rows = a_.by_column.indices_of(f);
      const auto values = a_.by_column.values_of(f);
      out[k] = 0;
      for (std::size_t e = 0; e < rows.size(); ++e) {
        out[k] += values[e] * row_of(std::span<const double>(slopes), rows[e])[class_of(block[k])];
      }
      touched += static_cast<double>(rows.size());
    }
    count(2 * touched, touched, touched);
  }
  std::optional<double> half_square(std::span<const double>) override { return std::nullopt; }

 private:
  struct Probabilities {
    Vector values;  // rows x classes
    std::vector<SoftmaxRow> rows;
  };

  Index feature(Index coordinate) const { return coordinate / static_cast<Index>(classes_); }
  std::size_t class_of(Index coordinate) const {
    return static_cast<std::size_t>(coordinate) % classes_;
  }
  std::size_t target(Index row) const { return static_cast<std::size_t>(problem().targets[row]); }
  double entries() const { return static_cast<double>(a_.by_row.entries()); }

  template <class Element>
  std::span<Element> row_of(std::span<Element> matrix, Index row) const {
    return matrix.subspan(static_cast<std::size_t>(row) * classes_, classes_);
  }

  std::size_t classes_in(Block block) const {
    std::vector<bool> seen(classes_, false);
    for (const Index coordinate : block) seen[class_of(coordinate)] = true;
    return static_cast<std::size_t>(std::count(seen.begin(), seen.end(), true));
  }

  Vector per_feature(const Vector& constants, double factor) const {
    Vector all;
    for (const double constant : constants) all.insert(all.end(), classes_, factor * constant);
    return all;
  }

  /// A X, rows x classes.
  Vector scores_at(std::span<const double> x) {
    Vector z(static_cast<std::size_t>(a_.rows) * classes_, 0.0);
    for (Index r = 0; r < a_.rows; ++r) {
      const auto scores = row_of(std::span<double>(z), r);
      const auto features = a_.by_row.indices_of(r);
      const auto values = a_.by_row.values_of(r);
      for (std::size_t e = 0; e < features.size(); ++e) {
        const auto of_feature = row_of(x, features[e]);
        for (std::size_t c = 0; c < classes_; ++c) scores[c] += values[e] * of_feature[c];
      }
    }
    count_product();
    return z;
  }
  /// out = A'Z.
  void times_transpose(std::span<const double> z, std::span<double> out) {
    for (Index f = 0; f < a_.columns; ++f) {
      const auto sums = row_of(out, f);
      std::fill(sums.begin(), sums.end(), 0.0);
      const auto rows = a_.by_column.indices_of(f);
      const auto values = a_.by_column.values_of(f);
      for (std::size_t e = 0; e < rows.size(); ++e) {
        const auto of_row = row_of(z, rows[e]);
        for (std::size_t c = 0; c < classes_; ++c) sums[c] += values[e] * of_row[c];
      }
    }
    count_product();
  }
  void count_product() {
    const auto classes = static_cast<double>(classes_);
    count(2 * entries() * classes, entries(), (entries() + a_.rows) * classes);
  }

  Probabilities probabilities_at(std::span<const double> x) {
    Probabilities at{scores_at(x), {}};
    for (Index r = 0; r < a_.rows; ++r) {
      at.rows.push_back(softmax_in_place(row_of(std::span<double>(at.values), r), target(r)));
    }
    const auto scores = static_cast<double>(at.values.size());
    count(10 * scores, 0, 2 * scores);
    return at;
  }
  /// softmax(A X) - Y.
  Vector slopes_at(std::span<const double> x) {
    Probabilities at = probabilities_at(x);
    for (Index r = 0; r < a_.rows; ++r) {
      const auto p = row_of(std::span<double>(at.values), r);
      p[target(r)] = -at.rows[r].one_minus(p, target(r));
    }
    return std::move(at.values);
  }

  template <class Body>
  void for_each_pair(Block block, const Body& body) {
    double touched = 0;
    for (std::size_t i = 0; i < block.size(); ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        body(i, j);
        touched += static_cast<double>(a_.by_column.indices_of(feature(block[i])).size() +
                                       a_.by_column.indices_of(feature(block[j])).size());
      }
    }
    count(touched, touched, static_cast<double>(block.size() * block.size()));
  }
  static void set(BlockMatrix out, std::size_t size, std::size_t i, std::size_t j, double entry) {
    out[i + j * size] = out[j + i * size] = entry;
  }

  const FeatureMatrix& a_;
  std::size_t classes_;
};

}  // namespace

std::unique_ptr<Objective> make_reference_softmax(const Problem& problem) {
  return std::make_unique<ReferenceSoftmax>(problem);
}

}  // namespace ashlar::bcd
