#pragma once
// What was built: enough to tell two binaries apart, and to build one again.
#include <nlohmann/json.hpp>

namespace ashlar::machine {

using Json = nlohmann::ordered_json;

/// {git {sha, dirty, diff_hash}, compiler {id, version}, flags, type, assertions, isa {base,
/// best_here}, lto, sanitize, threads, cuda {version, architectures} or null, binary_sha256,
/// libraries {fmt, nlohmann_json, libstdc++}}. Unknown = null; outside a git checkout, or where git
/// was missing, all of git's fields. The hash of the binary is computed once per process.
///
/// `dirty` and `diff_hash` (of the difference to the commit, tracked files only) leave out results/
/// and plots/, which runs write.
Json describe_build();

}  // namespace ashlar::machine
