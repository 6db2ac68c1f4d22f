#include "impls/bcd/kept_linear.hpp"

#include <algorithm>
#include <cstddef>

#include "impls/core/parallel.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

// Break-evens of bringing a gradient up to date, in units of one entry of a pass over A by columns
// (0.55 to 0.7 ns on one core of an EPYC at 2.45 GHz, the matrix in L3). An entry of a changed row
// is added to a gradient that does not fit into L1 (2.7 ns); a number of a column of A'A is 8
// contiguous bytes from L3 (0.15 to 0.2 ns).
constexpr double kRowEntryCost = 4.5;
constexpr double kGramNumberCost = 0.9;

constexpr double kMade = -1;  // in the place of rent
}  // namespace

KeptLinear::KeptLinear(const Problem& problem, const OptimizedOptions& options, double bound,
                       bool hessian_is_constant)
    : KeptObjective(problem, options),
      a_(*problem.features),
      bound_(bound),
      hessian_is_constant_(hessian_is_constant),
      sliced_(options.constants ? constants().sliced() : nullptr),
      scores_(static_cast<std::size_t>(a_.rows)),
      seen_(static_cast<std::size_t>(a_.rows)),
      gradient_(static_cast<std::size_t>(a_.columns)),
      rows_(a_.rows),
      product_(static_cast<std::size_t>(a_.rows)),
      is_stale_(static_cast<std::size_t>(a_.rows)) {
  if (!options.constants) rent_.resize(static_cast<std::size_t>(a_.columns));
}

void KeptLinear::clear_stale() {
  for (const Index row : stale_) is_stale_[row] = 0;
  stale_.clear();
}

void KeptLinear::renew() {
  const bool sparse = kernels().nonzeros(x().data(), size()) < a_.columns / kFew;
  if (sparse) {
    std::fill(scores_.begin(), scores_.end(), 0.0);
    for (Index i = 0; i < a_.columns; ++i) {
      if (x()[i] == 0) continue;
      const auto rows = a_.by_column.indices_of(i);
      const auto values = a_.by_column.values_of(i);
      for (std::size_t e = 0; e < rows.size(); ++e) scores_[rows[e]] += x()[i] * values[e];
    }
  } else {
    kernels().column_dots(a_.by_row, 0, a_.rows, x().data(), 0, scores_.data());
  }
  count(2 * entries(), entries(), entries() + a_.rows);
  gradient_exists_ = false;
  gradient_is_current_ = false;
  pending_.clear();
  pending_steps_.clear();
  if (hessian_is_constant_) return;
  for (Index r = 0; r < a_.rows; ++r) mark(r);
}

void KeptLinear::moved(Block block, std::span<const double> step) {
  double touched = 0;
  for (std::size_t k = 0; k < block.size(); ++k) {
    if (step[k] == 0) continue;
    const auto rows = a_.by_column.indices_of(block[k]);
    const auto values = a_.by_column.values_of(block[k]);
    for (std::size_t e = 0; e < rows.size(); ++e) {
      scores_[rows[e]] += step[k] * values[e];
    }
    if (!hessian_is_constant_) {
      for (const Index row : rows) mark(row);
    }
    touched += static_cast<double>(rows.size());
    gradient_is_current_ = false;
    if (!gradient_exists_ || !hessian_is_constant_) continue;
    pending_.push_back(block[k]);
    pending_steps_.push_back(step[k]);
  }
  count(2 * touched, touched, 2 * touched);
}

KeptLinear::Refresh KeptLinear::cheapest(const Vector& now) {
  if (!gradient_exists_) return Refresh::pass;
  const double pass_cost = entries();
  double row_cost = 0;
  for (Index r = 0; r < a_.rows && row_cost < pass_cost; ++r) {
    if (now[r] == seen_[r]) continue;
    row_cost += kRowEntryCost * static_cast<double>(a_.by_row.indices_of(r).size());
  }
  if (hessian_is_constant_ && gram_pays(pending_, std::min(row_cost, pass_cost))) {
    return Refresh::gram;
  }
  return row_cost < pass_cost ? Refresh::rows : Refresh::pass;
}

/// A column of A'A takes some twenty times as long to make as to use. Runs that share the columns
/// take no notice; a run of its own makes those that would have saved as much as making them costs,
/// and so never takes more than twice the time of what had been best in advance.
bool KeptLinear::gram_pays(std::span<const Index> columns, double instead) {
  if (!constants().keeps_gram()) return false;
  const double saved = instead - kGramNumberCost * static_cast<double>(columns.size()) * a_.columns;
  if (saved <= 0) return false;
  if (rent_.empty()) return true;
  const double row_entries = entries() / std::max<Index>(a_.rows, 1);
  double to_make = 0;
  double paid = 0;
  for (const Index column : columns) {
    if (rent_[column] == kMade) continue;
    to_make +=
        kRowEntryCost * row_entries * static_cast<double>(a_.by_column.indices_of(column).size());
    paid += rent_[column] += saved / static_cast<double>(columns.size());
  }
  if (paid < to_make) return false;
  for (const Index column : columns) rent_[column] = kMade;
  return true;
}

std::span<const double> KeptLinear::gradient() {
  if (gradient_is_current_) return gradient_;
  const core::Range range("gradient");
  const Vector& now = slopes();
  switch (cheapest(now)) {
    case Refresh::pass:
      pass(now, slope(), gradient_);
      break;
    case Refresh::rows:
      add_rows(now);
      break;
    case Refresh::gram:
      add_gram(pending_, pending_steps_, gradient_);
      break;
  }
  seen_ = now;
  pending_.clear();
  pending_steps_.clear();
  gradient_exists_ = true;
  gradient_is_current_ = true;
  return gradient_;
}

void KeptLinear::pass(std::span<const double> v, double offset, std::span<double> out) {
  const auto part = [&](std::int64_t begin, std::int64_t end, int) {
    const auto first = static_cast<Index>(begin);
    const auto last = static_cast<Index>(end);
    if (sliced_ != nullptr) {
      kernels().sliced_dots(*sliced_, first, last, v.data(), offset, out.data());
    } else {
      kernels().column_dots(a_.by_column, first, last, v.data(), offset, out.data() + begin);
    }
  };
  const Index parts = sliced_ != nullptr ? sliced_->slices() : a_.columns;
  const int threads = threads_for(entries());
  if (threads == 1) {
    part(0, parts, 0);
  } else {
    core::parallel_for_static(parts, part, threads);
  }
  count(2 * entries(), entries(), entries() + a_.columns);
}

void KeptLinear::add_rows(const Vector& now) {
  double touched = 0;
  for (Index r = 0; r < a_.rows; ++r) {
    const double change = now[r] - seen_[r];
    if (change == 0) continue;
    const auto columns = a_.by_row.indices_of(r);
    const auto values = a_.by_row.values_of(r);
    for (std::size_t e = 0; e < columns.size(); ++e) gradient_[columns[e]] += change * values[e];
    touched += static_cast<double>(columns.size());
  }
  count(2 * touched, touched, 2 * touched + 2.0 * a_.rows);
}

/// out += A'A times a vector that is 0 but for `factors` at `columns`.
void KeptLinear::add_gram(std::span<const Index> columns, std::span<const double> factors,
                          std::span<double> out) {
  lines_.clear();
  for (const Index column : columns) lines_.push_back(constants().gram_column(column));
  const auto count_lines = static_cast<Index>(lines_.size());
  const auto part = [&](std::int64_t begin, std::int64_t end, int) {
    kernels().add_lines(lines_.data(), factors.data(), count_lines, static_cast<Index>(begin),
                        static_cast<Index>(end), out.data());
  };
  const double numbers = static_cast<double>(count_lines) * a_.columns;
  const int threads = threads_for(kGramNumberCost * numbers);
  if (threads == 1) {
    part(0, a_.columns, 0);
  } else {
    core::parallel_for_static(a_.columns, part, threads);
  }
  count(2 * numbers, 0, numbers + 2.0 * a_.columns);
}

void KeptLinear::gradient_of(Block block, std::span<double> out) {
  if (gradient_is_current_) {
    for (std::size_t k = 0; k < block.size(); ++k) out[k] = gradient_[block[k]];
    return;
  }
  const Vector& now = slopes();
  double touched = 0;
  for (std::size_t k = 0; k < block.size(); ++k) {
    kernels().column_dots(a_.by_column, block[k], block[k] + 1, now.data(), slope(), &out[k]);
    touched += static_cast<double>(a_.by_column.indices_of(block[k]).size());
  }
  count(2 * touched, touched, touched);
}

/// product_ = A v.
void KeptLinear::product_scores(std::span<const double> v, Index nonzeros) {
  if (nonzeros >= a_.columns / kFew) {
    kernels().column_dots(a_.by_row, 0, a_.rows, v.data(), 0, product_.data());
    count(2 * entries(), entries(), entries());
    return;
  }
  std::fill(product_.begin(), product_.end(), 0.0);
  double touched = 0;
  for (std::size_t k = 0; k < support_.size(); ++k) {
    const auto rows = a_.by_column.indices_of(support_[k]);
    const auto values = a_.by_column.values_of(support_[k]);
    for (std::size_t e = 0; e < rows.size(); ++e) {
      product_[rows[e]] += support_values_[k] * values[e];
    }
    touched += static_cast<double>(rows.size());
  }
  count(2 * touched, touched, 2 * touched);
}

void KeptLinear::bound_product(std::span<const double> v, std::span<double> out) {
  const Index nonzeros = kernels().nonzeros(v.data(), a_.columns);
  support_.clear();
  support_values_.clear();
  if (nonzeros < a_.columns / kFew) {
    for (Index i = 0; i < a_.columns; ++i) {
      if (v[i] == 0) continue;
      support_.push_back(i);
      support_values_.push_back(bound_ * v[i]);
    }
    if (gram_pays(support_, entries())) {
      std::fill(out.begin(), out.end(), 0.0);
      add_gram(support_, support_values_, out);
      return;
    }
  }
  product_scores(v, nonzeros);
  if (nonzeros >= a_.columns / kFew) {
    for (double& score : product_) score *= bound_;
  }
  pass(product_, 0, out);
}

void KeptLinear::weighted_block(Block block, std::span<const double> weights, double factor,
                                BlockMatrix out) {
  const core::Range range("assemble", static_cast<std::int64_t>(block.size()));
  const BlockRows& rows = rows_of(block);
  const std::size_t k = block.size();
  std::fill(out.begin(), out.end(), 0.0);
  for (std::size_t i = 0; i < rows.rows().size(); ++i) {
    const double weight = weights.empty() ? factor : factor * weights[rows.rows()[i]];
    const auto entries = rows.entries_of(i);
    for (std::size_t one = 0; one < entries.size(); ++one) {
      double* column = out.data() + static_cast<std::size_t>(entries[one].place) * k;
      const double scaled = weight * entries[one].value;
      for (std::size_t other = one; other < entries.size(); ++other) {
        column[entries[other].place] += scaled * entries[other].value;
      }
    }
  }
  mirror(out, k);
  const double pairs = 0.5 * rows.pairs();
  count(2 * pairs, static_cast<double>(rows.entries()), 2 * pairs + static_cast<double>(k * k));
}

std::unique_ptr<Objective> make_kept_linear(const Problem& problem,
                                            const OptimizedOptions& options) {
  return problem.loss == Loss::logistic ? make_kept_logistic(problem, options)
                                        : make_kept_least_squares(problem, options);
}

}  // namespace ashlar::bcd
