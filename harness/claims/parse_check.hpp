#pragma once
// [claim.check] and [grid.check]. Private to this folder.
#include <optional>
#include <string>
#include <vector>

#include "harness/claims/toml_reader.hpp"

namespace ashlar::claims::detail {

/// Nothing when a problem was noted.
std::optional<Check> parse_check(const toml::table& table, Problems& problems,
                                 const std::string& what);

/// The keys of `where`; shared with grids.
std::vector<Constraint> parse_where(const Reader& check);

}  // namespace ashlar::claims::detail
