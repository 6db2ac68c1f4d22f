#pragma once
#include <filesystem>
#include <string>

namespace ashlar::cli {

/// Full path of a file that comes with Ashlar (claim files, scripts of external workers), named
/// relative to the repository's root. Looked for below $ASHLAR_SHARE, then share/ashlar beside the
/// executable's folder (an installation or a stage), then the source tree this program was built
/// from. Throws UsageError naming the places when it is nowhere.
std::filesystem::path resource(const std::string& relative);
/// The same, or an empty path.
std::filesystem::path find_resource(const std::string& relative);

}  // namespace ashlar::cli
