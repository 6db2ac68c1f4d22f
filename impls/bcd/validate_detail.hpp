#pragma once
// The parts of validate(), and how it refuses.
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd::detail {

template <class... Args>
[[noreturn]] void refuse_problem(Loss loss, fmt::format_string<Args...> text, Args&&... args) {
  throw std::invalid_argument(std::string(name_of(loss)) + ": " +
                              fmt::format(text, std::forward<Args>(args)...));
}

/// Starts that rise from 0, indices that rise within a line and lie in 0..others - 1, as many
/// values as indices. `line_name` and `index_name` stand in the message: "row", "column".
void check_lines(Loss loss, const SparseLines& lines, Index expected_lines, Index others,
                 const char* line_name, const char* index_name);
void check_features(const Problem& problem);
void check_quadratic(const Problem& problem);

}  // namespace ashlar::bcd::detail
