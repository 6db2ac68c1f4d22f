#pragma once
// LIBLINEAR for logistic regression with a penalty: opened at run time where the build found its
// header. With an L1 penalty it is coordinate descent on Newton's quadratic (its solver 6), with an
// L2 penalty Newton in a trust region (its solver 0).
//
// Source: Fan, Chang, Hsieh, Wang, Lin, "LIBLINEAR: a library for large linear classification",
// JMLR 9 (2008). It minimises penalty + C * loss, so C = 1 / lambda.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd::baselines {

enum class LogisticPenalty : std::uint8_t {
  l1,  // lambda * sum |x_i|
  l2,  // 0.5 * lambda * sum x_i^2
};

/// f(x) and the penalty. The check of answers; x: p numbers.
double penalised_logistic(const Problem& problem, LogisticPenalty penalty, double lambda,
                          std::span<const double> x);

class Liblinear {
 public:
  virtual ~Liblinear() = default;
  /// A whole training from x = 0, with the regrouping of rows by class and the transposition that
  /// it does inside. `tolerance` is its own `-e`. Sets the seed of rand(), which orders its
  /// coordinates, so that one tolerance has one answer.
  virtual void solve(std::span<double> x, double tolerance) = 0;
};

std::optional<std::string> liblinear_unsupported();
std::string liblinear_version();

/// Copies A into the library's layout: rows of (index, value), 16 bytes per entry where ours has
/// 12. Throws std::invalid_argument unless the loss is logistic and lambda > 0, and
/// std::runtime_error where the library is not there.
std::unique_ptr<Liblinear> make_liblinear(const Problem& problem, LogisticPenalty penalty,
                                          double lambda);

}  // namespace ashlar::bcd::baselines
