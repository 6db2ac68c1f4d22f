#pragma once
// The generator behind the bootstrap: small, seeded and the same on every machine.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ashlar::statistics {

/// Finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit words.
constexpr std::uint64_t mix64(std::uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ull;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebull;
  return word ^ (word >> 31);
}

/// SplitMix64: the i-th word is mix64(seed + i * golden ratio), so any part of the stream can be
/// recomputed.
class SplitMix64 {
 public:
  explicit constexpr SplitMix64(std::uint64_t seed) : state_(seed) {}

  constexpr std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ull;
    return mix64(state_);
  }

  /// An index in [0, n), n in [1, 2^32). The bias of the multiplication, below n / 2^32, is far
  /// under what 2000 resamples can show.
  constexpr std::size_t index(std::size_t n) {
    return static_cast<std::size_t>(((next() >> 32) * static_cast<std::uint64_t>(n)) >> 32);
  }

 private:
  std::uint64_t state_;
};

/// A seed from a case id (or any text), so that an interval repeats exactly: FNV-1a, then mixed,
/// since ids that differ in their last character must give unrelated streams. Stable across
/// machines and versions.
constexpr std::uint64_t seed_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char letter : text) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3ull;
  }
  return mix64(hash);
}

}  // namespace ashlar::statistics
