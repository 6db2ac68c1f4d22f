#include "impls/flashattention2/backward_tile.hpp"

#include <algorithm>
#include <numbers>

namespace ashlar::flashattention2 {
namespace {

std::size_t word_bytes(Index words) { return static_cast<std::size_t>(words) * 4; }

/// The whole words that hold the elements [begin, end).
Range<Index> words_of(Index begin, Index end, Index step) {
  return {begin / step, (end + step - 1) / step};
}

}  // namespace

BackwardWorker::BackwardWorker(const BackwardShape& shape, const BackwardTiling& tiling)
    : answer_stride(odd_lines(tiling.key_block)),
      by_row_stride(shape.step == 1 ? answer_stride : odd_lines(tiling.key_block / shape.step)),
      keys_by_panel(word_bytes(tiling.key_block * shape.depth_words)),
      values_by_panel(word_bytes(tiling.key_block * shape.depth_words)),
      keys(word_bytes(tiling.key_block / shape.step * shape.along_rows_stride)),
      rows(word_bytes(tiling.key_block * shape.along_depth_stride)),
      dk(word_bytes(tiling.key_block * shape.gradient_stride())),
      dv(word_bytes(tiling.key_block * shape.gradient_stride())),
      p(word_bytes(tiling.row_block / shape.step * answer_stride)),
      ds(word_bytes(tiling.row_block / shape.step * answer_stride)),
      ds_by_row(shape.step == 1 ? 0 : word_bytes(tiling.row_block * by_row_stride)),
      scores(shape.step == 1 ? 0 : word_bytes(kGroupRows * shape.panel)),
      dp(shape.step == 1 ? 0 : word_bytes(kGroupRows * shape.panel)),
      factors(word_bytes(kGroupRows * shape.panel)) {}

std::size_t BackwardWorker::bytes() const {
  std::size_t sum = 0;
  for (const core::AlignedBuffer* one : {&keys_by_panel, &values_by_panel, &keys, &rows, &dk, &dv,
                                         &p, &ds, &ds_by_row, &scores, &dp, &factors}) {
    sum += one->bytes();
  }
  return sum;
}

struct BackwardTile::Context {
  const Sequence& sequence;
  Mask<Index> mask;
  Index head;
  const TileRows& rows;
  const TileKeys& keys;
  bool masked;
  BackwardWorker& worker;

  Index strips() const { return divide_up(rows.count, Index{kProductRows}); }
  /// Columns of the tile that the tile's rows [first, first + count) see between them.
  Range<Index> columns(Index first, Index count) const {
    return relative(mask.columns(row(first)).begin, mask.columns(row(first + count - 1)).end,
                    keys.first, keys.count);
  }
  /// Rows of the tile that see any of the tile's columns [first, first + count).
  Range<Index> rows_of(Index first, Index count) const {
    const Index last = std::min(first + count, keys.count) - 1;
    return relative(mask.rows(keys.first + first).begin, mask.rows(keys.first + last).end,
                    rows.first, rows.count);
  }
  /// Row of the sequence; padding counts as the last one.
  Index row(Index i) const { return rows.first + std::min(i, rows.count - 1); }

 private:
  static Range<Index> relative(Index begin, Index end, Index origin, Index count) {
    const Index from = clamp_to<Index>(begin - origin, 0, count);
    return {from, std::max(from, clamp_to<Index>(end - origin, 0, count))};
  }
};

struct BackwardTile::Patch {
  Index first_row;  // of the tile
  Index strips;
  Index column;  // of the tile
  Index width;
};

BackwardTile::BackwardTile(const AttentionParams& params, const BackwardKernels& kernels,
                           const BackwardShape& shape, const BackwardTiling& tiling)
    : params_(params),
      kernels_(kernels),
      shape_(shape),
      tiling_(tiling),
      scale_log2e_(params.scale * std::numbers::log2e_v<float>) {}

void BackwardTile::begin_keys(const Sequence& sequence, Index head_kv, const TileKeys& keys,
                              BackwardWorker& worker) const {
  const Index first = sequence.first_k + keys.first;
  const HeadRows k{params_.k, sequence.batch, head_kv, first, keys.count};
  const HeadRows v{params_.v, sequence.batch, head_kv, first, keys.count};
  const Index columns = round_up_to(keys.count, shape_.lanes);
  auto* along_rows = worker.keys.as<std::uint32_t>();
  auto* rows = worker.rows.as<std::uint32_t>();
  pack_along_rows(k, shape_, columns, along_rows);
  if (shape_.step == 1) {
    transpose_into_panels(along_rows, shape_, columns, worker.keys_by_panel.as<std::uint32_t>());
  } else {
    pack_along_depth(k, shape_, columns, rows);
    transpose_into_panels(rows, shape_, columns, worker.keys_by_panel.as<std::uint32_t>());
  }
  pack_along_depth(v, shape_, columns, rows);
  transpose_into_panels(rows, shape_, columns, worker.values_by_panel.as<std::uint32_t>());
  const Index floats = round_up_to(keys.count, kProductRows) * shape_.gradient_stride();
  std::fill_n(worker.dk.as<float>(), floats, 0.0f);
  std::fill_n(worker.dv.as<float>(), floats, 0.0f);
}

void BackwardTile::finish_keys(const Sequence& sequence, Index head_kv, const TileKeys& keys,
                               const BackwardWorker& worker) const {
  for (Index i = 0; i < keys.count; ++i) {
    const Index row = sequence.first_k + keys.first + i;
    const Index at = i * shape_.gradient_stride();
    store_gradient_row(params_.dk, sequence.batch, row, head_kv, params_.scale,
                       worker.dk.as<float>() + at);
    store_gradient_row(params_.dv, sequence.batch, row, head_kv, 1.0f, worker.dv.as<float>() + at);
  }
}

void BackwardTile::run(const Sequence& sequence, Index head, const TileRows& rows,
                       const TileKeys& keys, bool masked, BackwardWorker& worker) const {
  // What is behind the last key has no lse to make it small, so a ragged block is masked too.
  const bool ragged = keys.count % shape_.lanes != 0;
  const Context tile{sequence, params_.mask(sequence), head, rows, keys, masked || ragged, worker};
  weigh_panels(tile);
  add_key_gradients(tile);
  add_query_gradients(tile);
}

void BackwardTile::weigh_panels(const Context& tile) const {
  const Index columns = round_up_to(tile.keys.count, shape_.lanes);
  for (Index column = 0; column < columns; column += shape_.panel) {
    const Index width = std::min(shape_.panel, columns - column);
    for (Index strip = 0; strip < tile.strips(); strip += kGroupRows / kProductRows) {
      const Index strips = std::min<Index>(kGroupRows / kProductRows, tile.strips() - strip);
      const Patch patch{strip * kProductRows, strips, column, width};
      if (!tile.masked) {
        weigh_patch(tile, patch);
        continue;
      }
      const Range<Index> seen = strips_that_see(tile, patch);
      const Index row = patch.first_row;
      clear_patch(tile, {row, seen.begin, column, width});
      if (!seen.empty()) {
        weigh_patch(tile, {row + seen.begin * kProductRows, seen.size(), column, width});
      }
      clear_patch(tile, {row + seen.end * kProductRows, strips - seen.end, column, width});
    }
  }
}

Range<Index> BackwardTile::strips_that_see(const Context& tile, const Patch& patch) const {
  const auto sees = [&](Index strip) {
    const Range<Index> columns = tile.columns(patch.first_row + strip * kProductRows, kProductRows);
    return columns.begin < patch.column + patch.width && columns.end > patch.column &&
           !columns.empty();
  };
  Index begin = 0;
  while (begin < patch.strips && !sees(begin)) ++begin;
  Index end = patch.strips;
  while (end > begin && !sees(end - 1)) --end;
  return {begin, end};
}

void BackwardTile::clear_patch(const Context& tile, const Patch& patch) const {
  BackwardWorker& worker = tile.worker;
  const Index rows = patch.strips * kProductRows;
  for (Index row = patch.first_row; row < patch.first_row + rows; row += shape_.step) {
    const Index at = row / shape_.step * worker.answer_stride + patch.column;
    std::fill_n(worker.p.as<std::uint32_t>() + at, patch.width, 0u);
    std::fill_n(worker.ds.as<std::uint32_t>() + at, patch.width, 0u);
  }
  if (shape_.step == 1) return;
  for (Index row = patch.first_row; row < patch.first_row + rows; ++row) {
    std::fill_n(worker.ds_by_row.as<std::uint32_t>() + row * worker.by_row_stride +
                    patch.column / shape_.step,
                patch.width / shape_.step, 0u);
  }
}

void BackwardTile::weigh_patch(const Context& tile, const Patch& patch) const {
  BackwardWorker& worker = tile.worker;
  const Index rows = patch.strips * kProductRows;
  const Index answer = patch.first_row / shape_.step * worker.answer_stride + patch.column;
  auto* p = worker.p.as<std::uint32_t>() + answer;
  auto* ds = worker.ds.as<std::uint32_t>() + answer;
  // Floats are weighed in place.
  const bool in_place = shape_.step == 1;
  float* scores = in_place ? worker.p.as<float>() + answer : worker.scores.as<float>();
  float* dp = in_place ? worker.ds.as<float>() + answer : worker.dp.as<float>();
  const Index stride = in_place ? worker.answer_stride : shape_.panel;
  const Index vectors = patch.width / shape_.lanes;

  Product product{.a = tile.rows.q_along_depth + patch.first_row * shape_.along_depth_stride,
                  .a_stride = shape_.along_depth_stride,
                  .b = worker.keys_by_panel.as<std::uint32_t>() + patch.column * shape_.depth_words,
                  .b_stride = patch.width,
                  .depth = shape_.depth_words,
                  .c = scores,
                  .c_stride = stride,
                  .strips = patch.strips,
                  .vectors = vectors};
  kernels_.multiply_rows(product);
  product.a = tile.rows.dout_along_depth + patch.first_row * shape_.along_depth_stride;
  product.b = worker.values_by_panel.as<std::uint32_t>() + patch.column * shape_.depth_words;
  product.c = dp;
  kernels_.multiply_rows(product);

  Visible visible[kGroupRows];
  if (tile.masked) {
    for (Index i = 0; i < rows; ++i) {
      const Range<Index> columns = tile.columns(patch.first_row + i, 1);
      visible[i] = {columns.begin, columns.end};
    }
  }
  const Factors kind = prepare_factors(tile, patch, scores, stride);
  auto* by_row = in_place ? nullptr
                          : worker.ds_by_row.as<std::uint32_t>() +
                                patch.first_row * worker.by_row_stride + patch.column / shape_.step;
  kernels_.weigh({.scores = scores,
                  .dp = dp,
                  .stride = stride,
                  .factors = worker.factors.as<float>(),
                  .factor_stride = shape_.panel,
                  .lse_log2 = tile.rows.lse_log2 + patch.first_row,
                  .delta = tile.rows.delta + patch.first_row,
                  .scale_log2e = scale_log2e_,
                  .rows = rows,
                  .vectors = vectors,
                  .visible = tile.masked ? visible : nullptr,
                  .first_column = patch.column,
                  .p = p,
                  .ds = ds,
                  .ds_by_row = by_row,
                  .answer_stride = worker.answer_stride,
                  .by_row_stride = worker.by_row_stride},
                 kind);
}

Factors BackwardTile::prepare_factors(const Context& tile, const Patch& patch, float* scores,
                                      Index stride) const {
  if (params_.softcap > 0) {
    kernels_.softcap(scores, stride, tile.worker.factors.as<float>(), shape_.panel,
                     patch.strips * kProductRows, patch.width / shape_.lanes, params_.scale,
                     params_.softcap);
    return Factors::slope;
  }
  if (!params_.dropout.active()) return Factors::none;
  fill_kept(tile, patch);
  return Factors::kept;
}

void BackwardTile::fill_kept(const Context& tile, const Patch& patch) const {
  const DropoutMask mask = params_.dropout_mask(tile.sequence, tile.head);
  const float factor = mask.keep_factor();
  constexpr Index kBlock = 32;  // columns that share their patches of random bytes
  const Index begin = tile.keys.first + patch.column;
  const Index end = begin + patch.width;
  for (Index i = 0; i < patch.strips * kProductRows; ++i) {
    const auto row = static_cast<std::uint32_t>(tile.rows.first + patch.first_row + i);
    float* out = tile.worker.factors.as<float>() + i * shape_.panel - begin;
    for (Index block = begin / kBlock * kBlock; block < end; block += kBlock) {
      for (Index pair = 0; pair < 8; pair += 2) {
        const auto words = mask.patch(row, static_cast<std::uint32_t>(block + pair));
        for (Index column = block + pair; column < block + kBlock; column += 8) {
          for (Index c = std::max(column, begin); c < std::min(column + 2, end); ++c) {
            const int byte = DropoutMask::byte_of(row, static_cast<std::uint32_t>(c));
            out[c] = mask.keeps(words, byte) ? factor : 0.0f;
          }
        }
      }
    }
  }
}

void BackwardTile::add_key_gradients(const Context& tile) const {
  BackwardWorker& worker = tile.worker;
  const Index strips = divide_up(tile.keys.count, Index{kProductRows});
  const Index rows = tile.strips() * kProductRows;
  for (Index vector = 0; vector < shape_.vectors; vector += kernels_.max_vectors) {
    const Index vectors = std::min(kernels_.max_vectors, shape_.vectors - vector);
    const Index at = vector * shape_.lanes;
    const auto add = [&](Index strip, Index count, Range<Index> depth) {
      Product product{
          .a = worker.p.as<std::uint32_t>() + depth.begin * worker.answer_stride +
               strip * kProductRows,
          .a_stride = worker.answer_stride,
          .b = tile.rows.dout_along_rows + depth.begin * shape_.along_rows_stride + at,
          .b_stride = shape_.along_rows_stride,
          .depth = depth.size(),
          .c = worker.dv.as<float>() + strip * kProductRows * shape_.gradient_stride() + at,
          .c_stride = shape_.gradient_stride(),
          .strips = count,
          .vectors = vectors,
          .add = true};
      return product;
    };
    const auto add_both = [&](Index strip, Index count, Range<Index> depth) {
      Product product = add(strip, count, depth);
      kernels_.multiply_columns(product);
      product.a = worker.ds.as<std::uint32_t>() + (product.a - worker.p.as<std::uint32_t>());
      product.b = tile.rows.q_along_rows + (product.b - tile.rows.dout_along_rows);
      product.c = worker.dk.as<float>() + (product.c - worker.dv.as<float>());
      kernels_.multiply_columns(product);
    };
    if (!tile.masked) {
      add_both(0, strips, words_of(0, rows, shape_.step));
      continue;
    }
    for (Index strip = 0; strip < strips; ++strip) {
      const Range<Index> seen = tile.rows_of(strip * kProductRows, kProductRows);
      if (!seen.empty()) add_both(strip, 1, words_of(seen.begin, seen.end, shape_.step));
    }
  }
}

void BackwardTile::add_query_gradients(const Context& tile) const {
  BackwardWorker& worker = tile.worker;
  const bool by_row = shape_.step != 1;
  const auto* ds = by_row ? worker.ds_by_row.as<std::uint32_t>() : worker.ds.as<std::uint32_t>();
  for (Index vector = 0; vector < shape_.vectors; vector += kernels_.max_vectors) {
    const Index at = vector * shape_.lanes;
    const auto add = [&](Index strip, Index count, Range<Index> depth) {
      kernels_.multiply_rows(
          {.a = ds + strip * kProductRows * worker.by_row_stride + depth.begin,
           .a_stride = worker.by_row_stride,
           .b = worker.keys.as<std::uint32_t>() + depth.begin * shape_.along_rows_stride + at,
           .b_stride = shape_.along_rows_stride,
           .depth = depth.size(),
           .c = tile.rows.dq + strip * kProductRows * shape_.gradient_stride() + at,
           .c_stride = shape_.gradient_stride(),
           .strips = count,
           .vectors = std::min(kernels_.max_vectors, shape_.vectors - vector),
           .add = true});
    };
    if (!tile.masked) {
      add(0, tile.strips(), words_of(0, tile.keys.count, shape_.step));
      continue;
    }
    for (Index strip = 0; strip < tile.strips(); ++strip) {
      const Range<Index> seen = tile.columns(strip * kProductRows, kProductRows);
      if (!seen.empty()) add(strip, 1, words_of(seen.begin, seen.end, shape_.step));
    }
  }
}

}  // namespace ashlar::flashattention2
