#include "baselines/flashattention2/fa1_order.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <vector>

#include "impls/core/aligned_buffer.hpp"
#include "impls/core/parallel.hpp"
#include "impls/flashattention2/packing.hpp"
#include "impls/flashattention2/strip_driver.hpp"
#include "impls/flashattention2/strip_kernels.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

std::size_t float_bytes(Index count) { return static_cast<std::size_t>(count) * sizeof(float); }

const StripKernels& find_kernels(const AttentionParams& params, const Fa1Options& options) {
  validate_forward(params);
  if (const auto reason = fa1_unsupported(params)) throw std::invalid_argument(*reason);
  return select_strip_kernels(params.q.dtype, options.isa);
}

/// Memory of one worker: one strip's queries and its product P V.
struct Worker {
  explicit Worker(const PackedShape& shape)
      : queries(float_bytes(shape.query_strip_words())),
        product(float_bytes(kStripRows * shape.row_values())) {}

  StripScratch scratch{};
  core::AlignedBuffer queries;
  core::AlignedBuffer product;
};

/// Output and statistics of the rows of one head, in memory between the key blocks.
struct HeadRows {
  float* out;
  Index out_stride;
  StripStatistics* statistics;  // one per strip
};

/// The update of one row: O <- (l e^(m - m') O + e^(mt - m') P V) / l', with mt and lt of this key
/// block alone. Statistics are in log2 units.
void update_row(float* out, const float* product, Index head_dim, float block_max, float block_sum,
                float& max, float& sum) {
  const float new_max = std::max(max, block_max);
  const float keep = sum == 0.0f ? 0.0f : std::exp2(max - new_max) * sum;
  const float add = std::exp2(block_max - new_max);
  const float new_sum = keep + add * block_sum;
  const float inverse = 1.0f / new_sum;
  for (Index i = 0; i < head_dim; ++i) out[i] = (keep * out[i] + add * product[i]) * inverse;
  max = new_max;
  sum = new_sum;
}

/// All rows of one head against keys [begin, end).
void run_key_block(const StripDriver& driver, const AttentionParams& params, Index batch,
                   Index head, Index begin, Index end, const HeadRows& rows, Worker& worker) {
  const PackedShape& shape = driver.shape();
  auto* queries = worker.queries.as<std::uint32_t>();
  auto* product = worker.product.as<float>();
  for (Index first = 0; first < params.seqlen_q(); first += kStripRows) {
    const Strip strip{params.sequence(batch), head, first};
    const Index last = std::min<Index>(first + kStripRows, params.seqlen_q()) - 1;
    const auto view = driver.view(strip, begin, end);
    if (view.empty()) continue;
    driver.load_queries(strip, queries);
    StripStatistics block = empty_statistics();
    driver.weigh(strip, view, queries, worker.scratch, block);
    driver.accumulate(strip, view, worker.scratch, Join::replace, product);
    StripStatistics& kept = rows.statistics[first / kStripRows];
    for (Index r = 0; r <= last - first; ++r) {
      if (block.sum[r] == 0.0f) continue;  // the row sees nothing of this block
      update_row(rows.out + (first + r) * rows.out_stride, product + r * shape.row_values(),
                 params.head_dim(), block.max[r], block.sum[r], kept.max[r], kept.sum[r]);
    }
  }
}

}  // namespace

struct Fa1Workspace::State {
  State(const AttentionParams& params, const Fa1Options& options)
      : kernels(find_kernels(params, options)),
        threads(options.threads > 0 ? options.threads : core::thread_count()),
        key_block(choose_key_block(options.key_block, kernels, params.head_dim())),
        packed(kernels, params),
        strips((params.seqlen_q() + kStripRows - 1) / kStripRows),
        statistics(static_cast<std::size_t>(params.batch() * params.heads_q() * strips)),
        wide_out(params.q.dtype == core::DType::f32 ? 0 : float_bytes(params.q.size())),
        q_shape(params.q.shape),
        k_shape(params.k.shape),
        dtype(params.q.dtype) {
    workers.reserve(static_cast<std::size_t>(threads));
    for (int i = 0; i < threads; ++i) workers.emplace_back(packed.shape());
  }

  void run_head(const AttentionParams& params, const StripDriver& driver, Index item, int worker);

  const StripKernels& kernels;
  int threads;
  Index key_block;
  PackedKeysValues packed;
  Index strips;  // per head
  std::vector<StripStatistics> statistics;
  core::AlignedBuffer wide_out;  // (batch, head, row, head_dim) where storage is 16-bit
  std::vector<Worker> workers;
  std::array<Index, 4> q_shape;
  std::array<Index, 4> k_shape;
  core::DType dtype;
};

void Fa1Workspace::State::run_head(const AttentionParams& params, const StripDriver& driver,
                                   Index item, int worker) {
  const Index batch = item / params.heads_q();
  const Index head = item % params.heads_q();
  const bool wide = dtype != core::DType::f32;
  HeadRows rows{nullptr, params.head_dim(), statistics.data() + item * strips};
  if (wide) {
    rows.out = wide_out.as<float>() + item * params.seqlen_q() * params.head_dim();
  } else {
    rows.out = &params.out.as<float>()(batch, 0, head, 0);
    rows.out_stride = params.out.strides[1];
  }
  for (Index r = 0; r < params.seqlen_q(); ++r) {
    std::fill_n(rows.out + r * rows.out_stride, params.head_dim(), 0.0f);
  }
  std::fill_n(rows.statistics, strips, empty_statistics());
  for (Index begin = 0; begin < params.seqlen_k(); begin += key_block) {
    run_key_block(driver, params, batch, head, begin,
                  std::min(begin + key_block, params.seqlen_k()), rows,
                  workers[static_cast<std::size_t>(worker)]);
  }
  for (Index s = 0; s < strips; ++s) {
    driver.store_lse({params.sequence(batch), head, s * kStripRows}, rows.statistics[s]);
  }
  for (Index r = 0; wide && r < params.seqlen_q(); ++r) {
    driver.store_row({params.sequence(batch), head, r}, r, 1.0f, rows.out + r * rows.out_stride);
  }
}

Fa1Workspace::Fa1Workspace(const AttentionParams& params, const Fa1Options& options)
    : state_(std::make_unique<State>(params, options)) {}
Fa1Workspace::Fa1Workspace(Fa1Workspace&&) noexcept = default;
Fa1Workspace& Fa1Workspace::operator=(Fa1Workspace&&) noexcept = default;
Fa1Workspace::~Fa1Workspace() = default;

std::size_t Fa1Workspace::bytes() const {
  std::size_t bytes = state_->packed.bytes() + state_->wide_out.bytes() +
                      state_->statistics.size() * sizeof(StripStatistics);
  for (const Worker& worker : state_->workers) {
    bytes += sizeof(StripScratch) + worker.queries.bytes() + worker.product.bytes();
  }
  return bytes;
}
core::Isa Fa1Workspace::isa() const { return state_->kernels.isa; }
Index Fa1Workspace::key_block() const { return state_->key_block; }

std::optional<std::string> fa1_unsupported(const AttentionParams& params) {
  return strips_unsupported(params, Features());
}

void fa1_forward(const AttentionParams& params, Fa1Workspace& workspace) {
  validate_forward(params);
  Fa1Workspace::State& state = *workspace.state_;
  if (params.q.shape != state.q_shape || params.k.shape != state.k_shape ||
      params.q.dtype != state.dtype) {
    throw std::invalid_argument("the workspace was made for tensors of another shape or type");
  }
  const StripDriver driver(params, state.kernels, state.packed);
  const auto run = [&](std::int64_t item, int worker) {
    state.run_head(params, driver, item, worker);
  };
  const Index heads = params.seqlen_q() > 0 ? params.batch() * params.heads_q() : 0;
  // By reference, so that std::function need not allocate for the captures.
  const auto pack = [&](std::int64_t item, int) { state.packed.pack_item(params, item); };
  core::parallel_for_dynamic_in_turn(state.packed.pack_items(), std::cref(pack), heads,
                                     std::cref(run), state.threads);
}

}  // namespace ashlar::flashattention2::baselines
