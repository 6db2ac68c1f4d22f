#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ashlar::machine {

/// SHA-256 (FIPS 180-4), fed in pieces. Names binaries and hosts; no secret depends on it.
class Sha256 {
 public:
  void update(std::span<const unsigned char> bytes);
  /// Sixty-four lower-case hexadecimal digits. Ends the message: call it once.
  std::string finish();

 private:
  void block(const unsigned char* bytes);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> buffer_{};
  std::size_t buffered_ = 0;
  std::uint64_t bytes_ = 0;
};

std::string sha256(std::string_view text);
/// nullopt when the file cannot be read.
std::optional<std::string> sha256_of_file(const std::filesystem::path& path);

}  // namespace ashlar::machine
