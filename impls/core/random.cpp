// Compiled with -ffp-contract=off (see CMakeLists.txt): a fused multiply-add here would make inputs
// depend on the compiler and the instruction set. Only +, -, *, / and sqrt of IEEE 754 are used, so
// the vectoriser cannot change a bit.
#include "impls/core/random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/philox.hpp"

namespace ashlar::core {
namespace {

constexpr int kBlocks = 16;          // Philox blocks made together, so that the loops vectorise
constexpr int kBatch = 4 * kBlocks;  // words in them
constexpr std::int64_t kGrain = 1 << 14;  // elements below which a thread is not worth waking

/// Words of kBlocks consecutive counters: word w of block b is words[w][b].
struct Batch {
  alignas(64) std::uint32_t words[4][kBlocks];
};

struct Stream {
  std::uint64_t seed;
  std::uint32_t tensor_id;
  Distribution distribution;
};

Batch make_batch(const Stream& stream, std::uint64_t first_block) {
  Batch batch;
  auto& [w0, w1, w2, w3] = batch.words;
  for (int b = 0; b < kBlocks; ++b) {
    const std::uint64_t block = first_block + static_cast<std::uint64_t>(b);
    w0[b] = static_cast<std::uint32_t>(block);
    w1[b] = static_cast<std::uint32_t>(block >> 32);
    w2[b] = stream.tensor_id;
    w3[b] = static_cast<std::uint32_t>(stream.distribution);
  }
  auto key0 = static_cast<std::uint32_t>(stream.seed);
  auto key1 = static_cast<std::uint32_t>(stream.seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    for (int b = 0; b < kBlocks; ++b) {
      const std::uint64_t product0 = std::uint64_t{kPhiloxMultiplier0} * w0[b];
      const std::uint64_t product1 = std::uint64_t{kPhiloxMultiplier1} * w2[b];
      const std::uint32_t next0 = static_cast<std::uint32_t>(product1 >> 32) ^ w1[b] ^ key0;
      const std::uint32_t next2 = static_cast<std::uint32_t>(product0 >> 32) ^ w3[b] ^ key1;
      w0[b] = next0;
      w1[b] = static_cast<std::uint32_t>(product1);
      w2[b] = next2;
      w3[b] = static_cast<std::uint32_t>(product0);
    }
    key0 += kPhiloxWeyl0;
    key1 += kPhiloxWeyl1;
  }
  return batch;
}

/// 23 bits at the centres of equal cells: exact in float, never 0 or 1.
inline float open_unit(std::uint32_t word) {
  return (static_cast<float>(static_cast<std::int32_t>(word >> 9)) + 0.5f) * 0x1p-23f;
}

/// ln x for normal x > 0, within 2 ulp: x = 2^e (1 + f), ln(1 + f) = 2 artanh(f / (2 + f)).
inline float fixed_log(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t from_root_half = bits - 0x3f3504f3u;  // sqrt(1/2): 1 + f in [0.707, 1.414)
  const auto exponent = static_cast<std::int32_t>(from_root_half) >> 23;
  const float f = std::bit_cast<float>((from_root_half & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  const float s = f / (2.0f + f);
  const float z = s * s;
  float tail = 1.0f / 11;
  tail = tail * z + 1.0f / 9;
  tail = tail * z + 1.0f / 7;
  tail = tail * z + 1.0f / 5;
  tail = tail * z + 1.0f / 3;
  const float e = static_cast<float>(exponent);
  // ln 2 in two parts: the first has 15 bits, so e times it is exact.
  const float low = e * 1.42860677e-6f + (s * z) * (tail + tail);
  return e * 0.693145752f + ((s + s) + low);
}

struct SinCos {
  float sin;
  float cos;
};

/// sin and cos of 2 pi turn for turn in [0, 1): the reduction to an eighth of a turn is exact.
inline SinCos fixed_sincos(float turn) {
  const float quarters = turn * 4.0f;
  const std::int32_t quadrant = (static_cast<std::int32_t>(turn * 8.0f) + 1) >> 1;  // nearest
  const float x = (quarters - static_cast<float>(quadrant)) * 1.57079633f;
  const float z = x * x;
  float s = 1.0f / 362880;
  s = s * z - 1.0f / 5040;
  s = s * z + 1.0f / 120;
  s = s * z - 1.0f / 6;
  s = (s * z) * x + x;
  float c = -1.0f / 3628800;
  c = c * z + 1.0f / 40320;
  c = c * z - 1.0f / 720;
  c = c * z + 1.0f / 24;
  c = c * z - 0.5f;
  c = c * z + 1.0f;
  const bool swap = (quadrant & 1) != 0;
  const float sin_part = swap ? c : s;
  const float cos_part = swap ? s : c;
  return {(quadrant & 2) != 0 ? -sin_part : sin_part,
          ((quadrant + 1) & 2) != 0 ? -cos_part : cos_part};
}

struct Pair {
  float first;
  float second;
};

/// Box and Muller: two independent normals from two words.
inline Pair normal_pair(std::uint32_t radius_word, std::uint32_t angle_word) {
  const float radius = std::sqrt(-2.0f * fixed_log(open_unit(radius_word)));
  const SinCos angle = fixed_sincos(open_unit(angle_word));
  return {radius * angle.cos, radius * angle.sin};
}

/// Outliers spend a whole block on an element; the others make four of one.
int elements_per_block(Distribution distribution) {
  return distribution == Distribution::outliers ? 1 : 4;
}

int elements_per_batch(Distribution distribution) {
  return kBlocks * elements_per_block(distribution);
}

void batch_uniform(const Batch& batch, float* out) {
  for (int b = 0; b < kBlocks; ++b) {
    for (int w = 0; w < 4; ++w) out[4 * b + w] = open_unit(batch.words[w][b]);
  }
}

void batch_normal(const Batch& batch, float* out) {
  alignas(64) float lanes[4][kBlocks];
  for (int half = 0; half < 4; half += 2) {
    for (int b = 0; b < kBlocks; ++b) {
      const Pair pair = normal_pair(batch.words[half][b], batch.words[half + 1][b]);
      lanes[half][b] = pair.first;
      lanes[half + 1][b] = pair.second;
    }
  }
  for (int b = 0; b < kBlocks; ++b) {
    for (int w = 0; w < 4; ++w) out[4 * b + w] = lanes[w][b];
  }
}

void batch_outliers(const Batch& batch, float* out) {
  constexpr auto kRare = static_cast<std::uint32_t>(0.001 * 4294967296.0);
  for (int b = 0; b < kBlocks; ++b) {
    const Pair pair = normal_pair(batch.words[0][b], batch.words[1][b]);
    const float rare = batch.words[2][b] < kRare ? 10.0f * pair.second : 0.0f;
    out[b] = pair.first + rare;
  }
}

/// The elements_per_batch elements of batch number `number`.
void make_elements(const Stream& stream, std::uint64_t number, float* out) {
  const Batch batch = make_batch(stream, number * kBlocks);
  switch (stream.distribution) {
    case Distribution::uniform:
      return batch_uniform(batch, out);
    case Distribution::normal:
      return batch_normal(batch, out);
    case Distribution::outliers:
      return batch_outliers(batch, out);
  }
}

/// Where element `linear` (row-major) of a strided tensor lies.
class Layout {
 public:
  Layout(std::span<const Index> shape, std::span<const Index> strides)
      : shape_(shape), strides_(strides) {
    Index step = 1;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (shape[axis] != 1 && strides[axis] != step) contiguous_ = false;
      step *= shape[axis];
    }
    size_ = step;
  }

  Index size() const { return size_; }
  bool contiguous() const { return contiguous_; }
  Index offset(Index linear) const {
    Index offset = 0;
    for (std::size_t axis = shape_.size(); axis-- > 0;) {
      offset += (linear % shape_[axis]) * strides_[axis];
      linear /= shape_[axis];
    }
    return offset;
  }

 private:
  std::span<const Index> shape_;
  std::span<const Index> strides_;
  Index size_ = 1;
  bool contiguous_ = true;
};

template <class T>
void store(T* data, const Layout& layout, Index first, std::span<const float> values) {
  if (layout.contiguous()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      data[first + static_cast<Index>(i)] = from_float<T>(values[i]);
    }
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    data[layout.offset(first + static_cast<Index>(i))] = from_float<T>(values[i]);
  }
}

template <class T>
void fill_typed(T* data, const Layout& layout, const Stream& stream) {
  const Index batch_size = elements_per_batch(stream.distribution);
  const Index batches = (layout.size() + batch_size - 1) / batch_size;
  const int threads = layout.size() < kGrain ? 1 : 0;
  parallel_for_static(
      batches,
      [&](std::int64_t begin, std::int64_t end, int) {
        alignas(64) float elements[kBatch];
        for (Index batch = begin; batch < end; ++batch) {
          make_elements(stream, static_cast<std::uint64_t>(batch), elements);
          const Index first = batch * batch_size;
          const Index count = std::min(batch_size, layout.size() - first);
          store(data, layout, first, {elements, static_cast<std::size_t>(count)});
        }
      },
      threads);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  const PhiloxWords words =
      philox({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
  return {words.word[0], words.word[1], words.word[2], words.word[3]};
}

float random_element(Distribution distribution, std::uint64_t seed, std::uint32_t tensor_id,
                     std::uint64_t index) {
  const auto per_block = static_cast<std::uint64_t>(elements_per_block(distribution));
  const std::uint64_t block = index / per_block;
  const auto words =
      philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                  tensor_id, static_cast<std::uint32_t>(distribution)},
                 {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  Batch batch{};
  for (std::size_t w = 0; w < 4; ++w) batch.words[w][0] = words[w];
  alignas(64) float elements[kBatch];
  switch (distribution) {
    case Distribution::uniform:
      batch_uniform(batch, elements);
      break;
    case Distribution::normal:
      batch_normal(batch, elements);
      break;
    case Distribution::outliers:
      batch_outliers(batch, elements);
      break;
  }
  return elements[index % per_block];
}

void detail::fill_random(void* data, DType dtype, std::span<const Index> shape,
                         std::span<const Index> strides, Distribution distribution,
                         std::uint64_t seed, std::uint32_t tensor_id) {
  const Layout layout(shape, strides);
  const Stream stream{seed, tensor_id, distribution};
  visit_float_type(dtype, [&]<class T>() { fill_typed(static_cast<T*>(data), layout, stream); });
}

std::uint64_t fnv1a_bytes(const void* data, std::size_t bytes) {
  return fnv1a({static_cast<const char*>(data), bytes});
}

std::uint64_t seed_of(std::uint64_t base_seed, std::string_view name) {
  char base[8];
  for (int byte = 0; byte < 8; ++byte) base[byte] = static_cast<char>(base_seed >> (8 * byte));
  std::uint64_t hash = fnv1a(name, fnv1a({base, sizeof base}));
  // FNV's upper bits depend weakly on the last letters; two rounds of multiply and shift mix them.
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
  return hash ^ (hash >> 32);
}

}  // namespace ashlar::core
