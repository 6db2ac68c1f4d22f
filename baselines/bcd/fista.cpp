#include "baselines/bcd/fista.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

#include "impls/bcd/losses.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/random.hpp"

namespace ashlar::bcd::baselines {
namespace {

/// A column times a vector. Four sums, so that additions do not wait for each other.
double dot_with_column(std::span<const Index> rows, std::span<const double> values,
                       const double* vector) {
  double sums[4] = {};
  std::size_t entry = 0;
  for (; entry + 4 <= rows.size(); entry += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      sums[lane] += values[entry + lane] * vector[rows[entry + lane]];
    }
  }
  for (; entry < rows.size(); ++entry) sums[0] += values[entry] * vector[rows[entry]];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void add_column(std::span<const Index> rows, std::span<const double> values, double factor,
                double* vector) {
  for (std::size_t entry = 0; entry < rows.size(); ++entry) {
    vector[rows[entry]] += factor * values[entry];
  }
}

/// Waking a thread for less costs more than it gives.
constexpr std::int64_t kLeastEntriesPerThread = 20'000;

int useful_threads(const SparseLines& columns) {
  const std::int64_t most = 1 + columns.entries() / kLeastEntriesPerThread;
  return static_cast<int>(std::min<std::int64_t>(most, core::thread_count()));
}

double squared_norm(std::span<const double> vector) {
  double sum = 0;
  for (const double element : vector) sum += element * element;
  return sum;
}

}  // namespace

Fista::Fista(const Problem& problem) : problem_(problem) {
  if (problem.loss != Loss::least_squares && problem.loss != Loss::logistic) {
    throw std::invalid_argument("FISTA is for least squares and logistic here, not for the loss " +
                                std::string(name_of(problem.loss)));
  }
  if (problem.loss == Loss::logistic) bound_ = 0.25;
  const auto p = static_cast<std::size_t>(problem.features->columns);
  const auto n = static_cast<std::size_t>(problem.features->rows);
  for (auto* vector : {&x_, &before_, &next_}) vector->resize(p);
  for (auto* vector : {&product_, &product_before_, &product_next_, &product_point_, &residual_}) {
    vector->resize(n);
  }
}

double Fista::proximal(double value, double threshold) const {
  if (problem_.penalty.nonnegative) return std::max(0.0, value - threshold);
  return std::copysign(std::max(0.0, std::abs(value) - threshold), value);
}

double Fista::estimate_curvature() {
  constexpr int kMost = 30;
  constexpr double kSettled = 1e-3;
  constexpr double kMargin = 1.02;  // power iteration comes from below
  const SparseLines& columns = problem_.features->by_column;
  std::vector<double> direction(x_.size());
  for (std::size_t i = 0; i < direction.size(); ++i) {
    direction[i] = core::random_element(core::Distribution::normal, 1, 0, i);
  }
  std::vector<double> product(residual_.size());
  double estimate = 0;
  for (int iteration = 0; iteration < kMost; ++iteration) {
    const double length = std::sqrt(squared_norm(direction));
    std::fill(product.begin(), product.end(), 0.0);
    for (Index column = 0; column < columns.lines(); ++column) {
      add_column(columns.indices_of(column), columns.values_of(column), direction[column] / length,
                 product.data());
    }
    const double found = squared_norm(product);
    const bool settled = found <= estimate * (1 + kSettled);
    estimate = std::max(estimate, found);
    if (settled) break;
    core::parallel_for_static(
        columns.lines(),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (auto column = static_cast<Index>(begin); column < end; ++column) {
            direction[column] = dot_with_column(columns.indices_of(column),
                                                columns.values_of(column), product.data());
          }
        },
        useful_threads(columns));
  }
  return bound_ * estimate * kMargin;
}

double Fista::slope(Index row, double score) const {
  const double target = problem_.targets[row];
  if (problem_.loss == Loss::least_squares) return score - target;
  return target * logistic_slope(target * score);
}

double Fista::loss() const {
  double sum = 0;
  for (std::size_t row = 0; row < product_.size(); ++row) {
    const double target = problem_.targets[row];
    const double residual = product_[row] - target;
    sum += problem_.loss == Loss::least_squares ? 0.5 * residual * residual
                                                : logistic_loss(target * product_[row]);
  }
  return sum;
}

Fista::Sums Fista::step(double inverse_step) {
  const SparseLines& columns = problem_.features->by_column;
  const double threshold = problem_.penalty.lambda / inverse_step;
  for (std::size_t row = 0; row < residual_.size(); ++row) {
    product_point_[row] = product_[row] + momentum_ * (product_[row] - product_before_[row]);
    residual_[row] = slope(static_cast<Index>(row), product_point_[row]);
  }
  const int threads = useful_threads(columns);
  const auto workers = static_cast<std::size_t>(threads);
  partial_.resize(workers);
  std::vector<Sums> sums(workers);
  core::parallel_for_static(
      columns.lines(),
      [&](std::int64_t begin, std::int64_t end, int worker) {
        std::vector<double>& product = partial_[static_cast<std::size_t>(worker)];
        product.assign(residual_.size(), 0.0);
        Sums sum;
        for (auto j = static_cast<Index>(begin); j < end; ++j) {
          const auto rows = columns.indices_of(j);
          const auto values = columns.values_of(j);
          const double point = x_[j] + momentum_ * (x_[j] - before_[j]);
          const double slope = dot_with_column(rows, values, residual_.data());
          const double moved = proximal(point - slope / inverse_step, threshold);
          next_[j] = moved;
          if (moved != 0) add_column(rows, values, moved, product.data());
          sum.distance += (moved - point) * (moved - point);
          sum.turn += (point - moved) * (moved - x_[j]);
          sum.penalty += std::abs(moved);
        }
        sums[static_cast<std::size_t>(worker)] = sum;
      },
      threads);
  std::fill(product_next_.begin(), product_next_.end(), 0.0);
  Sums all;
  for (std::size_t worker = 0; worker < workers; ++worker) {
    all.distance += sums[worker].distance;
    all.turn += sums[worker].turn;
    all.penalty += sums[worker].penalty;
    for (std::size_t row = 0; row < partial_[worker].size(); ++row) {
      product_next_[row] += partial_[worker][row];
    }
  }
  return all;
}

/// d'H d / ||d||^2 of the step d; 0 where the step is so short that rounding is what one sees.
double Fista::curvature_of_step(double distance) const {
  constexpr double kShort = 1e-14;
  double seen = 0;
  double scale = 0;
  for (std::size_t row = 0; row < residual_.size(); ++row) {
    const double change = product_next_[row] - product_point_[row];
    seen += change * change;
    scale += product_next_[row] * product_next_[row];
  }
  return seen <= kShort * scale ? 0.0 : bound_ * seen / distance;
}

FistaOutcome Fista::solve(std::span<double> x, std::int64_t iterations, const Stop& stop) {
  for (auto* vector : {&x_, &before_, &product_, &product_before_}) {
    std::fill(vector->begin(), vector->end(), 0.0);
  }
  FistaOutcome outcome;
  outcome.inverse_step = estimate_curvature();
  double weight = 1;  // t_k of the paper
  momentum_ = 0;
  while (outcome.iterations < iterations) {
    Sums sums = step(outcome.inverse_step);
    for (double seen = 0; (seen = curvature_of_step(sums.distance)) > outcome.inverse_step;) {
      outcome.inverse_step = 1.1 * seen;
      sums = step(outcome.inverse_step);
    }
    ++outcome.iterations;
    std::swap(before_, x_);
    std::swap(x_, next_);
    std::swap(product_before_, product_);
    std::swap(product_, product_next_);
    const bool uphill = sums.turn > 0;
    outcome.restarts += uphill ? 1 : 0;
    if (uphill) weight = 1;
    const double heavier = 0.5 * (1 + std::sqrt(1 + 4 * weight * weight));
    momentum_ = uphill ? 0.0 : (weight - 1) / heavier;
    weight = heavier;
    if (!stop) continue;
    if (stop(outcome.iterations, x_, loss() + problem_.penalty.lambda * sums.penalty)) break;
  }
  std::copy(x_.begin(), x_.end(), x.begin());
  return outcome;
}

}  // namespace ashlar::bcd::baselines
