#include "impls/flashattention2/optimized.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <stdexcept>
#include <vector>

#include "impls/core/aligned_buffer.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/range.hpp"
#include "impls/flashattention2/forward_schedule.hpp"
#include "impls/flashattention2/packing.hpp"
#include "impls/flashattention2/split_keys.hpp"
#include "impls/flashattention2/strip_driver.hpp"
#include "impls/flashattention2/strip_kernels.hpp"

namespace ashlar::flashattention2 {
namespace {

const StripKernels& find_kernels(const AttentionParams& params, std::optional<core::Isa> limit) {
  validate_forward(params);
  if (const auto reason = optimized_unsupported(params)) throw std::invalid_argument(*reason);
  return select_strip_kernels(params.q.dtype, limit);
}

/// Memory of one worker: what a row block keeps while it walks along the keys.
struct Worker {
  Worker(const PackedShape& shape, const Tiling& tiling)
      : queries(static_cast<std::size_t>(tiling.strips * shape.query_strip_words()) * 4),
        accumulators(static_cast<std::size_t>(tiling.strips * kStripRows * shape.row_values()) * 4),
        statistics(static_cast<std::size_t>(tiling.strips)) {
    if (!tiling.ablation.split_queries) key_split.emplace(shape, tiling.strips);
  }
  static std::size_t bytes(const PackedShape& shape, const Tiling& tiling) {
    return static_cast<std::size_t>(tiling.strips) *
               (static_cast<std::size_t>(shape.query_strip_words()) * 4 +
                static_cast<std::size_t>(kStripRows * shape.row_values()) * 4 +
                sizeof(StripStatistics)) +
           sizeof(StripScratch) +
           (tiling.ablation.split_queries ? 0 : KeySplit::bytes(shape, tiling.strips));
  }

  StripScratch scratch{};
  core::AlignedBuffer queries;
  core::AlignedBuffer accumulators;
  std::vector<StripStatistics> statistics;
  std::optional<KeySplit> key_split;
  ForwardCounts counts;
};

/// One row block on its way along the keys.
class RowBlock {
 public:
  RowBlock(const StripDriver& driver, const AttentionParams& params, const Tiling& tiling,
           const Sequence& sequence, Index head, Range<Index> rows, Worker& worker)
      : driver_(driver),
        params_(params),
        tiling_(tiling),
        sequence_(sequence),
        head_(head),
        rows_(rows),
        strips_(divide_up<Index>(rows.size(), kStripRows)),
        worker_(worker) {}

  void run() {
    begin();
    const Range<Index> blocks = visited_key_blocks(params_, sequence_, rows_, tiling_);
    for (Index block = blocks.begin; block < blocks.end; ++block) {
      const Range<Index> keys{block * tiling_.key_block,
                              std::min((block + 1) * tiling_.key_block, sequence_.seqlen_k)};
      if (worker_.key_split) {
        visit_by_keys(keys);
      } else {
        for (Index s = 0; s < strips_; ++s) visit(s, keys);
      }
    }
    finish();
  }

 private:
  Strip strip(Index s) const { return {sequence_, head_, rows_.begin + s * kStripRows}; }
  const std::uint32_t* queries(Index s) const {
    return worker_.queries.as<std::uint32_t>() + s * driver_.shape().query_strip_words();
  }
  float* accumulators(Index s) const {
    return worker_.accumulators.as<float>() + s * kStripRows * driver_.shape().row_values();
  }
  bool late() const { return tiling_.ablation.late_normalisation; }

  void begin() {
    const PackedShape& shape = driver_.shape();
    std::fill_n(accumulators(0), strips_ * kStripRows * shape.row_values(), 0.0f);
    std::fill_n(worker_.statistics.begin(), strips_, empty_statistics());
    prefetch_query_rows(params_.q, sequence_, head_, rows_.begin, rows_.size());
    for (Index s = 0; s < strips_; ++s) {
      driver_.load_queries(strip(s),
                           worker_.queries.as<std::uint32_t>() + s * shape.query_strip_words());
    }
  }

  void visit(Index s, Range<Index> keys) {
    const Strip here = strip(s);
    const View view = driver_.view(here, keys.begin, keys.end);
    if (view.empty()) return;
    StripScratch& scratch = worker_.scratch;
    StripStatistics& statistics = worker_.statistics[static_cast<std::size_t>(s)];
    count_products(view, driver_.shape(), worker_.counts);
    count_visit();
    if (late()) {
      const Join join = driver_.weigh(here, view, queries(s), scratch, statistics);
      driver_.accumulate(here, view, scratch, join, accumulators(s));
      return;
    }
    const StripStatistics before = statistics;
    driver_.weigh(here, view, queries(s), scratch, statistics);
    for (Index r = 0; r < kStripRows; ++r) scratch.rescale[r] *= before.sum[r];
    driver_.accumulate(here, view, scratch, Join::rescale, accumulators(s));
    normalise(s);
  }

  void visit_by_keys(Range<Index> keys) {
    // All warps are done with the row block before their parts are summed.
    for (Index s = 0; s < strips_; ++s) {
      const bool visited =
          worker_.key_split->weigh(driver_, strip(s), s, keys, queries(s),
                                   worker_.statistics[static_cast<std::size_t>(s)], worker_.counts);
      if (visited) count_visit();
    }
    for (Index s = 0; s < strips_; ++s) {
      worker_.key_split->reduce(s, worker_.statistics[static_cast<std::size_t>(s)], !late(),
                                accumulators(s));
    }
  }

  void count_visit() {
    ++worker_.counts.visited_blocks;
    worker_.counts.output_scalings += kStripRows * (late() ? 1 : 2);
  }

  void normalise(Index s) {
    const Index row_values = driver_.shape().row_values();
    for (Index r = 0; r < kStripRows; ++r) {
      const float sum = worker_.statistics[static_cast<std::size_t>(s)].sum[r];
      const float inverse = sum == 0.0f ? 1.0f : 1.0f / sum;
      float* row = accumulators(s) + r * row_values;
      for (Index i = 0; i < row_values; ++i) row[i] *= inverse;
    }
  }

  void finish() {
    prefetch_query_rows(params_.out, sequence_, head_, rows_.begin, rows_.size());
    for (Index s = 0; s < strips_; ++s) {
      driver_.finish(strip(s), accumulators(s), worker_.statistics[static_cast<std::size_t>(s)],
                     !late());
    }
    if (late()) worker_.counts.output_scalings += rows_.size();
  }

  const StripDriver& driver_;
  const AttentionParams& params_;
  const Tiling& tiling_;
  const Sequence& sequence_;
  Index head_;
  Range<Index> rows_;
  Index strips_;
  Worker& worker_;
};

}  // namespace

struct ForwardWorkspace::State {
  State(const AttentionParams& params, const ForwardOptions& options)
      : kernels(find_kernels(params, options.isa)),
        tiling(params, kernels, options),
        schedule(params, tiling),
        packed(kernels, params),
        q_shape(params.q.shape),
        k_shape(params.k.shape),
        cu_seqlens_q(params.cu_seqlens_q.begin(), params.cu_seqlens_q.end()),
        cu_seqlens_k(params.cu_seqlens_k.begin(), params.cu_seqlens_k.end()),
        dtype(params.q.dtype) {
    workers.reserve(static_cast<std::size_t>(tiling.threads));
    for (int i = 0; i < tiling.threads; ++i) workers.emplace_back(packed.shape(), tiling);
  }

  /// Throws std::invalid_argument unless the workspace was made for such a problem.
  void check(const AttentionParams& params) const {
    if (params.q.shape != q_shape || params.k.shape != k_shape || params.q.dtype != dtype) {
      throw std::invalid_argument("the workspace was made for tensors of another shape or type");
    }
    if (!std::ranges::equal(params.cu_seqlens_q, cu_seqlens_q) ||
        !std::ranges::equal(params.cu_seqlens_k, cu_seqlens_k)) {
      throw std::invalid_argument("the workspace was made for other sequences");
    }
  }

  const StripKernels& kernels;
  Tiling tiling;
  RowSchedule schedule;
  PackedKeysValues packed;
  std::vector<Worker> workers;
  std::array<Index, 4> q_shape;
  std::array<Index, 4> k_shape;
  std::vector<std::int32_t> cu_seqlens_q;
  std::vector<std::int32_t> cu_seqlens_k;
  core::DType dtype;
};

ForwardWorkspace::ForwardWorkspace(const AttentionParams& params, const ForwardOptions& options)
    : state_(std::make_unique<State>(params, options)) {}
ForwardWorkspace::ForwardWorkspace(ForwardWorkspace&&) noexcept = default;
ForwardWorkspace& ForwardWorkspace::operator=(ForwardWorkspace&&) noexcept = default;
ForwardWorkspace::~ForwardWorkspace() = default;

std::size_t ForwardWorkspace::bytes() const {
  const State& state = *state_;
  return state.packed.bytes() + state.schedule.bytes() +
         (state.cu_seqlens_q.size() + state.cu_seqlens_k.size()) * sizeof(std::int32_t) +
         state.workers.size() * Worker::bytes(state.packed.shape(), state.tiling);
}
core::Isa ForwardWorkspace::isa() const { return state_->kernels.isa; }
Index ForwardWorkspace::row_block() const { return state_->tiling.row_block(); }
Index ForwardWorkspace::key_block() const { return state_->tiling.key_block; }

ForwardCounts ForwardWorkspace::counted() const {
  ForwardCounts all;
  for (const Worker& worker : state_->workers) {
    all.matmul_flops += worker.counts.matmul_flops;
    all.visited_blocks += worker.counts.visited_blocks;
    all.output_scalings += worker.counts.output_scalings;
    all.exchanged_bytes += worker.counts.exchanged_bytes;
  }
  return all;
}

ForwardCounts predict_counts(const AttentionParams& params, const ForwardWorkspace& workspace) {
  const ForwardWorkspace::State& state = *workspace.state_;
  state.check(params);
  return count_schedule(params, state.packed.shape(), state.tiling);
}

std::size_t workspace_bytes(const AttentionParams& params, const ForwardOptions& options) {
  const StripKernels& kernels = find_kernels(params, options.isa);
  const PackedShape shape(kernels, params.head_dim());
  const Tiling tiling(params, kernels, options);
  return PackedKeysValues::predict_bytes(kernels, params) + RowSchedule::predict_bytes(params) +
         (params.cu_seqlens_q.size() + params.cu_seqlens_k.size()) * sizeof(std::int32_t) +
         static_cast<std::size_t>(tiling.threads) * Worker::bytes(shape, tiling);
}

std::vector<core::Isa> optimized_isas(core::DType dtype) {
  std::vector<core::Isa> isas;
  for (const StripKernels* one : usable_strip_kernels(dtype)) isas.push_back(one->isa);
  return isas;
}

std::optional<std::string> optimized_unsupported(const AttentionParams& params) {
  return strips_unsupported(params, Features::all());
}

void optimized_forward(const AttentionParams& params, ForwardWorkspace& workspace) {
  validate_forward(params);
  ForwardWorkspace::State& state = *workspace.state_;
  state.check(params);
  for (Worker& worker : state.workers) worker.counts = {};
  const Tiling& tiling = state.tiling;
  const StripDriver driver(params, state.kernels, state.packed, tiling.ablation.skip_masked_blocks);
  const auto run = [&](std::int64_t index, int worker) {
    const core::Range range("flashattention2 row block", index);
    const RowSchedule::Item item = state.schedule.item(params, index);
    for (Index block = item.row_blocks.end - 1; block >= item.row_blocks.begin; --block) {
      const Index first = block * tiling.row_block();
      const Index end = std::min(first + tiling.row_block(), item.sequence.seqlen_q);
      RowBlock(driver, params, tiling, item.sequence, item.head, {first, end},
               state.workers[static_cast<std::size_t>(worker)])
          .run();
    }
  };
  const auto pack = [&](std::int64_t item, int) {
    const core::Range range("flashattention2 pack", item);
    state.packed.pack_item(params, item);
  };
  // By reference, so that std::function need not allocate for the captures.
  core::parallel_for_dynamic_in_turn(state.packed.pack_items(), std::cref(pack),
                                     state.schedule.items(), std::cref(run), tiling.threads);
}

}  // namespace ashlar::flashattention2
