#include "harness/measure/verify.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace ashlar::measure {

namespace {

using model::ElementType;
using model::Expected;
using model::ExpectedTensor;
using model::Json;
using model::Norms;
using model::TensorView;
using model::Tolerance;

constexpr std::size_t kShownMismatches = 4;

Json finite_or_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

/// Spacing of the storage type's numbers at |value|.
double ulp_at(ElementType type, double value) {
  int mantissa_bits = 23;
  int lowest_exponent = -126;
  if (type == ElementType::f64) mantissa_bits = 52, lowest_exponent = -1022;
  if (type == ElementType::f16) mantissa_bits = 10, lowest_exponent = -14;
  if (type == ElementType::bf16) mantissa_bits = 7;
  const int exponent = value == 0 ? lowest_exponent : std::max(std::ilogb(value), lowest_exponent);
  return std::ldexp(1.0, exponent - mantissa_bits);
}

std::int64_t index_of(const ExpectedTensor& expected, std::size_t i) {
  return expected.indices.empty() ? static_cast<std::int64_t>(i) : expected.indices[i];
}

/// (row, column, ...) of a flat index.
std::string coordinates(const TensorView& tensor, std::int64_t flat) {
  std::string text;
  std::vector<std::int64_t> at(tensor.shape.size());
  for (std::size_t axis = tensor.shape.size(); axis-- > 0;) {
    at[axis] = flat % tensor.shape[axis];
    flat /= tensor.shape[axis];
  }
  for (const std::int64_t i : at) text += (text.empty() ? "" : ", ") + std::to_string(i);
  return tensor.name + "(" + text + ")";
}

/// An answer of another size is wrong; an oracle that expects NaN, or elements that no answer has,
/// is broken.
std::optional<std::string> wrong_size(const ExpectedTensor& expected, const TensorView& answer) {
  const auto size = answer.size();
  const auto wanted = static_cast<std::int64_t>(expected.values.size());
  if (expected.indices.empty() && wanted != size)
    return fmt::format("'{}' has {} elements, expected {}", expected.name, size, wanted);
  const auto last = std::max_element(expected.indices.begin(), expected.indices.end());
  if (last != expected.indices.end() && *last >= size)
    return fmt::format("'{}' has {} elements, expected at least {}", expected.name, size,
                       *last + 1);
  return std::nullopt;
}

void require_sane(const ExpectedTensor& expected) {
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const std::int64_t at = index_of(expected, i);
    if (at < 0 || std::isnan(expected.values[i])) {
      throw std::logic_error(fmt::format("the oracle expects NaN or an element outside '{}' at {}",
                                         expected.name, at));
    }
  }
}

double rms_of(const ExpectedTensor& expected) {
  double squares = 0;
  std::size_t finite = 0;
  for (const double value : expected.values) {
    if (!std::isfinite(value)) continue;
    squares += value * value;
    ++finite;
  }
  return finite == 0 ? 0 : std::sqrt(squares / static_cast<double>(finite));
}

std::optional<std::string> first_nan(const TensorView& answer) {
  for (std::int64_t i = 0; i < answer.size(); ++i) {
    if (std::isnan(answer.value(i))) {
      return fmt::format("{} is NaN: never written, or computed as NaN", coordinates(answer, i));
    }
  }
  return std::nullopt;
}

/// The elements with the greatest errors, worst first.
std::string worst_elements(const ExpectedTensor& expected, const TensorView& answer) {
  std::vector<std::size_t> order(expected.values.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto error = [&](std::size_t i) {
    const double value = answer.value(index_of(expected, i));
    return value == expected.values[i] ? 0.0 : std::abs(value - expected.values[i]);
  };
  const std::size_t shown = std::min(kShownMismatches, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](std::size_t a, std::size_t b) { return error(a) > error(b); });
  std::string text;
  for (std::size_t i = 0; i < shown && error(order[i]) > 0; ++i) {
    const std::int64_t at = index_of(expected, order[i]);
    text += fmt::format("{}{} is {:.6g}, expected {:.6g}", text.empty() ? "" : "; ",
                        coordinates(answer, at), answer.value(at), expected.values[order[i]]);
  }
  return text;
}

const Tolerance& tolerance_for(const model::Tolerances& tolerances, const std::string& name) {
  auto found = tolerances.find(name);
  if (found == tolerances.end()) found = tolerances.find("");
  if (found == tolerances.end()) throw std::logic_error("no tolerance for tensor '" + name + "'");
  return found->second;
}

/// Compares one tensor; returns what is wrong, or nothing.
std::optional<std::string> compare_tensor(const ExpectedTensor& expected, const TensorView& answer,
                                          Tolerance limit, const Expected* yardstick,
                                          CheckResult& result) {
  require_sane(expected);
  if (auto wrong = wrong_size(expected, answer)) return wrong;
  if (limit.yardstick_factor > 0 && yardstick != nullptr) {
    for (const ExpectedTensor& plain : *yardstick) {
      if (plain.name != expected.name) continue;
      double error = 0;
      for (std::size_t i = 0; i < plain.values.size(); ++i) {
        if (std::isfinite(expected.values[i]))
          error = std::max(error, std::abs(plain.values[i] - expected.values[i]));
      }
      // A yardstick that happens to be exact must not demand exactness of others.
      limit.max_abs = limit.yardstick_factor * error + 1e-5;
    }
  }
  const Norms norms = norms_of(expected, answer);
  result.norms[expected.name] = {{"max_abs", finite_or_text(norms.max_abs)},
                                 {"max_rel", finite_or_text(norms.max_rel)},
                                 {"rms", finite_or_text(norms.rms)},
                                 {"relative_l2", finite_or_text(norms.relative_l2)},
                                 {"ulp_p99", finite_or_text(norms.ulp_p99)},
                                 {"compared", norms.compared}};
  result.limit[expected.name] = {{"max_abs", finite_or_text(limit.max_abs)},
                                 {"max_rel", finite_or_text(limit.max_rel)},
                                 {"relative_l2", finite_or_text(limit.relative_l2)}};
  if (const auto nan = first_nan(answer)) return nan;
  // Written so that a NaN norm fails.
  const bool within = norms.max_abs <= limit.max_abs && norms.max_rel <= limit.max_rel &&
                      norms.relative_l2 <= limit.relative_l2;
  if (within) return std::nullopt;
  return fmt::format(
      "max_abs {:.3g} (limit {:.3g}), max_rel {:.3g} ({:.3g}), relative_l2 {:.3g} ({:.3g}): {}",
      norms.max_abs, limit.max_abs, norms.max_rel, limit.max_rel, norms.relative_l2,
      limit.relative_l2, worst_elements(expected, answer));
}

}  // namespace

Norms norms_of(const ExpectedTensor& expected, const TensorView& answer) {
  Norms norms;
  const double scale = rms_of(expected);
  double squares = 0;
  double reference = 0;
  std::vector<double> ulps;
  ulps.reserve(expected.values.size());
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double wanted = expected.values[i];
    const double value = answer.value(index_of(expected, i));
    ++norms.compared;
    // Equal infinities are met exactly; any other difference with an infinity is infinite.
    double error = value == wanted ? 0.0 : std::abs(value - wanted);
    if (std::isnan(error)) error = HUGE_VAL;
    norms.max_abs = std::max(norms.max_abs, error);
    if (!std::isfinite(wanted)) continue;
    const double magnitude = std::max(std::abs(wanted), scale);
    norms.max_rel = std::max(norms.max_rel, error == 0 ? 0 : error / magnitude);
    squares += error * error;
    reference += wanted * wanted;
    ulps.push_back(error / ulp_at(answer.type, wanted));
  }
  if (!ulps.empty()) {
    norms.rms = std::sqrt(squares / static_cast<double>(ulps.size()));
    norms.relative_l2 = squares == 0 ? 0 : std::sqrt(squares / reference);
    const auto p99 = ulps.begin() + static_cast<std::ptrdiff_t>((ulps.size() - 1) * 99 / 100);
    std::nth_element(ulps.begin(), p99, ulps.end());
    norms.ulp_p99 = *p99;
  }
  return norms;
}

CheckResult compare(const Expected& expected, const std::vector<TensorView>& answer,
                    const model::Tolerances& tolerances, const Expected* yardstick) {
  CheckResult result;
  for (const ExpectedTensor& tensor : expected) {
    const auto found = std::find_if(answer.begin(), answer.end(), [&](const TensorView& view) {
      return view.name == tensor.name;
    });
    std::optional<std::string> wrong = "the answer has no tensor '" + tensor.name + "'";
    if (found != answer.end()) {
      wrong =
          compare_tensor(tensor, *found, tolerance_for(tolerances, tensor.name), yardstick, result);
    }
    if (wrong && !result.mismatch) result.mismatch = wrong;
  }
  result.accepted = !result.mismatch;
  return result;
}

CheckResult check_answer(const model::Experiment& experiment, const void* problem,
                         const model::Point& point, const Expected& expected,
                         const Expected* yardstick, const std::vector<TensorView>& answer) {
  CheckResult result = compare(expected, answer, experiment.tolerance(point), yardstick);
  for (const model::Invariant& invariant : experiment.invariants) {
    if (result.mismatch) break;
    if (const auto wrong = invariant.check(problem, answer)) {
      result.mismatch = fmt::format("invariant '{}': {}", invariant.name, *wrong);
      result.accepted = false;
    }
  }
  return result;
}

}  // namespace ashlar::measure
