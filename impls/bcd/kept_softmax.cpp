#include "impls/bcd/kept_softmax.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>

#include "impls/core/parallel.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

// Break-evens in units of one multiply-add of the pass: a changed row adds to K numbers per feature
// in memory, where the pass adds to registers; a number of a column of A'A is read and added to
// memory.
constexpr double kSoftmaxRowCost = 2;
constexpr double kSoftmaxGramCost = 1;
// Operations per score of exp and what follows.
constexpr double kScoreFlops = 10;

core::AlignedBuffer padded(Index rows, Index stride) {
  return core::AlignedBuffer(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride) *
                             sizeof(double));
}

}  // namespace

KeptSoftmax::KeptSoftmax(const Problem& problem, const OptimizedOptions& options)
    : KeptObjective(problem, options),
      a_(*problem.features),
      classes_(problem.classes),
      stride_(class_stride(classes_)),
      scores_(padded(a_.rows, stride_)),
      probabilities_(padded(a_.rows, stride_)),
      slopes_(padded(a_.rows, stride_)),
      seen_(padded(a_.rows, stride_)),
      product_(padded(a_.rows, stride_)),
      one_row_(padded(2, stride_)),
      is_stale_(static_cast<std::size_t>(a_.rows)),
      is_changed_(static_cast<std::size_t>(a_.rows)),
      gradient_(static_cast<std::size_t>(problem.size())),
      rows_(a_.rows),
      of_class_(static_cast<std::size_t>(classes_)),
      has_class_(static_cast<std::size_t>(classes_)) {
  for (Vector* of_rows : {&complements_, &below_, &others_, &losses_}) {
    of_rows->resize(static_cast<std::size_t>(a_.rows));
  }
  renew();
}

void KeptSoftmax::mark(Index row) {
  if (is_stale_[row] != 0) return;
  is_stale_[row] = 1;
  stale_.push_back(row);
}

void KeptSoftmax::renew() {
  for (Index r = 0; r < a_.rows; ++r) {
    double* to = row_of(scores_, r);
    std::fill_n(to, stride_, 0.0);
    mark(r);
  }
  add_scores(x(), scores_);
  gradient_exists_ = false;
}

/// scores += A X, by features: most have no part in X while it is sparse.
void KeptSoftmax::add_scores(std::span<const double> x, core::AlignedBuffer& scores) {
  double touched = 0;
  for (Index f = 0; f < a_.columns; ++f) {
    const double* of_feature = x.data() + std::int64_t{f} * classes_;
    if (kernels().nonzeros(of_feature, classes_) == 0) continue;
    const auto rows = a_.by_column.indices_of(f);
    const auto values = a_.by_column.values_of(f);
    for (std::size_t e = 0; e < rows.size(); ++e) {
      double* to = row_of(scores, rows[e]);
      for (Index c = 0; c < classes_; ++c) to[c] += values[e] * of_feature[c];
    }
    touched += static_cast<double>(rows.size());
  }
  count(2 * touched * classes_, touched, 2 * touched * classes_);
}

void KeptSoftmax::moved(Block block, std::span<const double> step) {
  double touched = 0;
  for (std::size_t k = 0; k < block.size(); ++k) {
    if (step[k] == 0) continue;
    const auto rows = a_.by_column.indices_of(feature(block[k]));
    const auto values = a_.by_column.values_of(feature(block[k]));
    const Index c = class_of(block[k]);
    for (std::size_t e = 0; e < rows.size(); ++e) {
      row_of(scores_, rows[e])[c] += step[k] * values[e];
      mark(rows[e]);
    }
    touched += static_cast<double>(rows.size());
  }
  count(2 * touched, touched, 2 * touched);
}

void KeptSoftmax::evaluate_row(Index row) {
  const double* scores = row_of(scores_, row);
  double* p = row_of(probabilities_, row);
  const SoftmaxSums sums = kernels().softmax(scores, classes_, p);
  below_[row] = sums.max - scores[target(row)];
  others_[row] = sums.others;
  complements_[row] = sums.others / (1 + sums.others);
  double* slopes = row_of(slopes_, row);
  std::copy_n(p, stride_, slopes);
  slopes[target(row)] = -one_minus(p[target(row)], row);
}

void KeptSoftmax::evaluate() {
  if (stale_.empty()) return;
  for (const Index row : stale_) {
    evaluate_row(row);
    is_stale_[row] = 0;
    if (is_changed_[row] != 0) continue;
    is_changed_[row] = 1;
    changed_.push_back(row);
  }
  losses_are_current_ = false;
  const double scores = static_cast<double>(stale_.size()) * classes_;
  count(kScoreFlops * scores, 0, 3 * scores);
  stale_.clear();
}

std::span<const double> KeptSoftmax::gradient() {
  evaluate();
  if (gradient_exists_ && changed_.empty()) return gradient_;
  const core::Range range("gradient");
  double row_entries = 0;
  for (const Index row : changed_) {
    row_entries += static_cast<double>(a_.by_row.indices_of(row).size());
  }
  if (gradient_exists_ && kSoftmaxRowCost * row_entries < entries()) {
    add_rows();
  } else {
    pass(slopes_, slope(), gradient_);
  }
  for (const Index row : changed_) {
    std::copy_n(row_of(slopes_, row), stride_, row_of(seen_, row));
    is_changed_[row] = 0;
  }
  changed_.clear();
  gradient_exists_ = true;
  return gradient_;
}

/// out = A' matrix + offset.
void KeptSoftmax::pass(core::AlignedBuffer& matrix, double offset, std::span<double> out) {
  const auto part = [&](std::int64_t begin, std::int64_t end, int) {
    kernels().class_dots(a_.by_column, static_cast<Index>(begin), static_cast<Index>(end),
                         matrix.as<double>(), classes_, offset, out.data() + begin * classes_);
  };
  const int threads = threads_for(0.25 * entries() * classes_);
  if (threads == 1) {
    part(0, a_.columns, 0);
  } else {
    core::parallel_for_static(a_.columns, part, threads);
  }
  count(2 * entries() * classes_, entries(), (entries() + a_.columns) * classes_);
}

void KeptSoftmax::add_rows() {
  double touched = 0;
  double* change = row_of(one_row_, 0);
  for (const Index row : changed_) {
    const double* now = row_of(slopes_, row);
    const double* before = row_of(seen_, row);
    for (Index c = 0; c < classes_; ++c) change[c] = now[c] - before[c];
    const auto features = a_.by_row.indices_of(row);
    const auto values = a_.by_row.values_of(row);
    for (std::size_t e = 0; e < features.size(); ++e) {
      double* to = gradient_.data() + std::int64_t{features[e]} * classes_;
      const double value = values[e];
      for (Index c = 0; c < classes_; ++c) to[c] += value * change[c];
    }
    touched += static_cast<double>(features.size());
  }
  count(2 * touched * classes_, touched, 2 * touched * classes_);
}

void KeptSoftmax::gradient_of(Block block, std::span<double> out) {
  evaluate();
  double touched = 0;
  for (std::size_t k = 0; k < block.size(); ++k) {
    const auto rows = a_.by_column.indices_of(feature(block[k]));
    const auto values = a_.by_column.values_of(feature(block[k]));
    const Index c = class_of(block[k]);
    double sum = 0;
    for (std::size_t e = 0; e < rows.size(); ++e) sum += values[e] * row_of(slopes_, rows[e])[c];
    out[k] = sum + slope();
    touched += static_cast<double>(rows.size());
  }
  count(2 * touched, touched, touched);
}

double KeptSoftmax::loss() {
  evaluate();
  if (!losses_are_current_) {
    kernels().log1p(others_.data(), a_.rows, losses_.data());
    for (Index r = 0; r < a_.rows; ++r) losses_[r] += below_[r];
    losses_are_current_ = true;
    count(kScoreFlops * a_.rows, 0, 3.0 * a_.rows);
  }
  return kernels().sum(losses_.data(), a_.rows);
}

double KeptSoftmax::loss_change(Block block, std::span<const double> step) {
  loss();
  rows_.collect(a_.by_column, block, classes_);
  double* scores = row_of(one_row_, 0);
  double* p = row_of(one_row_, 1);
  double change = 0;
  for (std::size_t i = 0; i < rows_.rows().size(); ++i) {
    const Index row = rows_.rows()[i];
    std::copy_n(row_of(scores_, row), stride_, scores);
    for (const auto& entry : rows_.entries_of(i)) {
      scores[class_of(block[entry.place])] += step[entry.place] * entry.value;
    }
    const SoftmaxSums sums = kernels().softmax(scores, classes_, p);
    change += sums.max - scores[target(row)] + std::log1p(sums.others) - losses_[row];
  }
  const double touched = static_cast<double>(rows_.rows().size()) * classes_;
  count(kScoreFlops * touched, static_cast<double>(rows_.entries()), 3 * touched);
  return change;
}

Index KeptSoftmax::classes_in(Block block) {
  std::fill(has_class_.begin(), has_class_.end(), 0);
  for (const Index coordinate : block) has_class_[class_of(coordinate)] = 1;
  return static_cast<Index>(std::count(has_class_.begin(), has_class_.end(), 1));
}

/// See ReferenceSoftmax.
void KeptSoftmax::bound_block(Block block, BlockMatrix out) {
  const core::Range range("assemble", static_cast<std::int64_t>(block.size()));
  rows_.collect(a_.by_column, block, classes_);
  const std::size_t k = block.size();
  std::fill(out.begin(), out.end(), 0.0);
  for (std::size_t i = 0; i < rows_.rows().size(); ++i) {
    const auto entries = rows_.entries_of(i);
    for (std::size_t one = 0; one < entries.size(); ++one) {
      double* column = out.data() + static_cast<std::size_t>(entries[one].place) * k;
      for (std::size_t other = one; other < entries.size(); ++other) {
        column[entries[other].place] += entries[one].value * entries[other].value;
      }
    }
  }
  const double q = std::min(classes_, classes_in(block) + 1);
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t i = j; i < k; ++i) {
      const bool same = class_of(block[i]) == class_of(block[j]);
      out[i + j * k] *= 0.5 * (same ? 1 - 1 / q : -1 / q);
    }
  }
  mirror(out, k);
  const double pairs = 0.5 * rows_.pairs();
  count(2 * pairs, static_cast<double>(rows_.entries()), 2 * pairs + static_cast<double>(k * k));
}

void KeptSoftmax::hessian_block(Block block, BlockMatrix out) {
  evaluate();
  const core::Range range("assemble", static_cast<std::int64_t>(block.size()));
  rows_.collect(a_.by_column, block, classes_);
  const std::size_t k = block.size();
  std::fill(out.begin(), out.end(), 0.0);
  for (std::size_t i = 0; i < rows_.rows().size(); ++i) {
    const Index row = rows_.rows()[i];
    const double* p = row_of(probabilities_, row);
    const auto entries = rows_.entries_of(i);
    for (std::size_t one = 0; one < entries.size(); ++one) {
      const Index c = class_of(block[entries[one].place]);
      double* column = out.data() + static_cast<std::size_t>(entries[one].place) * k;
      const double same = entries[one].value * p[c] * one_minus(p[c], row);
      const double different = -entries[one].value * p[c];
      for (std::size_t other = one; other < entries.size(); ++other) {
        const Index other_class = class_of(block[entries[other].place]);
        const double weight = other_class == c ? same : different * p[other_class];
        column[entries[other].place] += weight * entries[other].value;
      }
    }
  }
  mirror(out, k);
  const double pairs = 0.5 * rows_.pairs();
  count(4 * pairs, static_cast<double>(rows_.entries()), 3 * pairs + static_cast<double>(k * k));
}

/// H v = 0.5 A'A V (I - 11'/K).
void KeptSoftmax::bound_product(std::span<const double> v, std::span<double> out) {
  const Index nonzeros = kernels().nonzeros(v.data(), size());
  const double by_gram = kSoftmaxGramCost * (static_cast<double>(nonzeros) * a_.columns + size());
  if (constants().keeps_gram() && by_gram < entries() * classes_) {
    product_by_gram(v, out);
    return;
  }
  for (Index r = 0; r < a_.rows; ++r) std::fill_n(row_of(product_, r), stride_, 0.0);
  add_scores(v, product_);
  pass(product_, 0, out);
  for (Index f = 0; f < a_.columns; ++f) {
    double* row = out.data() + std::int64_t{f} * classes_;
    const double mean = kernels().sum(row, classes_) / classes_;
    for (Index c = 0; c < classes_; ++c) row[c] = 0.5 * (row[c] - mean);
  }
  count(3.0 * size(), 0, 2.0 * size());
}

/// The same for a sparse V: contiguous sums of columns of A'A class by class, then put in order.
void KeptSoftmax::product_by_gram(std::span<const double> v, std::span<double> out) {
  present_.clear();
  std::fill(has_class_.begin(), has_class_.end(), 0);
  double numbers = 0;
  for (Index f = 0; f < a_.columns; ++f) {
    const double* of_feature = v.data() + std::int64_t{f} * classes_;
    if (kernels().nonzeros(of_feature, classes_) == 0) continue;
    const double* line = constants().gram_column(f);
    for (Index c = 0; c < classes_; ++c) {
      if (of_feature[c] == 0) continue;
      Vector& sums = of_class_[c];
      if (has_class_[c] == 0) {
        sums.assign(static_cast<std::size_t>(a_.columns), 0.0);
        present_.push_back(c);
        has_class_[c] = 1;
      }
      kernels().add_lines(&line, &of_feature[c], 1, 0, a_.columns, sums.data());
      numbers += a_.columns;
    }
  }
  for (Index f = 0; f < a_.columns; ++f) {
    double* of_feature = out.data() + std::int64_t{f} * classes_;
    double mean = 0;
    for (const Index c : present_) mean += of_class_[c][f];
    mean /= classes_;
    std::fill_n(of_feature, classes_, -0.5 * mean);
    for (const Index c : present_) of_feature[c] = 0.5 * (of_class_[c][f] - mean);
  }
  count(2 * numbers, 0, 2 * numbers + 2.0 * size());
}

std::unique_ptr<Objective> make_kept_softmax(const Problem& problem,
                                             const OptimizedOptions& options) {
  return std::make_unique<KeptSoftmax>(problem, options);
}

}  // namespace ashlar::bcd
