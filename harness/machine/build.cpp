#include "harness/machine/build.hpp"

#include <fmt/core.h>

#include <optional>
#include <string>

#include "ashlar_build_info.hpp"
#include "ashlar_git_stamp.hpp"
#include "harness/machine/peak.hpp"
#include "harness/machine/sha256.hpp"

namespace ashlar::machine {
namespace {

Json text_or_null(const char* text) { return *text == '\0' ? Json(nullptr) : Json(text); }

/// CMake's spellings of true.
bool is_on(const std::string& value) { return value == "ON" || value == "TRUE" || value == "1"; }

Json git_json() {
  Json dirty;
  if (const std::string text = git_stamp::kDirty; !text.empty()) dirty = text == "true";
  return {{"sha", text_or_null(git_stamp::kSha)},
          {"dirty", dirty},
          {"diff_hash", text_or_null(git_stamp::kDiffHash)}};
}

/// What the whole program may use without asking the CPU.
const char* base_isa() {
#if defined(__AVX512F__)
  return "x86-64-v4";
#elif defined(__AVX2__) && defined(__FMA__)
  return "x86-64-v3";
#elif defined(__x86_64__)
  return "x86-64";
#else
  return "portable";
#endif
}

Json cuda_json() {
  if (*build_info::kCudaVersion == '\0') return nullptr;
  return {{"version", build_info::kCudaVersion}, {"architectures", build_info::kCudaArchitectures}};
}

Json libraries_json() {
  Json standard;
#ifdef _GLIBCXX_RELEASE
  standard = std::to_string(_GLIBCXX_RELEASE);
#endif
  return {{"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100,
                              FMT_VERSION % 100)},
          {"nlohmann_json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR,
                                        NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
          {"libstdc++", standard}};
}

}  // namespace

Json describe_build() {
  static const std::optional<std::string> binary = sha256_of_file("/proc/self/exe");
#ifdef NDEBUG
  const bool assertions = false;
#else
  const bool assertions = true;
#endif
  const auto bf16 = bf16_peak_kernel();
  return {{"git", git_json()},
          {"compiler",
           {{"id", text_or_null(build_info::kCompilerId)},
            {"version", text_or_null(build_info::kCompilerVersion)}}},
          {"flags", text_or_null(build_info::kFlags)},
          {"type", text_or_null(build_info::kType)},
          {"assertions", assertions},
          {"isa", {{"base", base_isa()}, {"best_here", bf16 ? bf16->isa : f32_peak_kernel().isa}}},
          {"lto", is_on(build_info::kLto)},
          {"sanitize", text_or_null(build_info::kSanitize)},
          {"threads", text_or_null(build_info::kThreads)},
          {"cuda", cuda_json()},
          {"binary_sha256", binary ? Json(*binary) : Json(nullptr)},
          {"libraries", libraries_json()}};
}

}  // namespace ashlar::machine
