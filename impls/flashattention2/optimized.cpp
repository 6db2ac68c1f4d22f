#include "impls/flashattention2/optimized.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <vector>

#include "impls/core/aligned_buffer.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/range.hpp"
#include "impls/flashattention2/packing.hpp"
#include "impls/flashattention2/strip_driver.hpp"
#include "impls/flashattention2/strip_kernels.hpp"

namespace ashlar::flashattention2 {
namespace {

/// Eight strips re-read keys and values from L3 rarely enough (48 rows: 24 FLOP per byte in single
/// precision); fewer where some threads would get less than four blocks.
Index default_row_block(const AttentionParams& params, int threads) {
  constexpr Index kLongest = 8 * kStripRows;
  constexpr Index kItemsPerThread = 4;
  const Index rows = params.batch() * params.heads_q() * params.seqlen_q();
  return std::clamp<Index>(rows / (kItemsPerThread * threads), kStripRows, kLongest);
}

/// No more threads than there is work for: waking a sleeping one takes some 30 us, in which another
/// computes 8 MFLOP in single precision or 16 in bfloat16. Below twice that per thread one thread
/// alone was measured faster (256 keys, head_dim 64: 84 against 112 us).
int default_threads(const AttentionParams& params, const StripKernels& kernels) {
  const double work_per_thread = 16e6 * kernels.step;
  const double work = 4.0 * static_cast<double>(params.batch() * params.heads_q()) *
                      static_cast<double>(params.seqlen_q()) *
                      static_cast<double>(params.seqlen_k()) *
                      static_cast<double>(params.head_dim()) * (params.causal ? 0.5 : 1.0);
  const double most = core::thread_count();
  return static_cast<int>(std::clamp(work / work_per_thread, 1.0, most));
}

const StripKernels& find_kernels(const AttentionParams& params, std::optional<core::Isa> limit) {
  validate_forward(params);
  if (const auto reason = optimized_unsupported(params)) throw std::invalid_argument(*reason);
  return select_strip_kernels(params.q.dtype, limit);
}

struct Tiling {
  Tiling(const AttentionParams& params, const StripKernels& kernels, const ForwardOptions& options)
      : threads(options.threads > 0 ? options.threads : default_threads(params, kernels)),
        key_block(choose_key_block(options.key_block, kernels, params.head_dim())) {
    const Index rows =
        options.row_block > 0 ? options.row_block : default_row_block(params, threads);
    strips = (std::min(rows, std::max<Index>(params.seqlen_q(), 1)) + kStripRows - 1) / kStripRows;
  }
  Index row_block() const { return strips * kStripRows; }

  int threads;
  Index key_block;
  Index strips = 0;
};

/// Memory of one worker: what a row block keeps while it walks along the keys.
struct Worker {
  Worker(const PackedShape& shape, Index strips)
      : queries(static_cast<std::size_t>(strips * shape.query_strip_words()) * 4),
        accumulators(static_cast<std::size_t>(strips * kStripRows * shape.row_values()) * 4),
        statistics(static_cast<std::size_t>(strips)) {}
  static std::size_t bytes(const PackedShape& shape, Index strips) {
    return static_cast<std::size_t>(strips) *
               (static_cast<std::size_t>(shape.query_strip_words()) * 4 +
                static_cast<std::size_t>(kStripRows * shape.row_values()) * 4 +
                sizeof(StripStatistics)) +
           sizeof(StripScratch);
  }

  StripScratch scratch{};
  core::AlignedBuffer queries;
  core::AlignedBuffer accumulators;
  std::vector<StripStatistics> statistics;
};

/// Row block `item`, counted over heads and, within a head, from the last rows to the first: under
/// a causal mask these are the longest, and the short ones at the end even out the threads.
void run_row_block(const StripDriver& driver, const AttentionParams& params, const Tiling& tiling,
                   Index item, Worker& worker) {
  const core::Range range("flashattention2 row block", item);
  const Index row_blocks = (params.seqlen_q() + tiling.row_block() - 1) / tiling.row_block();
  const Index head_item = item / row_blocks;
  const Index first_row = (row_blocks - 1 - item % row_blocks) * tiling.row_block();
  const Index row_count = std::min(tiling.row_block(), params.seqlen_q() - first_row);
  const Index strips = (row_count + kStripRows - 1) / kStripRows;
  const auto strip_at = [&](Index s) {
    return StripDriver::Strip{head_item / params.heads_q(), head_item % params.heads_q(),
                              first_row + s * kStripRows};
  };
  const PackedShape& shape = driver.shape();
  const Index acc_floats = kStripRows * shape.row_values();
  auto* queries = worker.queries.as<std::uint32_t>();
  auto* acc = worker.accumulators.as<float>();

  std::fill_n(acc, strips * acc_floats, 0.0f);
  std::fill_n(worker.statistics.begin(), strips, empty_statistics());
  prefetch_query_rows(params.q, strip_at(0).batch, strip_at(0).head, first_row, row_count);
  for (Index s = 0; s < strips; ++s) {
    driver.load_queries(strip_at(s), queries + s * shape.query_strip_words());
  }
  const Index keys_end = driver.visible_end(first_row + row_count - 1);
  for (Index begin = 0; begin < keys_end; begin += tiling.key_block) {
    const Index end = std::min(begin + tiling.key_block, params.seqlen_k());
    for (Index s = 0; s < strips; ++s) {
      const auto strip = strip_at(s);
      const auto weights = driver.weigh(strip, begin, end, queries + s * shape.query_strip_words(),
                                        worker.scratch, worker.statistics[s]);
      if (weights.keys == 0) continue;
      driver.accumulate(strip, begin, weights, worker.scratch, acc + s * acc_floats);
    }
  }
  prefetch_query_rows(params.out, strip_at(0).batch, strip_at(0).head, first_row, row_count);
  for (Index s = 0; s < strips; ++s) {
    driver.finish(strip_at(s), acc + s * acc_floats, worker.statistics[s]);
  }
}

}  // namespace

struct ForwardWorkspace::State {
  State(const AttentionParams& params, const ForwardOptions& options)
      : kernels(find_kernels(params, options.isa)),
        tiling(params, kernels, options),
        packed(kernels, params),
        q_shape(params.q.shape),
        k_shape(params.k.shape),
        dtype(params.q.dtype) {
    workers.reserve(static_cast<std::size_t>(tiling.threads));
    for (int i = 0; i < tiling.threads; ++i) workers.emplace_back(packed.shape(), tiling.strips);
  }

  const StripKernels& kernels;
  Tiling tiling;
  PackedKeysValues packed;
  std::vector<Worker> workers;
  std::array<Index, 4> q_shape;
  std::array<Index, 4> k_shape;
  core::DType dtype;
};

ForwardWorkspace::ForwardWorkspace(const AttentionParams& params, const ForwardOptions& options)
    : state_(std::make_unique<State>(params, options)) {}
ForwardWorkspace::ForwardWorkspace(ForwardWorkspace&&) noexcept = default;
ForwardWorkspace& ForwardWorkspace::operator=(ForwardWorkspace&&) noexcept = default;
ForwardWorkspace::~ForwardWorkspace() = default;

std::size_t ForwardWorkspace::bytes() const {
  return state_->packed.bytes() +
         state_->workers.size() * Worker::bytes(state_->packed.shape(), state_->tiling.strips);
}
core::Isa ForwardWorkspace::isa() const { return state_->kernels.isa; }
Index ForwardWorkspace::row_block() const { return state_->tiling.row_block(); }
Index ForwardWorkspace::key_block() const { return state_->tiling.key_block; }

std::size_t workspace_bytes(const AttentionParams& params, const ForwardOptions& options) {
  const StripKernels& kernels = find_kernels(params, options.isa);
  const PackedShape shape(kernels, params.head_dim(), params.seqlen_k());
  const Tiling tiling(params, kernels, options);
  const Index heads = params.batch() * params.heads_kv();
  return static_cast<std::size_t>(heads * (shape.head_key_words() + shape.head_value_words())) * 4 +
         static_cast<std::size_t>(tiling.threads) * Worker::bytes(shape, tiling.strips);
}

std::vector<core::Isa> optimized_isas(core::DType dtype) {
  std::vector<core::Isa> isas;
  for (const StripKernels* one : usable_strip_kernels(dtype)) isas.push_back(one->isa);
  return isas;
}

std::optional<std::string> optimized_unsupported(const AttentionParams& params) {
  return strips_unsupported(params);
}

void optimized_forward(const AttentionParams& params, ForwardWorkspace& workspace) {
  validate_forward(params);
  ForwardWorkspace::State& state = *workspace.state_;
  if (params.q.shape != state.q_shape || params.k.shape != state.k_shape ||
      params.q.dtype != state.dtype) {
    throw std::invalid_argument("the workspace was made for tensors of another shape or type");
  }
  const Tiling& tiling = state.tiling;
  const StripDriver driver(params, state.kernels, state.packed);
  const Index row_blocks = (params.seqlen_q() + tiling.row_block() - 1) / tiling.row_block();
  const auto run = [&](std::int64_t item, int worker) {
    run_row_block(driver, params, tiling, item, state.workers[static_cast<std::size_t>(worker)]);
  };
  const auto pack = [&](std::int64_t item, int) {
    const core::Range range("flashattention2 pack", item);
    state.packed.pack_item(params, item);
  };
  // By reference, so that std::function need not allocate for the captures.
  core::parallel_for_dynamic_in_turn(state.packed.pack_items(), std::cref(pack),
                                     params.batch() * params.heads_q() * row_blocks, std::cref(run),
                                     tiling.threads);
}

}  // namespace ashlar::flashattention2
