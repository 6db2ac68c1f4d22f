#pragma once
// The order that NumPy's argsort gives, equal keys included: it is not stable, and which of many
// equal L_i share a block decides how fast a published curve falls.
#include <span>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

/// Ascending, as numpy.argsort(keys) of doubles where no vector instructions sort: quicksort
/// (Musser's introsort, 1997) with the median of three as pivot, the shorter side first, and
/// insertion below 17 keys. Keys are numbers. On keys that drive quicksort deeper than 2 log2(n),
/// where NumPy goes over to a heap, ties are by index.
std::vector<Index> numpy_order(std::span<const double> keys);

}  // namespace ashlar::bcd
