#pragma once
// [[grid]]: one claim per cell of a CSV of reported values. Private to this folder.
#include <vector>

#include "harness/claims/toml_reader.hpp"

namespace ashlar::claims::detail {

/// setting, reach, because, on, required, needs, changed: what claims and grids share.
void parse_common(const Reader& reader, Claim& claim);

/// Appends the claims of one grid; notes problems, in the CSV too.
void expand_grid(const toml::table& table, Problems& problems, std::size_t number,
                 std::vector<Claim>& claims);

}  // namespace ashlar::claims::detail
