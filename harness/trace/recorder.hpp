#pragma once
// Records NVTX ranges inside the process, without any tool: it is the tool. Ranges of all domains
// are kept, those of libraries too.
#include <filesystem>
#include <optional>
#include <string>

#include "harness/trace/spill.hpp"

namespace ashlar::trace {

/// The environment variable that names the folder for workers' spills.
inline constexpr const char* kFolderVariable = "ASHLAR_TRACE_FOLDER";

/// Why ranges cannot be recorded, with what to do about it: no NVTX headers at build time, or
/// another tool that is asked to take them. Nothing when they can.
std::optional<std::string> why_not_recording();

/// From now on this process's ranges go into a fresh file in `folder`. Must come before the first
/// range of the process; a second call does nothing. Throws std::system_error when the file cannot
/// be made.
void record_ranges(const std::filesystem::path& folder, Role role);
/// For a worker: as above when the environment says so.
void record_ranges_if_asked();
/// Whether record_ranges() was called.
bool recording();

}  // namespace ashlar::trace
