#include "impls/flashattention2/backward.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "impls/core/aligned_buffer.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/range.hpp"
#include "impls/flashattention2/backward_kernels.hpp"
#include "impls/flashattention2/backward_layout.hpp"
#include "impls/flashattention2/backward_packing.hpp"
#include "impls/flashattention2/backward_tile.hpp"

namespace ashlar::flashattention2 {
namespace {

constexpr Index kKeyBlockUnit = 48;  // of whole vectors, whole strips and whole pairs
/// Sums of dq where they must not depend on threads: as many threads can work on one head.
constexpr Index kSlices = 8;

const BackwardKernels& find_kernels(const AttentionParams& params, std::optional<core::Isa> limit) {
  validate_backward(params);
  if (const auto reason = optimized_backward_unsupported(params)) {
    throw std::invalid_argument(*reason);
  }
  return select_backward_kernels(params.q.dtype, limit);
}

BackwardTiling choose_tiling(const AttentionParams& params, const BackwardKernels& kernels,
                             const BackwardOptions& options) {
  if (options.row_block < 0 || options.key_block < 0) {
    throw std::invalid_argument("row_block and key_block must not be negative");
  }
  constexpr Index kRows = 96;
  // Packed keys and values, three times, and two gradients of a column block should leave room in
  // the second-level cache for the tile and the rows that stream by.
  const Index budget = kernels.lanes >= 16 ? 640 * 1024 : 240 * 1024;
  const Index bytes_per_key = 4 * params.head_dim() * 3 / kernels.step + 8 * params.head_dim();
  const Index keys = options.key_block > 0
                         ? round_up_to(options.key_block, kKeyBlockUnit)
                         : std::clamp<Index>(budget / bytes_per_key / kKeyBlockUnit * kKeyBlockUnit,
                                             kKeyBlockUnit, 4 * kKeyBlockUnit);
  const Index rows = options.row_block > 0 ? options.row_block : kRows;
  return {round_up_to(std::min(rows, std::max<Index>(params.seqlen_q(), 1)), kProductRows),
          std::min(keys, round_up_to(std::max<Index>(params.seqlen_k(), 1), kKeyBlockUnit))};
}

/// No more threads than there is work for, as in the forward pass.
int choose_threads(const AttentionParams& params, const BackwardKernels& kernels, int asked) {
  if (asked > 0) return asked;
  const double work_per_thread = 16e6 * kernels.step;
  const double work = 10.0 * static_cast<double>(params.batch() * params.heads_q()) *
                      static_cast<double>(params.seqlen_q()) *
                      static_cast<double>(params.seqlen_k()) *
                      static_cast<double>(params.head_dim()) * (params.causal ? 0.5 : 1.0);
  return static_cast<int>(
      std::clamp(work / work_per_thread, 1.0, static_cast<double>(core::thread_count())));
}

/// Column blocks that one worker does in turn: one, or every stride-th of a head.
struct Item {
  Index sequence;
  Index head_kv;
  Index first;
  Index stride;
  Index slice;
  Index work;  // tiles
};

}  // namespace

struct BackwardWorkspace::State {
  State(const AttentionParams& params, const BackwardOptions& options);
  std::size_t bytes() const;

  void check(const AttentionParams& params) const;
  void begin(const AttentionParams& params);
  void list_items(const AttentionParams& params);
  void pack_block(const AttentionParams& params, Index block);
  void run_item(const AttentionParams& params, const BackwardTile& tile, const Item& item,
                int worker);
  void run_column_block(const AttentionParams& params, const BackwardTile& tile,
                        const Sequence& sequence, const Item& item, Index column_block,
                        Index partial, BackwardWorker& worker);
  void store_block(const AttentionParams& params, Index block);

  TileRows tile_rows(const Sequence& sequence, Index head, Index row_block, Index partial);
  float* dq_rows(Index partial, Index row) {
    return dq.as<float>() + (partial * rows + row) * shape.gradient_stride();
  }
  std::uint8_t& touched_at(Index partial, Index block) {
    return touched[static_cast<std::size_t>(partial * blocks + block)];
  }

  const BackwardKernels& kernels;
  BackwardShape shape;
  BackwardTiling tiling;
  int threads;
  bool deterministic;
  Index partials;  // sums of dq
  Index rows;      // packed
  Index blocks;    // of rows
  RowLayout layout;
  core::AlignedBuffer q_along_depth;
  core::AlignedBuffer q_along_rows;  // empty where step is 1
  core::AlignedBuffer dout_along_depth;
  core::AlignedBuffer dout_along_rows;
  core::AlignedBuffer lse_log2;
  core::AlignedBuffer delta;
  core::AlignedBuffer dq;             // [partial][row][gradient_stride]
  std::vector<std::uint8_t> touched;  // [partial][block]: whether dq holds anything there
  std::vector<Item> items;
  std::vector<BackwardWorker> workers;
  std::array<Index, 4> q_shape;
  std::array<Index, 4> k_shape;
  core::DType dtype;
  Index sequences;
};

namespace {

Index slices_of(const AttentionParams& params, Index column_blocks) {
  const Index heads = std::max<Index>(params.batch() * params.heads_kv(), 1);
  return std::clamp<Index>(divide_up(kSlices, heads), 1, std::max<Index>(column_blocks, 1));
}

std::size_t float_bytes(Index count) { return static_cast<std::size_t>(count) * 4; }

}  // namespace

BackwardWorkspace::State::State(const AttentionParams& params, const BackwardOptions& options)
    : kernels(find_kernels(params, options.isa)),
      shape(kernels, params.head_dim()),
      tiling(choose_tiling(params, kernels, options)),
      threads(choose_threads(params, kernels, options.threads)),
      deterministic(params.deterministic),
      partials(deterministic ? slices_of(params, divide_up(params.seqlen_k(), tiling.key_block))
                             : threads),
      rows(RowLayout::most_rows(params)),
      blocks(RowLayout::most_blocks(params, tiling.row_block)),
      layout(params, tiling.row_block),
      q_along_depth(float_bytes(rows * shape.along_depth_stride)),
      q_along_rows(shape.step == 1 ? 0 : float_bytes(rows / 2 * shape.along_rows_stride)),
      dout_along_depth(q_along_depth.bytes()),
      dout_along_rows(q_along_rows.bytes()),
      lse_log2(float_bytes(rows)),
      delta(float_bytes(rows)),
      dq(float_bytes(partials * rows * shape.gradient_stride())),
      touched(static_cast<std::size_t>(partials * blocks)),
      q_shape(params.q.shape),
      k_shape(params.k.shape),
      dtype(params.q.dtype),
      sequences(params.sequences()) {
  const Index column_blocks = divide_up(params.seqlen_k(), tiling.key_block);
  const Index most_items = params.packed()
                               ? params.heads_kv() * (column_blocks + params.sequences())
                               : params.batch() * params.heads_kv() * column_blocks;
  items.reserve(static_cast<std::size_t>(most_items));
  workers.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) workers.emplace_back(shape, tiling);
}

std::size_t BackwardWorkspace::State::bytes() const {
  std::size_t sum = 0;
  for (const core::AlignedBuffer* one : {&q_along_depth, &q_along_rows, &dout_along_depth,
                                         &dout_along_rows, &lse_log2, &delta, &dq}) {
    sum += one->bytes();
  }
  for (const BackwardWorker& worker : workers) sum += worker.bytes();
  return sum + touched.size() + items.capacity() * sizeof(Item);
}

void BackwardWorkspace::State::check(const AttentionParams& params) const {
  if (params.q.shape != q_shape || params.k.shape != k_shape || params.q.dtype != dtype ||
      params.sequences() != sequences) {
    throw std::invalid_argument("the workspace was made for tensors of another shape or type");
  }
  if (params.deterministic != deterministic) {
    throw std::invalid_argument("the workspace was made for another value of deterministic");
  }
}

void BackwardWorkspace::State::begin(const AttentionParams& params) {
  layout.update(params);
  std::fill(touched.begin(), touched.end(), std::uint8_t{0});
  list_items(params);
}

void BackwardWorkspace::State::list_items(const AttentionParams& params) {
  items.clear();
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    const Mask<Index> mask = params.mask(sequence);
    const Index column_blocks = divide_up(sequence.seqlen_k, tiling.key_block);
    const Index stride = deterministic ? std::min(partials, column_blocks) : column_blocks;
    for (Index first = 0; first < stride; ++first) {
      Index work = 0;
      for (Index block = first; block < column_blocks; block += stride) {
        const Index column = block * tiling.key_block;
        work += row_blocks<Index>(mask, {column, column + tiling.key_block}, tiling.row_block)
                    .visit.size();
      }
      for (Index head_kv = 0; head_kv < params.heads_kv(); ++head_kv) {
        items.push_back({id, head_kv, first, stride, first, work});
      }
    }
  }
  // Longest first; equal ones keep an order, though no answer hangs on it.
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return std::tie(b.work, a.sequence, a.head_kv, a.first) <
           std::tie(a.work, b.sequence, b.head_kv, b.first);
  });
}

/// Queries and output gradients of a block of rows to packed words, lse to log2 units, and D. A row
/// that saw nothing has lse = +infinity; with its operands and statistics zero it adds exact zeros
/// to everything, so no tile need know of it. The same holds for padding.
void BackwardWorkspace::State::pack_block(const AttentionParams& params, Index block) {
  const core::Range range("flashattention2 backward pack", block);
  const RowLayout::Place place = layout.place(params, block);
  const Sequence sequence = params.sequence(place.sequence);
  const Index first = place.block * tiling.row_block;
  const Index count = std::min(tiling.row_block, sequence.seqlen_q - first);
  const Index padded = round_up_to(count, kProductRows);
  const Index at = layout.row(sequence, place.head, first);
  const auto pack = [&](const core::ConstAnyView<4>& tensor, core::AlignedBuffer& along_depth,
                        core::AlignedBuffer& along_rows) {
    const HeadRows head_rows{tensor, sequence.batch, place.head, sequence.first_q + first, count};
    auto* depth_words = along_depth.as<std::uint32_t>() + at * shape.along_depth_stride;
    auto* row_words = depth_words;
    pack_along_depth(head_rows, shape, padded, depth_words);
    if (shape.step != 1) {
      row_words = along_rows.as<std::uint32_t>() + at / shape.step * shape.along_rows_stride;
      pack_along_rows(head_rows, shape, padded, row_words);
    }
    for (Index i = 0; i < count; ++i) {
      if (params.lse(sequence.batch, place.head, sequence.first_q + first + i) ==
          std::numeric_limits<float>::infinity()) {
        clear_packed_row(i, shape, depth_words, row_words);
      }
    }
  };
  pack(params.q, q_along_depth, q_along_rows);
  pack(params.dout, dout_along_depth, dout_along_rows);
  for (Index i = 0; i < padded; ++i) {
    const Index row = sequence.first_q + first + i;
    const float lse = i < count ? params.lse(sequence.batch, place.head, row)
                                : std::numeric_limits<float>::infinity();
    const bool sees = lse != std::numeric_limits<float>::infinity();
    lse_log2.as<float>()[at + i] = sees ? lse * std::numbers::log2e_v<float> : 0.0f;
    delta.as<float>()[at + i] =
        sees ? row_dot(params.dout, params.out, sequence.batch, row, place.head) : 0.0f;
  }
}

TileRows BackwardWorkspace::State::tile_rows(const Sequence& sequence, Index head, Index row_block,
                                             Index partial) {
  const Index first = row_block * tiling.row_block;
  const Index at = layout.row(sequence, head, first);
  const Index depth_at = at * shape.along_depth_stride;
  const Index rows_at = at / shape.step * shape.along_rows_stride;
  const core::AlignedBuffer& q_rows = shape.step == 1 ? q_along_depth : q_along_rows;
  const core::AlignedBuffer& dout_rows = shape.step == 1 ? dout_along_depth : dout_along_rows;
  return {first,
          std::min(tiling.row_block, sequence.seqlen_q - first),
          q_along_depth.as<std::uint32_t>() + depth_at,
          q_rows.as<std::uint32_t>() + rows_at,
          dout_along_depth.as<std::uint32_t>() + depth_at,
          dout_rows.as<std::uint32_t>() + rows_at,
          lse_log2.as<float>() + at,
          delta.as<float>() + at,
          dq_rows(partial, at)};
}

void BackwardWorkspace::State::run_column_block(const AttentionParams& params,
                                                const BackwardTile& tile, const Sequence& sequence,
                                                const Item& item, Index column_block, Index partial,
                                                BackwardWorker& worker) {
  const Index first = column_block * tiling.key_block;
  const TileKeys keys{first, std::min(tiling.key_block, sequence.seqlen_k - first)};
  const Mask<Index> mask = params.mask(sequence);
  const BlockRange<Index> range =
      row_blocks<Index>(mask, {first, first + keys.count}, tiling.row_block, true);
  const Index group = params.group();
  tile.begin_keys(sequence, item.head_kv, keys, worker);
  for (Index head = item.head_kv * group; head < (item.head_kv + 1) * group; ++head) {
    for (Index block = range.visit.begin; block < range.visit.end; ++block) {
      const TileRows rows_here = tile_rows(sequence, head, block, partial);
      std::uint8_t& has_sum = touched_at(partial, layout.block(sequence, head, block));
      if (has_sum == 0) {
        std::fill_n(rows_here.dq,
                    round_up_to(rows_here.count, kProductRows) * shape.gradient_stride(), 0.0f);
        has_sum = 1;
      }
      tile.run(sequence, head, rows_here, keys, !range.whole.contains(block), worker);
    }
  }
  tile.finish_keys(sequence, item.head_kv, keys, worker);
}

void BackwardWorkspace::State::run_item(const AttentionParams& params, const BackwardTile& tile,
                                        const Item& item, int worker) {
  const core::Range range("flashattention2 backward columns", item.first);
  const Sequence sequence = params.sequence(item.sequence);
  const Index column_blocks = divide_up(sequence.seqlen_k, tiling.key_block);
  const Index partial = deterministic ? item.slice : worker;
  for (Index block = item.first; block < column_blocks; block += item.stride) {
    run_column_block(params, tile, sequence, item, block, partial,
                     workers[static_cast<std::size_t>(worker)]);
  }
}

/// dq of a block of rows: the partial sums in their order, scaled.
void BackwardWorkspace::State::store_block(const AttentionParams& params, Index block) {
  const core::Range range("flashattention2 backward dq", block);
  const RowLayout::Place place = layout.place(params, block);
  const Sequence sequence = params.sequence(place.sequence);
  const Index first = place.block * tiling.row_block;
  const Index count = std::min(tiling.row_block, sequence.seqlen_q - first);
  const Index at = layout.row(sequence, place.head, first);
  float* sum = dq_rows(0, at);
  const Index floats = count * shape.gradient_stride();
  if (touched_at(0, block) == 0) std::fill_n(sum, floats, 0.0f);
  for (Index partial = 1; partial < partials; ++partial) {
    if (touched_at(partial, block) == 0) continue;
    const float* more = dq_rows(partial, at);
    for (Index i = 0; i < floats; ++i) sum[i] += more[i];
  }
  for (Index i = 0; i < count; ++i) {
    store_gradient_row(params.dq, sequence.batch, sequence.first_q + first + i, place.head,
                       params.scale, sum + i * shape.gradient_stride());
  }
}

BackwardWorkspace::BackwardWorkspace(const AttentionParams& params, const BackwardOptions& options)
    : state_(std::make_unique<State>(params, options)) {}
BackwardWorkspace::BackwardWorkspace(BackwardWorkspace&&) noexcept = default;
BackwardWorkspace& BackwardWorkspace::operator=(BackwardWorkspace&&) noexcept = default;
BackwardWorkspace::~BackwardWorkspace() = default;

std::size_t BackwardWorkspace::bytes() const { return state_->bytes(); }
core::Isa BackwardWorkspace::isa() const { return state_->kernels.isa; }
Index BackwardWorkspace::row_block() const { return state_->tiling.row_block; }
Index BackwardWorkspace::key_block() const { return state_->tiling.key_block; }
int BackwardWorkspace::threads() const { return state_->threads; }

std::vector<core::Isa> optimized_backward_isas(core::DType dtype) {
  std::vector<core::Isa> isas;
  for (const BackwardKernels* one : usable_backward_kernels(dtype)) isas.push_back(one->isa);
  return isas;
}

std::optional<std::string> optimized_backward_unsupported(const AttentionParams& params) {
  const core::DType dtype = params.q.dtype;
  if (dtype == core::DType::f32 || dtype == core::DType::bf16 || dtype == core::DType::f16) {
    return std::nullopt;
  }
  return "storage type " + std::string(core::name_of(dtype)) + " is not f32, bf16 or f16";
}

void optimized_backward(const AttentionParams& params, BackwardWorkspace& workspace) {
  validate_backward(params);
  BackwardWorkspace::State& state = *workspace.state_;
  state.check(params);
  state.begin(params);
  const BackwardTile tile(params, state.kernels, state.shape, state.tiling);
  const auto pack = [&](std::int64_t block, int) { state.pack_block(params, block); };
  const auto run = [&](std::int64_t item, int worker) {
    state.run_item(params, tile, state.items[static_cast<std::size_t>(item)], worker);
  };
  const auto store = [&](std::int64_t block, int) { state.store_block(params, block); };
  // By reference, so that std::function need not allocate for the captures.
  core::parallel_for_dynamic_in_turn(state.layout.blocks(), std::cref(pack),
                                     static_cast<Index>(state.items.size()), std::cref(run),
                                     state.threads);
  core::parallel_for_dynamic(state.layout.blocks(), std::cref(store), state.threads);
}

}  // namespace ashlar::flashattention2
