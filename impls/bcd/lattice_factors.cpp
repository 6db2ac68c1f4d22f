#include "impls/bcd/lattice_factors.hpp"

#include <algorithm>

namespace ashlar::bcd {

ToothFactors::ToothFactors() {
  for (const int degree : {4, 3}) {
    double child = 0;
    for (int i = first(degree); i <= last(degree); ++i) {
      child = 1 / (degree - child);
      of[i] = child;
    }
  }
}

CombFactors comb_factors(const LatticeProblem& problem, int comb) {
  const Index rows = problem.rows;
  const Index columns = problem.columns;
  const Index spine = comb == 0 ? 0 : rows - 1;
  const Index away = comb == 0 ? 1 : -1;
  const auto has_label = [&](Index row, Index column) {
    return problem.labelled[static_cast<std::size_t>(problem.node(row, column))] != 0;
  };
  CombFactors factors;
  factors.teeth = (columns + 1 - comb) / 2;
  factors.classes.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(factors.teeth));
  factors.spine.resize(static_cast<std::size_t>(columns));
  const auto class_of = [&](Index row, Index tooth) -> std::uint8_t& {
    return factors.classes[static_cast<std::size_t>(row) * static_cast<std::size_t>(factors.teeth) +
                           static_cast<std::size_t>(tooth)];
  };
  for (Index step = rows - 2; step >= 1; --step) {
    const Index row = spine + away * step;
    for (Index tooth = 0; tooth < factors.teeth; ++tooth) {
      const Index column = 2 * tooth + comb;
      if (has_label(row, column)) continue;
      const int degree = problem.degree(row, column);
      const int child = step == rows - 2 ? 0 : class_of(row + away, tooth);
      class_of(row, tooth) =
          static_cast<std::uint8_t>(child == 0 ? ToothFactors::first(degree)
                                               : std::min(child + 1, ToothFactors::last(degree)));
    }
  }
  static const ToothFactors values;
  double before = 0;
  for (Index column = 0; column < columns; ++column) {
    const bool tooth = rows >= 3 && column % 2 == comb;
    const double child = tooth ? values.of[class_of(spine + away, column / 2)] : 0;
    before = has_label(spine, column) ? 0 : 1 / (problem.degree(spine, column) - child - before);
    factors.spine[static_cast<std::size_t>(column)] = before;
  }
  return factors;
}

}  // namespace ashlar::bcd
