// The claim reader on arbitrary bytes: a claim file and, after a line of four per cent signs, the
// CSV that its grids may name as reported.csv. What can be read is judged.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "harness/claims/testing.hpp"

namespace {

namespace fs = std::filesystem;
using namespace ashlar::claims;

/// Memory where there is such a file system; one folder for the life of the process.
const fs::path& folder() {
  static const fs::path path = [] {
    std::string name =
        (fs::is_directory("/dev/shm") ? "/dev/shm" : fs::temp_directory_path().string()) +
        "/ashlar-fuzz-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    static const std::string kept = name;
    std::atexit([] { fs::remove_all(kept); });
    return fs::path(name);
  }();
  return path;
}

const ashlar::record::RecordSet& records() {
  static const testing::Records made = [] {
    testing::Records all = testing::twice();
    for (std::uint64_t seed = 0; seed < 3; ++seed) all.study(1, "greedy", seed, {{"gap", 0.5}});
    return all;
  }();
  return made.set;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view kSplit = "\n%%%%\n";
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t split = text.find(kSplit);
  const std::string_view csv =
      split == std::string_view::npos ? "" : text.substr(split + kSplit.size());
  std::ofstream(folder() / "reported.csv", std::ios::binary) << csv;
  try {
    const ClaimFile file = parse(text.substr(0, split), folder() / "claims.toml");
    judge(file, records());
    validate(file, catalog_of(records(), file.suite));
  } catch (const ClaimError&) {
  }
  return 0;
}
