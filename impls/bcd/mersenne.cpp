#include "impls/bcd/mersenne.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

namespace ashlar::bcd {
namespace {

constexpr int kMiddle = 397;

std::uint32_t mersenne_twist(std::uint32_t upper, std::uint32_t lower, std::uint32_t middle) {
  const std::uint32_t mixed = (upper & 0x80000000U) | (lower & 0x7fffffffU);
  return middle ^ (mixed >> 1) ^ (0x9908b0dfU & (0U - (mixed & 1U)));
}

std::uint32_t mersenne_temper(std::uint32_t y) {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}

}  // namespace

Mersenne::Mersenne(std::uint32_t seed) {
  state_[0] = seed;
  for (std::uint32_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
}

// In runs that depend on words at least 227 back, so that a compiler can take eight at a time.
void Mersenne::refill() {
  constexpr int kFirst = kWords - kMiddle;
  for (int i = 0; i < kFirst; ++i) {
    state_[i] = mersenne_twist(state_[i], state_[i + 1], state_[i + kMiddle]);
  }
  for (int i = kFirst; i < kWords - 1; ++i) {
    state_[i] = mersenne_twist(state_[i], state_[i + 1], state_[i - kFirst]);
  }
  state_[kWords - 1] = mersenne_twist(state_[kWords - 1], state_[0], state_[kMiddle - 1]);
  for (int i = 0; i < kWords; ++i) tempered_[i] = mersenne_temper(state_[i]);
  next_ = 0;
}

Mersenne::Pair Mersenne::point_in_disc() {
  while (true) {
    const double first = 2.0 * uniform() - 1.0;
    const double second = 2.0 * uniform() - 1.0;
    const double radius = first * first + second * second;
    if (radius < 1.0 && radius != 0.0) return {first, second, radius};
  }
}

double Mersenne::normal() {
  if (std::exchange(has_kept_, false)) return kept_;
  const Pair pair = point_in_disc();
  const double scale = std::sqrt(-2.0 * std::log(pair.radius) / pair.radius);
  has_kept_ = true;
  kept_ = scale * pair.first;
  return scale * pair.second;
}

void Mersenne::skip_normals(std::int64_t count) {
  if (count > 0 && std::exchange(has_kept_, false)) --count;
  for (; count > 1; count -= 2) point_in_disc();
  if (count == 1) normal();
}

std::uint32_t Mersenne::integer(std::uint32_t most) {
  if (most == 0) return 0;
  const std::uint32_t mask = ~0U >> std::countl_zero(most);
  while (true) {
    const std::uint32_t value = word() & mask;
    if (value <= most) return value;
  }
}

std::vector<Index> Mersenne::permutation(Index count) {
  std::vector<Index> order(static_cast<std::size_t>(std::max(count, 0)));
  std::iota(order.begin(), order.end(), 0);
  for (Index i = count - 1; i > 0; --i) {
    std::swap(order[i], order[integer(static_cast<std::uint32_t>(i))]);
  }
  return order;
}

std::vector<Index> Mersenne::choice(Index count, Index chosen) {
  if (chosen < 0 || chosen > count) {
    throw std::invalid_argument("choice: " + std::to_string(chosen) + " of " +
                                std::to_string(count) + " without replacement; choose at most " +
                                std::to_string(std::max(count, 0)));
  }
  std::vector<Index> order = permutation(count);
  order.resize(static_cast<std::size_t>(chosen));
  return order;
}

}  // namespace ashlar::bcd
