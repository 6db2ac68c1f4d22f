#include "impls/flashattention2/tiled.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2 {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr Index kFloat = sizeof(float);

/// Maxima of rows that have seen nothing are -infinity, and -infinity minus itself is NaN.
float finite_or_zero(float maximum) { return maximum == kMinusInfinity ? 0 : maximum; }

float* line(std::vector<float>& matrix, Index row, Index width) {
  return matrix.data() + row * width;
}

/// What is known of some rows between column blocks. With Rescale::delayed `out` is the sum of
/// weighted values, else their mean.
struct RowState {
  RowState(Index rows, Index width)
      : max(static_cast<std::size_t>(rows), kMinusInfinity),
        sum(static_cast<std::size_t>(rows), 0.0f),
        out(static_cast<std::size_t>(rows * width), 0.0f) {}

  std::vector<float> max;  // of scores before the scale
  std::vector<float> sum;  // of weights
  std::vector<float> out;
};

/// What the warps of one tile have; the buffer between them where there are several.
struct Warps {
  std::vector<Range<Index>> columns;  // of the tile
  std::vector<float> max;             // warp x row
  std::vector<float> sum;
  std::vector<float> out;  // warp x row x width
};

/// One query head of one sequence.
template <class T>
class TiledHead {
 public:
  TiledHead(const AttentionParams& params, const TiledOptions& options, Index id, Index head)
      : params_(params),
        options_(options),
        sequence_(params.sequence(id)),
        mask_(params.mask(sequence_)),
        dropout_(params.dropout_mask(sequence_, head)),
        head_(head),
        width_(params.head_dim()),
        factor_(params.softcap > 0 ? 1.0f : params.scale) {}

  /// Algorithm 1 of FlashAttention-2 for one row block.
  void row_block(Index block, TiledCounts& counts) const {
    const Range<Index> rows = rows_of(block);
    RowState state(rows.size(), width_);
    const Range<Index> visit =
        options_.skip_masked_blocks
            ? column_blocks(mask_, rows, options_.key_block).visit
            : Range<Index>{0, divide_up(sequence_.seqlen_k, options_.key_block)};
    for (Index j = visit.begin; j < visit.end; ++j) tile(rows, j, state, counts);
    finish(rows, state, counts);
  }

  /// FlashAttention-1's order: the state of all rows lies in memory.
  void all_rows(TiledCounts& counts) const {
    const Index row_blocks_in_all = divide_up(sequence_.seqlen_q, options_.row_block);
    std::vector<RowState> states;
    for (Index i = 0; i < row_blocks_in_all; ++i) states.emplace_back(rows_of(i).size(), width_);
    for (Index j = 0; j < divide_up(sequence_.seqlen_k, options_.key_block); ++j) {
      const Range<Index> visit = options_.skip_masked_blocks
                                     ? row_blocks(mask_, columns_of(j), options_.row_block).visit
                                     : Range<Index>{0, row_blocks_in_all};
      for (Index i = visit.begin; i < visit.end; ++i) {
        tile(rows_of(i), j, states[static_cast<std::size_t>(i)], counts);
        counts.state_bytes += 2 * rows_of(i).size() * (width_ + 2) * kFloat;
      }
    }
    for (Index i = 0; i < row_blocks_in_all; ++i) {
      finish(rows_of(i), states[static_cast<std::size_t>(i)], counts);
    }
  }

 private:
  Range<Index> rows_of(Index block) const {
    const Index begin = block * options_.row_block;
    return {begin, std::min(begin + options_.row_block, sequence_.seqlen_q)};
  }
  Range<Index> columns_of(Index block) const {
    const Index begin = block * options_.key_block;
    return {begin, std::min(begin + options_.key_block, sequence_.seqlen_k)};
  }

  const T* query(Index row) const {
    return &params_.q.as<T>()(sequence_.batch, sequence_.first_q + row, head_, 0);
  }
  const T* of_key(const core::ConstAnyView<4>& tensor, Index column) const {
    return &tensor.as<T>()(sequence_.batch, sequence_.first_k + column, params_.kv_head(head_), 0);
  }

  /// One tile: scores, weights, products, and the state brought up to date.
  void tile(const Range<Index>& rows, Index block, RowState& state, TiledCounts& counts) const {
    const Range<Index> columns = columns_of(block);
    ++counts.visited_blocks;
    std::vector<float> scores = scores_of(rows, columns, counts);
    Warps warps = warps_of(rows.size(), columns.size());
    row_maxima(scores, rows.size(), columns.size(), warps, counts);
    std::vector<float> old_factor(static_cast<std::size_t>(rows.size()));
    std::vector<float> new_factor(old_factor.size());
    for (Index r = 0; r < rows.size(); ++r) {
      // What the exponentials of this block are relative to: the maximum so far, or its own.
      const auto at = static_cast<std::size_t>(r);
      const float block_max = combined_max(warps, r, rows.size(), counts);
      const float before = state.max[at];
      state.max[at] = std::max(before, block_max);
      const bool delayed = options_.rescale == Rescale::delayed;
      const float reference = finite_or_zero(delayed ? state.max[at] : block_max);
      old_factor[at] = std::exp(factor_ * (before - finite_or_zero(state.max[at])));
      new_factor[at] =
          delayed ? 1 : std::exp(factor_ * (block_max - finite_or_zero(state.max[at])));
      weights(line(scores, r, columns.size()), rows.begin + r, columns, reference, r, rows.size(),
              warps, counts);
      counts.scalar_ops += delayed ? 3 : 5;
    }
    products(scores, rows.size(), columns, warps, counts);
    for (Index r = 0; r < rows.size(); ++r) {
      const auto at = static_cast<std::size_t>(r);
      update(r, rows.size(), old_factor[at], new_factor[at], warps, state, counts);
    }
  }

  /// Scores of a tile before the scale, or after softcap; -infinity where masked.
  std::vector<float> scores_of(const Range<Index>& rows, const Range<Index>& columns,
                               TiledCounts& counts) const {
    std::vector<float> keys(static_cast<std::size_t>(width_ * columns.size()));  // transposed
    for (Index c = 0; c < columns.size(); ++c) {
      const T* key = of_key(params_.k, columns.begin + c);
      for (Index i = 0; i < width_; ++i) line(keys, i, columns.size())[c] = core::to_float(key[i]);
    }
    std::vector<float> scores(static_cast<std::size_t>(rows.size() * columns.size()), 0.0f);
    for (Index r = 0; r < rows.size(); ++r) {
      float* const score = line(scores, r, columns.size());
      const T* element = query(rows.begin + r);
      for (Index i = 0; i < width_; ++i) {
        const float one = core::to_float(element[i]);
        const float* key = line(keys, i, columns.size());
        for (Index c = 0; c < columns.size(); ++c) score[c] += one * key[c];
      }
      counts.matmul_flops += 2 * width_ * columns.size();
      const Range<Index> visible = mask_.columns(rows.begin + r);
      for (Index c = 0; c < columns.size(); ++c) {
        if (params_.softcap > 0) {
          score[c] = params_.softcap * std::tanh(score[c] * params_.scale / params_.softcap);
        }
        if (!visible.contains(columns.begin + c)) score[c] = kMinusInfinity;
      }
    }
    return scores;
  }

  Warps warps_of(Index rows, Index columns) const {
    Warps warps;
    const Index count = options_.split == Split::keys ? options_.warps : 1;
    const Index share = divide_up(options_.key_block, count);
    for (Index w = 0; w < count; ++w) {
      const Range<Index> own{std::min(w * share, columns), std::min((w + 1) * share, columns)};
      warps.columns.push_back(count == 1 ? Range<Index>{0, columns} : own);
    }
    warps.max.assign(static_cast<std::size_t>(count * rows), kMinusInfinity);
    warps.sum.assign(static_cast<std::size_t>(count * rows), 0.0f);
    warps.out.assign(static_cast<std::size_t>(count * rows * width_), 0.0f);
    return warps;
  }

  /// Bytes through the buffer between warps; none with a buffer of one's own.
  void exchange(Index floats, TiledCounts& counts) const {
    if (options_.split == Split::queries) return;
    counts.written_bytes += floats * kFloat;
    counts.read_bytes += floats * kFloat;
  }

  void row_maxima(std::vector<float>& scores, Index rows, Index columns, Warps& warps,
                  TiledCounts& counts) const {
    for (std::size_t w = 0; w < warps.columns.size(); ++w) {
      const Range<Index> own = warps.columns[w];
      float* const max = line(warps.max, static_cast<Index>(w), rows);
      for (Index r = 0; r < rows; ++r) {
        const float* const score = line(scores, r, columns);
        for (Index c = own.begin; c < own.end; ++c) max[r] = std::max(max[r], score[c]);
        counts.max_ops += own.size();
        exchange(1, counts);
      }
    }
  }

  static float combined_max(Warps& warps, Index row, Index rows, TiledCounts& counts) {
    float max = line(warps.max, 0, rows)[row];
    for (std::size_t w = 1; w < warps.columns.size(); ++w) {
      max = std::max(max, line(warps.max, static_cast<Index>(w), rows)[row]);
      ++counts.combine_ops;
    }
    return max;
  }

  /// Scores of one row become weights; their sums count before dropout.
  void weights(float* scores, Index row, const Range<Index>& columns, float reference,
               Index row_of_tile, Index rows, Warps& warps, TiledCounts& counts) const {
    for (std::size_t w = 0; w < warps.columns.size(); ++w) {
      const Range<Index> own = warps.columns[w];
      float& sum = line(warps.sum, static_cast<Index>(w), rows)[row_of_tile];
      for (Index c = own.begin; c < own.end; ++c) {
        scores[c] = std::exp(factor_ * (scores[c] - reference));
        sum += scores[c];
        if (params_.dropout.active()) scores[c] *= kept(row, columns.begin + c);
      }
      counts.scale_ops += own.size();
      counts.exp_ops += own.size();
      counts.sum_ops += own.size();
      exchange(1, counts);
    }
  }

  float kept(Index row, Index column) const {
    const bool keeps =
        dropout_.keeps(static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(column));
    return keeps ? dropout_.keep_factor() : 0;
  }

  /// Each warp's weights times values.
  void products(std::vector<float>& weights, Index rows, const Range<Index>& columns, Warps& warps,
                TiledCounts& counts) const {
    std::vector<float> value(static_cast<std::size_t>(width_));
    for (std::size_t w = 0; w < warps.columns.size(); ++w) {
      for (Index c = warps.columns[w].begin; c < warps.columns[w].end; ++c) {
        const T* stored = of_key(params_.v, columns.begin + c);
        for (Index i = 0; i < width_; ++i) line(value, 0, width_)[i] = core::to_float(stored[i]);
        for (Index r = 0; r < rows; ++r) {
          const float weight = line(weights, r, columns.size())[c];
          float* const out = line(warps.out, static_cast<Index>(w) * rows + r, width_);
          for (Index i = 0; i < width_; ++i) out[i] += weight * line(value, 0, width_)[i];
        }
        counts.matmul_flops += 2 * width_ * rows;
      }
      exchange(rows * width_, counts);
    }
  }

  /// Adds what the warps found to one row's sum and output.
  void update(Index row, Index rows, float old_factor, float new_factor, Warps& warps,
              RowState& state, TiledCounts& counts) const {
    float* const fresh = line(warps.out, row, width_);
    float fresh_sum = line(warps.sum, 0, rows)[row];
    for (std::size_t w = 1; w < warps.columns.size(); ++w) {
      fresh_sum += line(warps.sum, static_cast<Index>(w), rows)[row];
      const float* const other = line(warps.out, static_cast<Index>(w) * rows + row, width_);
      for (Index i = 0; i < width_; ++i) fresh[i] += other[i];
      counts.combine_ops += 1 + width_;
    }
    float* const out = line(state.out, row, width_);
    float& sum = state.sum[static_cast<std::size_t>(row)];
    if (options_.rescale == Rescale::delayed) {
      for (Index i = 0; i < width_; ++i) out[i] = old_factor * out[i] + fresh[i];
      counts.output_ops += width_;
      if (options_.split == Split::keys) counts.combine_ops += width_;
      sum = old_factor * sum + fresh_sum;
      counts.scalar_ops += 1;
      return;
    }
    const float old_weight = old_factor * sum;
    sum = old_weight + new_factor * fresh_sum;
    const float divisor = sum == 0 ? 1 : sum;
    for (Index i = 0; i < width_; ++i) {
      out[i] = (old_weight * out[i] + new_factor * fresh[i]) / divisor;
    }
    counts.output_ops += 4 * width_;
    counts.scalar_ops += 2;
  }

  void finish(const Range<Index>& rows, RowState& state, TiledCounts& counts) const {
    for (Index r = 0; r < rows.size(); ++r) {
      const auto at = static_cast<std::size_t>(r);
      const Index place = sequence_.first_q + rows.begin + r;
      const float sum = state.sum[at];
      float inverse = 1;
      if (options_.rescale == Rescale::delayed) {
        if (sum != 0) inverse = 1 / sum;
        counts.final_ops += width_;
        counts.scalar_ops += 1;
      }
      T* const out = &params_.out.as<T>()(sequence_.batch, place, head_, 0);
      const float* const result = line(state.out, r, width_);
      for (Index i = 0; i < width_; ++i) out[i] = core::from_float<T>(inverse * result[i]);
      params_.lse(sequence_.batch, head_, place) = sum == 0
                                                       ? std::numeric_limits<float>::infinity()
                                                       : factor_ * state.max[at] + std::log(sum);
      counts.scalar_ops += 2;
      counts.saved_statistics += options_.rescale == Rescale::delayed ? 1 : 2;
    }
  }

  const AttentionParams& params_;
  const TiledOptions& options_;
  Sequence sequence_;
  Mask<Index> mask_;
  DropoutMask dropout_;
  Index head_;
  Index width_;
  float factor_;  // of scores in the exponent
};

struct WorkItem {
  Index sequence;
  Index head;
  Index row_block;
};

std::vector<WorkItem> work_items(const AttentionParams& params, const TiledOptions& options) {
  std::vector<WorkItem> items;
  for (Index id = 0; id < params.sequences(); ++id) {
    const Index rows = params.sequence(id).seqlen_q;
    const Index blocks = options.order == LoopOrder::rows_outside
                             ? divide_up(rows, options.row_block)
                             : std::min<Index>(rows, 1);
    for (Index head = 0; head < params.heads_q(); ++head) {
      for (Index block = 0; block < blocks; ++block) items.push_back({id, head, block});
    }
  }
  return items;
}

void check(const AttentionParams& params, const TiledOptions& options) {
  validate_forward(params);
  const core::DType dtype = params.q.dtype;
  if (dtype == core::DType::f64) throw std::invalid_argument("tiled attention: no f64");
  if (options.row_block <= 0 || options.key_block <= 0 || options.warps <= 0) {
    throw std::invalid_argument(
        fmt::format("tiled attention: tiles of {} x {} among {} warps, expected positive numbers",
                    options.row_block, options.key_block, options.warps));
  }
}

}  // namespace

TiledCounts& TiledCounts::operator+=(const TiledCounts& other) {
  visited_blocks += other.visited_blocks;
  matmul_flops += other.matmul_flops;
  max_ops += other.max_ops;
  scale_ops += other.scale_ops;
  exp_ops += other.exp_ops;
  sum_ops += other.sum_ops;
  output_ops += other.output_ops;
  final_ops += other.final_ops;
  scalar_ops += other.scalar_ops;
  combine_ops += other.combine_ops;
  written_bytes += other.written_bytes;
  read_bytes += other.read_bytes;
  state_bytes += other.state_bytes;
  saved_statistics += other.saved_statistics;
  work_items += other.work_items;
  return *this;
}

void tiled_forward(const AttentionParams& params, const TiledOptions& options,
                   TiledCounts* counts) {
  check(params, options);
  const std::vector<WorkItem> items = work_items(params, options);
  std::vector<TiledCounts> executed(items.size());
  core::visit_float_type(params.q.dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, double>) {
      const auto compute = [&](Index item, int) {
        const auto at = static_cast<std::size_t>(item);
        const TiledHead<T> head(params, options, items[at].sequence, items[at].head);
        if (options.order == LoopOrder::rows_outside) {
          head.row_block(items[at].row_block, executed[at]);
        } else {
          head.all_rows(executed[at]);
        }
        executed[at].work_items = 1;
      };
      core::parallel_for_dynamic(static_cast<Index>(items.size()), compute, options.threads);
    }
  });
  if (counts == nullptr) return;
  for (const TiledCounts& one : executed) *counts += one;
}

}  // namespace ashlar::flashattention2
