#pragma once
// From the cells of a claim to its verdict. Private to this folder.
#include <vector>

#include "harness/claims/forms.hpp"

namespace ashlar::claims::detail {

/// Sets outcome, measured, the numbers of cells and the reason; expect, direction and unit of the
/// verdict must be set. There is at least one cell.
void decide(const std::vector<Cell>& cells, const Check& check, Verdict& verdict);

}  // namespace ashlar::claims::detail
