#pragma once
// Inputs that are the same, bit for bit, on every machine, for every thread count and instruction
// set: a counter-based generator, and normals by logarithm and sine of our own in float with a
// fixed order of operations (those of the C library differ between instruction sets).
//
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
// (Philox 4x32-10); Box and Muller 1958.
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "impls/core/tensor.hpp"

namespace ashlar::core {

/// Ten rounds of Philox 4x32: four random words for a 128-bit counter under a 64-bit key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

enum class Distribution : std::uint8_t {
  uniform,   // multiples of 2^-24 strictly between 0 and 1
  normal,    // N(0, 1); at most 5.77 in magnitude
  outliers,  // N(0, 1) + N(0, 100) * Bernoulli(0.001): standard deviation 10 for the rare part
};

/// Element `index` of the stream (seed, tensor_id, distribution), before rounding to storage.
/// Distinct tensors of one problem take distinct tensor_ids; streams never overlap.
float random_element(Distribution distribution, std::uint64_t seed, std::uint32_t tensor_id,
                     std::uint64_t index);

namespace detail {
void fill_random(void* data, DType dtype, std::span<const Index> shape,
                 std::span<const Index> strides, Distribution distribution, std::uint64_t seed,
                 std::uint32_t tensor_id);
}

/// Element i, counted row-major over the shape whatever the strides, becomes
/// random_element(distribution, seed, tensor_id, i), rounded once to the storage type. Throws
/// std::invalid_argument for integer tensors.
template <std::size_t Rank>
void fill_random(const AnyView<Rank>& out, Distribution distribution, std::uint64_t seed,
                 std::uint32_t tensor_id) {
  detail::fill_random(out.data, out.dtype, out.shape, out.strides, distribution, seed, tensor_id);
}

template <std::size_t Rank>
void fill_normal(const AnyView<Rank>& out, std::uint64_t seed, std::uint32_t tensor_id) {
  fill_random(out, Distribution::normal, seed, tensor_id);
}

/// FNV-1a, 64 bits: the same on every machine, for content addresses and seeds.
constexpr std::uint64_t kFnvOffset = 0xcbf29ce484222325u;
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t state = kFnvOffset) {
  for (const char letter : text) {
    state = (state ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  }
  return state;
}
/// Of bytes, for comparing tensors by one number.
std::uint64_t fnv1a_bytes(const void* data, std::size_t bytes);

/// The seed of a named point under a base seed; all bits depend on both.
std::uint64_t seed_of(std::uint64_t base_seed, std::string_view name);

}  // namespace ashlar::core
