#pragma once
// What an oracle expects and how far an answer may be off.
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/tensor.hpp"

namespace ashlar::model {

/// Expected elements of one answer tensor, in double precision. Large problems name sampled
/// elements.
struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> indices;  // flat, row-major; empty: every element, in order
  std::vector<double> values;
};
using Expected = std::vector<ExpectedTensor>;

/// Limits on the difference between answer and expectation, per tensor; all that are finite must
/// hold. An expected infinity must be met exactly; an expected NaN is a mistake of the oracle.
struct Tolerance {
  double max_abs = std::numeric_limits<double>::infinity();
  double relative_l2 = std::numeric_limits<double>::infinity();  // |answer - expected| / |expected|
  /// Greatest error relative to max(|expected|, the tensor's RMS).
  double max_rel = std::numeric_limits<double>::infinity();
  /// Where a yardstick is declared: max_abs may be this many times the yardstick's own (0: not
  /// used).
  double yardstick_factor = 0;
};
/// Tensor name -> limits; the name "" holds for tensors not named.
using Tolerances = std::map<std::string, Tolerance>;

/// How far an answer is off, per tensor.
struct Norms {
  double max_abs = 0;
  double max_rel = 0;  // as in Tolerance
  double rms = 0;
  double relative_l2 = 0;
  double ulp_p99 = 0;  // 99th percentile, in units in the last place of the storage type
  std::int64_t compared = 0;
};

}  // namespace ashlar::model
