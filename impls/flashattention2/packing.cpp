#include "impls/flashattention2/packing.hpp"

#include <algorithm>
#include <bit>

#include "hwy/highway.h"
#include "impls/core/half.hpp"

namespace ashlar::flashattention2 {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using core::BFloat16;
using core::Float16;

constexpr Index kChunkKeys = 64;  // unit of parallel packing: a multiple of every key_panel

using Words = hn::FixedTag<std::uint32_t, 4>;

// How storage becomes words. `word` reads the w-th word of a row with `depth` elements, `words`
// four of them of which all elements exist.
struct FloatSource {
  using Element = float;
  static constexpr Index kStep = 1;
  static std::uint32_t word(const float* row, Index w, Index) {
    return std::bit_cast<std::uint32_t>(row[w]);
  }
  static auto words(const float* row, Index w) {
    return hn::BitCast(Words(), hn::LoadU(hn::FixedTag<float, 4>(), row + w));
  }
};

struct WidenedBFloat16Source {
  using Element = BFloat16;
  static constexpr Index kStep = 1;
  static std::uint32_t word(const BFloat16* row, Index w, Index) {
    return static_cast<std::uint32_t>(row[w].bits) << 16;
  }
  static auto words(const BFloat16* row, Index w) {
    const auto half = hn::LoadU(hn::FixedTag<std::uint16_t, 4>(), &row[w].bits);
    return hn::ShiftLeft<16>(hn::PromoteTo(Words(), half));
  }
};

struct WidenedFloat16Source {
  using Element = Float16;
  static constexpr Index kStep = 1;
  static std::uint32_t word(const Float16* row, Index w, Index) {
    return std::bit_cast<std::uint32_t>(core::to_float(row[w]));
  }
  static auto words(const Float16* row, Index w) {
    alignas(16) std::uint32_t four[4];
    for (Index i = 0; i < 4; ++i) four[i] = word(row, w + i, 0);
    return hn::Load(Words(), four);
  }
};

struct BFloat16PairSource {
  using Element = BFloat16;
  static constexpr Index kStep = 2;
  static std::uint32_t word(const BFloat16* row, Index w, Index depth) {
    const std::uint32_t low = row[2 * w].bits;
    const std::uint32_t high = 2 * w + 1 < depth ? row[2 * w + 1].bits : 0u;
    return low | high << 16;
  }
  static auto words(const BFloat16* row, Index w) {
    return hn::BitCast(Words(), hn::LoadU(hn::FixedTag<std::uint16_t, 8>(), &row[2 * w].bits));
  }
};

/// The rows of one head of a sequence.
template <class Element>
struct Rows {
  const Element* data;
  Index count;
  Index stride;
  const Element* row(Index r) const { return data + r * stride; }
};

/// Rows [first, first + count) of a batch entry's head.
template <class Element>
Rows<Element> rows_of(const core::ConstAnyView<4>& tensor, Index batch, Index head, Index first,
                      Index count) {
  const auto view = tensor.as<Element>();
  return {view.data + batch * view.strides[0] + first * view.strides[1] + head * view.strides[2],
          count, view.strides[1]};
}

/// Asks for the rows [first, first + count) at once. They are a whole token apart in memory, which
/// no hardware prefetcher follows: one by one each would cost a full miss. Into L2, because rows a
/// power of two apart share a few L1 sets.
template <class Element>
void prefetch_rows(const Rows<Element>& rows, Index first, Index count, Index depth) {
  constexpr Index kLineElements = 64 / static_cast<Index>(sizeof(Element));
  for (Index r = first; r < std::min(first + count, rows.count); ++r) {
    for (Index i = 0; i < depth; i += kLineElements) __builtin_prefetch(rows.row(r) + i, 0, 2);
  }
}

/// Transposes 4 rows of 4 words: out[w * out_stride + r] = rows[r][w].
template <class V>
void store_transposed(V row0, V row1, V row2, V row3, std::uint32_t* out, Index out_stride) {
  const Words d;
  const hn::Repartition<std::uint64_t, Words> wide;
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, row0, row1));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, row0, row1));
  const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, row2, row3));
  const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, row2, row3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, out + out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, out + 2 * out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, out + 3 * out_stride);
}

/// Keys [first, first + kChunkKeys) into their panels; `out` is the first of these panels.
template <class Source>
void pack_keys(const Rows<typename Source::Element>& keys, Index first, const PackedShape& shape,
               std::uint32_t* out) {
  const Index whole_words = shape.head_dim / Source::kStep / 4 * 4;
  for (Index group = 0; group < kChunkKeys; group += 4) {
    std::uint32_t* panel = out + group / shape.key_panel * shape.key_panel * shape.depth_words +
                           group % shape.key_panel;
    const Index key = first + group;
    Index w = 0;
    if (key + 4 <= keys.count) {
      const auto* row0 = keys.row(key);
      const auto* row1 = keys.row(key + 1);
      const auto* row2 = keys.row(key + 2);
      const auto* row3 = keys.row(key + 3);
      for (; w < whole_words; w += 4) {
        store_transposed(Source::words(row0, w), Source::words(row1, w), Source::words(row2, w),
                         Source::words(row3, w), panel + w * shape.key_panel, shape.key_panel);
      }
    }
    for (; w < shape.depth_words; ++w) {
      for (Index i = 0; i < 4; ++i) {
        panel[w * shape.key_panel + i] =
            key + i < keys.count ? Source::word(keys.row(key + i), w, shape.head_dim) : 0u;
      }
    }
  }
}

/// Values of keys [first, first + kChunkKeys) into every value panel of a head with `padded_keys`.
template <class Source>
void pack_values(const Rows<typename Source::Element>& values, Index first, Index padded_keys,
                 const PackedShape& shape, std::uint32_t* head) {
  for (Index panel = 0; panel < shape.value_panels; ++panel) {
    const Index begin = shape.panel_begin(panel) * shape.lanes;
    const Index width = shape.panel_begin(panel + 1) * shape.lanes - begin;
    const Index present = std::min(width, shape.head_dim - begin);
    std::uint32_t* out = head + padded_keys / shape.step * begin + first / shape.step * width;
    for (Index key = first; key < first + kChunkKeys; key += Source::kStep, out += width) {
      if (key >= values.count) {
        std::fill(out, out + width, 0u);
        continue;
      }
      const auto* low = values.row(key) + begin;
      if constexpr (Source::kStep == 1) {
        for (Index i = 0; i < present; ++i) out[i] = Source::word(low, i, 0);
      } else if (key + 1 < values.count) {
        const auto* high = values.row(key + 1) + begin;
        for (Index i = 0; i < present; ++i) {
          out[i] = low[i].bits | static_cast<std::uint32_t>(high[i].bits) << 16;
        }
      } else {
        for (Index i = 0; i < present; ++i) out[i] = low[i].bits;
      }
      std::fill(out + present, out + width, 0u);
    }
  }
}

template <class Source>
void pack_queries(const Rows<typename Source::Element>& queries, Index first,
                  const PackedShape& shape, std::uint32_t* out) {
  for (Index r = 0; r < kStripRows; ++r) {
    if (first + r >= queries.count) {
      for (Index w = 0; w < shape.depth_words; ++w) out[w * kStripRows + r] = 0;
      continue;
    }
    const auto* row = queries.row(first + r);
    for (Index w = 0; w < shape.depth_words; ++w) {
      out[w * kStripRows + r] = Source::word(row, w, shape.head_dim);
    }
  }
}

/// Calls action with the source that fits storage type and word.
template <class Action>
void with_source(core::DType dtype, Index step, Action&& action) {
  if (dtype == core::DType::f32) {
    action(FloatSource());
  } else if (dtype == core::DType::f16) {
    action(WidenedFloat16Source());
  } else if (step == 1) {
    action(WidenedBFloat16Source());
  } else {
    action(BFloat16PairSource());
  }
}

Index round_up(Index value, Index multiple) { return (value + multiple - 1) / multiple * multiple; }

std::size_t word_bytes(Index words) { return static_cast<std::size_t>(words) * 4; }

/// The first chunk of every sequence, counted over all of them, and the end.
std::vector<Index> first_chunks(const AttentionParams& params) {
  std::vector<Index> first(static_cast<std::size_t>(params.sequences()) + 1, 0);
  for (Index id = 0; id < params.sequences(); ++id) {
    const auto at = static_cast<std::size_t>(id);
    first[at + 1] = first[at] + round_up(params.sequence(id).seqlen_k, kChunkKeys) / kChunkKeys;
  }
  return first;
}

}  // namespace

PackedShape::PackedShape(const StripKernels& kernels, Index head_dim_in)
    : step(kernels.step),
      key_panel(kernels.key_panel),
      lanes(kernels.lanes),
      head_dim(head_dim_in),
      depth_words(round_up(head_dim_in, step) / step),
      value_panels(round_up(head_dim_in, lanes * kernels.max_vectors) /
                   (lanes * kernels.max_vectors)),
      vectors(round_up(head_dim_in, lanes) / lanes) {}

void pack_query_strip(const core::ConstAnyView<4>& q, const Sequence& sequence, Index head,
                      Index first_row, const PackedShape& shape, std::uint32_t* out) {
  with_source(q.dtype, shape.step, [&]<class Source>(Source) {
    pack_queries<Source>(rows_of<typename Source::Element>(q, sequence.batch, head,
                                                           sequence.first_q, sequence.seqlen_q),
                         first_row, shape, out);
  });
}

void prefetch_query_rows(const core::ConstAnyView<4>& tensor, const Sequence& sequence, Index head,
                         Index first_row, Index count) {
  const auto prefetch = [&]<class Element>(Element) {
    prefetch_rows(
        rows_of<Element>(tensor, sequence.batch, head, sequence.first_q, sequence.seqlen_q),
        first_row, count, tensor.shape[3]);
  };
  if (tensor.dtype == core::DType::f32) return prefetch(float());
  if (tensor.dtype == core::DType::f16) return prefetch(Float16());
  prefetch(BFloat16());
}

PackedKeysValues::PackedKeysValues(const StripKernels& kernels, const AttentionParams& params)
    : shape_(kernels, params.head_dim()),
      heads_kv_(params.heads_kv()),
      first_chunk_(first_chunks(params)),
      keys_(word_bytes(shape_.key_words(first_chunk_.back() * kChunkKeys * heads_kv_))),
      values_(word_bytes(shape_.value_words(first_chunk_.back() * kChunkKeys * heads_kv_))) {}

std::size_t PackedKeysValues::predict_bytes(const StripKernels& kernels,
                                            const AttentionParams& params) {
  const PackedShape shape(kernels, params.head_dim());
  const std::vector<Index> chunks = first_chunks(params);
  const Index keys = chunks.back() * kChunkKeys * params.heads_kv();
  return word_bytes(shape.key_words(keys) + shape.value_words(keys)) +
         chunks.size() * sizeof(Index);
}

std::size_t PackedKeysValues::bytes() const {
  return keys_.bytes() + values_.bytes() + first_chunk_.size() * sizeof(Index);
}

Index PackedKeysValues::padded_keys(Index sequence) const {
  const auto at = static_cast<std::size_t>(sequence);
  return (first_chunk_[at + 1] - first_chunk_[at]) * kChunkKeys;
}

Index PackedKeysValues::keys_before(Index sequence, Index head_kv) const {
  return first_chunk_[static_cast<std::size_t>(sequence)] * kChunkKeys * heads_kv_ +
         padded_keys(sequence) * head_kv;
}

Index PackedKeysValues::pack_items() const { return first_chunk_.back() * heads_kv_; }

void PackedKeysValues::pack_item(const AttentionParams& params, Index item) {
  // Heads innermost: the rows of neighbouring heads are neighbours in memory.
  const Index head = item % heads_kv_;
  const Index chunk = item / heads_kv_;
  // Empty sequences begin where the next one does, so the last one that begins here has the chunk.
  const auto after = std::upper_bound(first_chunk_.begin(), first_chunk_.end(), chunk);
  const Sequence sequence = params.sequence(after - first_chunk_.begin() - 1);
  const Index first = (chunk - *(after - 1)) * kChunkKeys;
  const Index before = keys_before(sequence.id, head);
  with_source(params.k.dtype, shape_.step, [&]<class Source>(Source) {
    const auto rows = [&](const core::ConstAnyView<4>& tensor) {
      return rows_of<typename Source::Element>(tensor, sequence.batch, head, sequence.first_k,
                                               sequence.seqlen_k);
    };
    pack_keys<Source>(rows(params.k), first, shape_,
                      keys_.as<std::uint32_t>() + shape_.key_words(before + first));
    pack_values<Source>(rows(params.v), first, padded_keys(sequence.id), shape_,
                        values_.as<std::uint32_t>() + shape_.value_words(before));
  });
}

const std::uint32_t* PackedKeysValues::keys(const Sequence& sequence, Index head_kv,
                                            Index first) const {
  return keys_.as<std::uint32_t>() + shape_.key_words(keys_before(sequence.id, head_kv) + first);
}

const std::uint32_t* PackedKeysValues::values(const Sequence& sequence, Index head_kv, Index panel,
                                              Index first) const {
  const Index begin = shape_.panel_begin(panel) * shape_.lanes;
  const Index width = shape_.panel_begin(panel + 1) * shape_.lanes - begin;
  return values_.as<std::uint32_t>() + shape_.value_words(keys_before(sequence.id, head_kv)) +
         padded_keys(sequence.id) / shape_.step * begin + first / shape_.step * width;
}

}  // namespace ashlar::flashattention2
