#include "impls/flashattention2/decode.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "impls/core/aligned_buffer.hpp"
#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/range.hpp"
#include "impls/flashattention2/combine.hpp"
#include "impls/flashattention2/decode_kernels.hpp"
#include "impls/flashattention2/decode_plan.hpp"
#include "impls/flashattention2/split.hpp"

namespace ashlar::flashattention2 {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const DecodeKernels& find_kernels(const AttentionParams& params, const DecodeOptions& options) {
  validate_forward(params);
  if (const auto reason = decode_unsupported(params)) throw std::invalid_argument(*reason);
  if (options.threads < 0 || options.splits < 0) {
    throw std::invalid_argument("threads and splits must be positive, or 0 to be chosen");
  }
  const auto& limit = options.isa;
  const auto usable = usable_decode_kernels(params.q.dtype);
  const auto found = std::find_if(usable.begin(), usable.end(), [&](const DecodeKernels* one) {
    return !limit || one->isa <= *limit;
  });
  return found != usable.end() ? **found : *usable.back();  // the last one is the base of the build
}

std::size_t floats(Index count) { return static_cast<std::size_t>(count) * sizeof(float); }

/// Memory of one worker: what the rows of an item keep while they walk along the keys.
struct Worker {
  Worker(const DecodeLayout& layout, Index heads, Index rows, Index element_bytes)
      : queries(floats(heads * rows * layout.width())),
        accumulators(floats(heads * rows * layout.width())),
        scores(floats(rows * kDecodeScoreStride)),
        padded_keys(padded_bytes(layout, element_bytes)),
        padded_values(padded_bytes(layout, element_bytes)),
        statistics(static_cast<std::size_t>(heads * rows)),
        visible(static_cast<std::size_t>(rows)) {}

  static std::size_t padded_bytes(const DecodeLayout& layout, Index element_bytes) {
    return layout.padded() ? static_cast<std::size_t>(kDecodeKeys * layout.chunk * element_bytes)
                           : 0;
  }
  std::size_t bytes() const {
    return queries.bytes() + accumulators.bytes() + scores.bytes() + padded_keys.bytes() +
           padded_values.bytes() + statistics.size() * sizeof(DecodeStatistics) +
           visible.size() * sizeof(Range<Index>);
  }

  core::AlignedBuffer queries;
  core::AlignedBuffer accumulators;
  core::AlignedBuffer scores;
  core::AlignedBuffer padded_keys;
  core::AlignedBuffer padded_values;
  std::vector<DecodeStatistics> statistics;
  std::vector<Range<Index>> visible;
};

/// The partial answers; outputs as the floats of the kernels' layout.
struct Partials {
  Partials(const AttentionParams& params, Index splits, Index width)
      : layout{splits, params.heads_q(), params.batch() * params.seqlen_q(), width},
        lse(static_cast<std::size_t>(layout.lse_floats()) * sizeof(float)),
        out(static_cast<std::size_t>(layout.out_floats()) * sizeof(float)) {}

  PartialLayout layout;
  core::AlignedBuffer lse;
  core::AlignedBuffer out;
};

/// The row of q, counted over batch entries.
Index query_row(const AttentionParams& params, const Sequence& sequence, Index row) {
  return sequence.batch * params.seqlen_q() + sequence.first_q + row;
}

/// And back: the sequence of a row of q.
Sequence sequence_of(const AttentionParams& params, Index row) {
  if (!params.packed()) return params.sequence(row / params.seqlen_q());
  const auto& begins = params.cu_seqlens_q;
  // The last sequence that begins at or before the row; empty ones before it begin there too.
  return params.sequence(std::upper_bound(begins.begin(), begins.end(), row) - begins.begin() - 1);
}

struct RowPlace {
  Index head;  // of the queries
  Index row;   // of the sequence
};
/// Row i of a kv head of an item.
RowPlace place_of(const AttentionParams& params, const DecodeItem& item, Index head_kv, Index i) {
  const Index group = params.group();
  return {head_kv * group + (item.rows.begin + i) % group, (item.rows.begin + i) / group};
}

/// The queries of an item, head after head.
void load_queries(const AttentionParams& params, const DecodeLayout& layout,
                  const std::vector<Index>& slots, const DecodeItem& item, float* queries) {
  const Index group = params.group();
  std::fill_n(queries, item.heads.size() * item.rows.size() * layout.width(), 0.0f);
  core::visit_float_type(params.q.dtype, [&]<class T>() {
    const auto q = params.q.as<T>();
    for (Index head = item.heads.begin; head < item.heads.end; ++head) {
      for (Index i = item.rows.begin; i < item.rows.end; ++i, queries += layout.width()) {
        const T* from =
            &q(item.sequence.batch, item.sequence.first_q + i / group, head * group + i % group, 0);
        for (const Index slot : slots) queries[slot] = static_cast<float>(core::to_float(*from++));
      }
    }
  });
}

/// Keys or values of one head where they lie.
DecodeRows rows_in_place(const core::ConstAnyView<4>& tensor, const Sequence& sequence, Index head,
                         const Range<Index>& keys) {
  const auto bytes = static_cast<Index>(core::size_of(tensor.dtype));
  const Index first = sequence.batch * tensor.strides[0] +
                      (sequence.first_k + keys.begin) * tensor.strides[1] +
                      head * tensor.strides[2];
  return {static_cast<const std::byte*>(tensor.data) + first * bytes, tensor.strides[1] * bytes,
          keys.size()};
}

/// The same of all heads of an item, to be asked for.
DecodeAhead ahead_of(const core::ConstAnyView<4>& tensor, const DecodeItem& item,
                     const Range<Index>& keys) {
  const DecodeRows rows = rows_in_place(tensor, item.sequence, item.heads.begin, keys);
  const auto bytes = static_cast<Index>(core::size_of(tensor.dtype));
  const Index heads = item.heads.size();
  const Index row_bytes = tensor.shape[3] * bytes;
  const bool two_streams = item.rows.size() <= kDecodeStreamRows;
  if (tensor.strides[2] == tensor.shape[3]) {
    return {rows.data, rows.count, rows.stride_bytes, 1, 0, heads * row_bytes, two_streams};
  }
  return {rows.data, rows.count, rows.stride_bytes, heads, tensor.strides[2] * bytes,
          row_bytes, two_streams};
}

/// The same, copied behind one another and padded to one chunk.
DecodeRows padded(const DecodeRows& rows, const DecodeLayout& layout, std::size_t element_bytes,
                  core::AlignedBuffer& memory) {
  auto* to = memory.as<std::byte>();
  const auto size = static_cast<Index>(element_bytes);
  const Index stride = layout.chunk * size;
  for (Index i = 0; i < rows.count; ++i) {
    std::memcpy(to + i * stride, rows.row(i), static_cast<std::size_t>(layout.head_dim * size));
  }
  return {to, stride, rows.count};
}

/// weights[i] is that of column first + i.
void drop_weights(const DropoutMask& mask, Index row, Index first, Index count, float* weights) {
  const auto r = static_cast<std::uint32_t>(row);
  for (Index base = first / 32 * 32; base < first + count; base += 32) {
    std::array<core::PhiloxWords, 4> patches{};
    for (std::uint32_t j = 0; j < 4; ++j) {
      patches[j] = mask.patch(r, static_cast<std::uint32_t>(base) + 2 * j);
    }
    for (Index c = std::max(base, first); c < std::min(base + 32, first + count); ++c) {
      const auto column = static_cast<std::uint32_t>(c);
      const bool keeps = mask.keeps(patches[column % 8 / 2], DropoutMask::byte_of(r, column));
      weights[c - first] *= keeps ? mask.keep_factor() : 0.0f;
    }
  }
}

}  // namespace

struct DecodeWorkspace::State {
  State(const AttentionParams& params, const DecodeOptions& options)
      : kernels(find_kernels(params, options)),
        layout(kernels.layout(params.head_dim())),
        threads(options.threads > 0 ? options.threads : choose_decode_threads(params)),
        plan(params, layout,
             options.splits > 0 ? options.splits : choose_decode_splits(params, layout, threads)),
        partials(params, plan.splits(), layout.width()),
        q_shape(params.q.shape),
        k_shape(params.k.shape),
        dtype(params.q.dtype) {
    for (Index e = 0; e < layout.head_dim; ++e) slots.push_back(layout.slot(e));
    const Index rows = std::min(kDecodeRows, params.group() * params.seqlen_q());
    const auto element_bytes = static_cast<Index>(core::size_of(dtype));
    workers.reserve(static_cast<std::size_t>(threads));
    for (int i = 0; i < threads; ++i)
      workers.emplace_back(layout, plan.heads(), rows, element_bytes);
  }

  void attend(const AttentionParams& params, const DecodeItem& item, Worker& worker);
  struct Ahead {
    DecodeAhead keys;
    DecodeAhead values;
  };
  void walk(const AttentionParams& params, const DecodeItem& item, Worker& worker) const;
  void visit(const AttentionParams& params, const DecodeItem& item, Index head,
             const Range<Index>& block, Ahead& ahead, Worker& worker) const;
  void combine(const AttentionParams& params, Index row, Index head, Index splits,
               float* sums) const;

  const DecodeKernels& kernels;
  DecodeLayout layout;
  std::vector<Index> slots;  // of elements
  int threads;
  DecodePlan plan;
  Partials partials;
  std::vector<Worker> workers;
  std::array<Index, 4> q_shape;
  std::array<Index, 4> k_shape;
  core::DType dtype;
};

/// The rows of an item along its keys: accumulators and statistics.
void DecodeWorkspace::State::walk(const AttentionParams& params, const DecodeItem& item,
                                  Worker& worker) const {
  const Index group = params.group();
  const Mask<Index> mask = params.mask(item.sequence);
  for (Index begin = item.keys.begin; begin < item.keys.end; begin += kDecodeKeys) {
    const Range<Index> block{begin, std::min(begin + kDecodeKeys, item.keys.end)};
    const Range<Index> next{block.end, std::min(block.end + kDecodeKeys, item.keys.end)};
    for (Index i = 0; i < item.rows.size(); ++i) {
      const Range<Index> seen = mask.columns((item.rows.begin + i) / group);
      worker.visible[static_cast<std::size_t>(i)] = {
          std::clamp(seen.begin, block.begin, block.end) - begin,
          std::clamp(seen.end, block.begin, block.end) - begin};
    }
    Ahead ahead{ahead_of(params.k, item, next), ahead_of(params.v, item, next)};
    for (Index head = item.heads.begin; head < item.heads.end; ++head) {
      visit(params, item, head, block, ahead, worker);
    }
  }
}

/// One kv head's rows of an item against one block of keys.
void DecodeWorkspace::State::visit(const AttentionParams& params, const DecodeItem& item,
                                   Index head, const Range<Index>& block, Ahead& ahead,
                                   Worker& worker) const {
  DecodeRows keys = rows_in_place(params.k, item.sequence, head, block);
  DecodeRows values = rows_in_place(params.v, item.sequence, head, block);
  if (layout.padded()) {
    keys = padded(keys, layout, core::size_of(dtype), worker.padded_keys);
    values = padded(values, layout, core::size_of(dtype), worker.padded_values);
  }
  DecodeSoftmax softmax{.scale_log2e = params.scale * std::numbers::log2e_v<float>};
  if (params.softcap > 0) {
    softmax.cap_factor = params.scale / params.softcap;
    softmax.cap_log2e = params.softcap * std::numbers::log2e_v<float>;
  }
  const Index rows = item.rows.size();
  const Index first = (head - item.heads.begin) * rows;
  auto* scores = worker.scores.as<float>();
  DecodeStatistics* statistics = worker.statistics.data() + first;
  kernels.scores(layout, worker.queries.as<float>() + first * layout.width(), rows, keys,
                 ahead.keys, scores);
  kernels.soften(softmax, rows, block.size(), worker.visible.data(), scores, statistics);
  for (Index i = 0; params.dropout.active() && i < rows; ++i) {
    const RowPlace place = place_of(params, item, head, i);
    drop_weights(params.dropout_mask(item.sequence, place.head), place.row, block.begin,
                 block.size(), scores + i * kDecodeScoreStride);
  }
  kernels.accumulate(layout, scores, statistics, rows, values, ahead.values,
                     worker.accumulators.as<float>() + first * layout.width());
}

/// One item: from queries to partial answers.
void DecodeWorkspace::State::attend(const AttentionParams& params, const DecodeItem& item,
                                    Worker& worker) {
  const Index rows = item.rows.size();
  const Index all_rows = item.heads.size() * rows;
  auto* acc = worker.accumulators.as<float>();
  load_queries(params, layout, slots, item, worker.queries.as<float>());
  std::fill_n(acc, all_rows * layout.width(), 0.0f);
  std::fill_n(worker.statistics.begin(), all_rows, DecodeStatistics{-kInfinity, 0, 1});
  walk(params, item, worker);
  for (Index i = 0; i < all_rows; ++i) {
    const RowPlace place = place_of(params, item, item.heads.begin + i / rows, i % rows);
    const Index at =
        partials.layout.at(item.split, place.head, query_row(params, item.sequence, place.row));
    const DecodeStatistics& own = worker.statistics[static_cast<std::size_t>(i)];
    const float factor = own.sum == 0 ? 0.0f : 1 / own.sum;
    const float* from = acc + i * layout.width();
    float* to = partials.out.as<float>() + at * layout.width();
    std::transform(from, from + layout.width(), to, [&](float value) { return value * factor; });
    partials.lse.as<float>()[at] =
        own.sum == 0 ? -kInfinity : (own.max + std::log2(own.sum)) * std::numbers::ln2_v<float>;
  }
}

/// One row of the answer. `row` counts over batch entries; `sums` has the layout's width.
void DecodeWorkspace::State::combine(const AttentionParams& params, Index row, Index head,
                                     Index splits, float* sums) const {
  const auto parts = static_cast<int>(splits);
  const Index stride = partials.layout.split_stride();
  const Index at = partials.layout.at(0, head, row);
  const float* lse = partials.lse.as<float>() + at;
  const Index batch = row / params.seqlen_q();
  const Index own_row = row % params.seqlen_q();
  const float whole = combined_lse(lse, stride, parts);
  params.lse(batch, head, own_row) = whole;
  std::fill_n(sums, layout.width(), 0.0f);
  for (int k = 0; k < parts; ++k) {
    if (lse[k * stride] == -kInfinity) continue;
    const float weight = part_weight(lse[k * stride], whole);
    const float* part = partials.out.as<float>() + (at + k * stride) * layout.width();
    for (Index i = 0; i < layout.width(); ++i) sums[i] += weight * part[i];
  }
  const auto store = [&]<class T>(T) {
    T* out = &params.out.as<T>()(batch, own_row, head, 0);
    for (const Index slot : slots) *out++ = core::from_float<T>(sums[slot]);
  };
  if (dtype == core::DType::f32) return store(float());
  if (dtype == core::DType::bf16) return store(core::BFloat16());
  store(core::Float16());
}

DecodeWorkspace::DecodeWorkspace(const AttentionParams& params, const DecodeOptions& options)
    : state_(std::make_unique<State>(params, options)) {}
DecodeWorkspace::DecodeWorkspace(DecodeWorkspace&&) noexcept = default;
DecodeWorkspace& DecodeWorkspace::operator=(DecodeWorkspace&&) noexcept = default;
DecodeWorkspace::~DecodeWorkspace() = default;

std::size_t DecodeWorkspace::bytes() const {
  std::size_t bytes = state_->partials.lse.bytes() + state_->partials.out.bytes();
  for (const Worker& worker : state_->workers) bytes += worker.bytes();
  return bytes;
}
core::Isa DecodeWorkspace::isa() const { return state_->kernels.isa; }
Index DecodeWorkspace::splits() const { return state_->plan.splits(); }
int DecodeWorkspace::threads() const { return state_->threads; }

std::vector<core::Isa> decode_isas(core::DType dtype) {
  std::vector<core::Isa> isas;
  for (const DecodeKernels* one : usable_decode_kernels(dtype)) isas.push_back(one->isa);
  return isas;
}

std::optional<std::string> decode_unsupported(const AttentionParams& params) {
  const core::DType dtype = params.q.dtype;
  if (dtype == core::DType::f32 || dtype == core::DType::bf16 || dtype == core::DType::f16) {
    return std::nullopt;
  }
  return "storage type " + std::string(core::name_of(dtype)) + " is not f32, bf16 or f16";
}

void decode_forward(const AttentionParams& params, DecodeWorkspace& workspace) {
  validate_forward(params);
  DecodeWorkspace::State& state = *workspace.state_;
  if (params.q.shape != state.q_shape || params.k.shape != state.k_shape ||
      params.q.dtype != state.dtype ||
      static_cast<std::size_t>(params.sequences()) != state.plan.sequences()) {
    throw std::invalid_argument("the workspace was made for tensors of another shape or type");
  }
  state.plan.update(params);
  const Index group = params.group();
  const auto attend = [&](std::int64_t number, int worker) {
    const core::Range range("flashattention2 split", number);
    state.attend(params, state.plan.item(params, number),
                 state.workers[static_cast<std::size_t>(worker)]);
  };
  const auto combine = [&](std::int64_t number, int worker) {
    const Index row = number / params.heads_kv();
    const Index splits = state.plan.splits_of(params, sequence_of(params, row));
    auto* sums = state.workers[static_cast<std::size_t>(worker)].accumulators.as<float>();
    for (Index i = 0; i < group; ++i) {
      state.combine(params, row, number % params.heads_kv() * group + i, splits, sums);
    }
  };
  // By reference, so that std::function need not allocate for the captures.
  core::parallel_for_dynamic_in_turn(state.plan.items(), std::cref(attend),
                                     params.batch() * params.seqlen_q() * params.heads_kv(),
                                     std::cref(combine), state.threads);
}

}  // namespace ashlar::flashattention2
