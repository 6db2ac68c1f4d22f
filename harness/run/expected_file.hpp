#pragma once
// The oracle's answer in a file, so that later rounds need not compute it again.
#include <filesystem>

#include "harness/model/oracle.hpp"

namespace ashlar::run {

/// The file appears whole or not at all. Throws std::runtime_error when it cannot be written.
void write_expected(const std::filesystem::path& path, const model::Expected& expected);
/// Throws std::runtime_error when it cannot be read.
model::Expected read_expected(const std::filesystem::path& path);

}  // namespace ashlar::run
