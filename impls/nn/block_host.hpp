#pragma once
// The steps of a stack of blocks (block_steps.hpp) on a CPU, in the storage type and the order of a
// GPU's: to test them, and to tell how far off the double-precision answer a right computation in
// that type is. Attention is in double precision between rounded tensors.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"
#include "impls/nn/block_steps.hpp"

namespace ashlar::nn {

/// A warp of one lane.
struct HostWarp {
  static constexpr int kLanes = 1;
  static int lane() { return 0; }
  static float sum(float value) { return value; }
};

template <class Element>
Values in_double(const Element* from, Index count) {
  Values values(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i)
    values[static_cast<std::size_t>(i)] = static_cast<double>(core::to_float(from[i]));
  return values;
}
template <class Element>
void rounded_to(const Values& from, Element* to) {
  for (std::size_t i = 0; i < from.size(); ++i)
    to[i] = core::from_float<Element>(static_cast<float>(from[i]));
}

template <class Element>
class HostAttention final : public LayerAttention {
 public:
  HostAttention(const AttentionPlaces<Element>& places, const BlockAttention& attention)
      : places_(places), attention_(attention) {}

  void forward() override {
    const Values qkv = in_double(places_.qkv, places_.shape.tokens() * row());
    Values out(qkv.size() / 3);
    attention_.forward(inputs(qkv), out.data());
    rounded_to(out, places_.out);
  }
  void backward() override {
    const Values qkv = in_double(places_.qkv, places_.shape.tokens() * row());
    const Values dout = in_double(places_.dout, places_.shape.tokens() * places_.shape.hidden());
    Values dqkv(qkv.size());
    const Index hidden = places_.shape.hidden();
    attention_.backward(inputs(qkv), dout.data(), dqkv.data(), dqkv.data() + hidden,
                        dqkv.data() + 2 * hidden);
    rounded_to(dqkv, places_.dqkv);
  }

 private:
  Index row() const { return 3 * places_.shape.hidden(); }
  AttentionInputs inputs(const Values& qkv) const {
    const Index hidden = places_.shape.hidden();
    return {places_.shape, row(), qkv.data(), qkv.data() + hidden, qkv.data() + 2 * hidden};
  }

  AttentionPlaces<Element> places_;
  const BlockAttention& attention_;
};

/// Ops of block_steps.hpp; memory starts as NaN, so that what is read before it was written shows.
template <class ElementType, class Warp = HostWarp>
class HostOps {
 public:
  using Element = ElementType;

  explicit HostOps(const BlockAttention& attention = plain_attention()) : attention_(attention) {}

  Element* elements(Index count) { return taken<Element>(count); }
  float* floats(Index count) { return taken<float>(count); }

  void multiply(const MatrixProduct<Element>& p) {
    std::vector<float> a(static_cast<std::size_t>(p.m * p.k));  // m runs fastest
    for (Index k = 0; k < p.k; ++k) {
      for (Index m = 0; m < p.m; ++m) a[static_cast<std::size_t>(k * p.m + m)] = element(p.a, m, k);
    }
    core::parallel_for_dynamic(p.n, [&](Index n, int) {
      std::vector<float> sums(static_cast<std::size_t>(p.m));
      for (Index k = 0; k < p.k; ++k) {
        const float factor = element(p.b, k, n);
        const float* const column = a.data() + k * p.m;
        for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += factor * column[m];
      }
      for (std::size_t m = 0; m < sums.size(); ++m)
        p.c[n * p.leading_c + static_cast<Index>(m)] = core::from_float<Element>(sums[m]);
    });
  }

  template <class Rows>
  void rows(const Rows& rows) {
    for (Index row = 0; row < rows.tokens; ++row) apply_row(Warp(), rows, row);
  }
  template <class Sums>
  void sums(const Sums& sums) {
    for (Index part = 0; part < kSumParts; ++part) {
      for (Index column = 0; column < sums.width; column += kChunk) sum_part(sums, part, column);
    }
    for (int which = 0; which < Sums::kSums; ++which) {
      for (Index column = 0; column < sums.width; ++column) sum_parts(sums, which, column);
    }
  }

  std::unique_ptr<LayerAttention> attention(const AttentionPlaces<Element>& places) {
    return std::make_unique<HostAttention<Element>>(places, attention_);
  }

 private:
  struct alignas(16) Block {
    std::byte bytes[16];
  };

  static float element(const typename MatrixProduct<Element>::Factor& factor, Index row,
                       Index column) {
    return core::to_float(factor.transposed ? factor.data[row * factor.leading + column]
                                            : factor.data[column * factor.leading + row]);
  }

  template <class T>
  T* taken(Index count) {
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    Block nan;
    std::fill_n(nan.bytes, sizeof nan.bytes, std::byte{0xff});
    memory_.emplace_back((bytes + sizeof(Block) - 1) / sizeof(Block), nan);
    return reinterpret_cast<T*>(memory_.back().data());
  }

  const BlockAttention& attention_;
  std::vector<std::vector<Block>> memory_;
};

}  // namespace ashlar::nn
