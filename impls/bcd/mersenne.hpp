#pragma once
// The stream of NumPy's RandomState, bit for bit: the paper's data sets were drawn from it. MT19937
// of Matsumoto and Nishimura (1998), normals by Marsaglia's polar method.
//
// Normals use the C library's logarithm, as NumPy's do: two machines agree as far as theirs do.
#include <array>
#include <cstdint>
#include <vector>

#include "impls/bcd/matrix.hpp"

namespace ashlar::bcd {

class Mersenne {
 public:
  /// As numpy.random.RandomState(seed).
  explicit Mersenne(std::uint32_t seed);

  /// 32 uniform bits.
  std::uint32_t word() {
    if (next_ == kWords) refill();
    return tempered_[next_++];
  }
  /// random_sample(): uniform in [0, 1), a multiple of 2^-53. Two words.
  double uniform() {
    const std::uint32_t high = word() >> 5;
    const std::uint32_t low = word() >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }
  /// randn(): two at a time, the second is kept for the next call.
  double normal();
  /// As if normal() were called so often, at a fraction of the time.
  void skip_normals(std::int64_t count);
  /// randint(most + 1): uniform in 0..most by masked rejection.
  std::uint32_t integer(std::uint32_t most);
  /// permutation(count).
  std::vector<Index> permutation(Index count);
  /// choice(count, chosen, replace=False): the start of a permutation.
  std::vector<Index> choice(Index count, Index chosen);

 private:
  struct Pair {
    double first, second, radius;  // a point in the unit disc, and its distance from 0, squared
  };
  void refill();
  Pair point_in_disc();

  static constexpr int kWords = 624;
  std::array<std::uint32_t, kWords> state_{};
  std::array<std::uint32_t, kWords> tempered_{};
  int next_ = kWords;
  bool has_kept_ = false;
  double kept_ = 0;
};

}  // namespace ashlar::bcd
