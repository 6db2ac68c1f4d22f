#pragma once
// Small things that several files of this folder need. Private to it.
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/claims/claim.hpp"

namespace ashlar::claims::detail {

const std::vector<std::pair<std::string, Form>>& form_names();

/// time, rate, bandwidth, peak-share, bandwidth-share, read-share: they come from samples.
bool is_sampled_metric(const std::string& metric);
/// norm.TENSOR.NORM: of the oracle checks, which wrong answers have too.
bool is_norm(const std::string& metric);
/// Both, memory and workspace.
bool is_builtin_metric(const std::string& metric);

/// `file:line:column: text`, without line and column where they are unknown.
std::string located(const std::filesystem::path& file, Place place, std::string_view text);

/// For names of processors, where the case of letters means nothing.
std::string lower_case(std::string text);

/// Appends what is not there yet.
void add_once(std::vector<std::string>& into, std::string text);

}  // namespace ashlar::claims::detail
