#pragma once
// What of a curve goes into a record: enough to draw it and to read off where it crosses a level.
#include "harness/model/method.hpp"

namespace ashlar::run {

inline constexpr std::size_t kMostCurvePoints = 200;

/// A curve of at most kMostCurvePoints rows as it is. Of a longer one: the first and the last row,
/// rows evenly spaced in the logarithm of their number, and beside these, per column after the
/// first, the row where it first falls below each power of ten.
model::Curve thinned(const model::Curve& curve);

}  // namespace ashlar::run
