#include "baselines/flashattention2/chunked.hpp"

#include <algorithm>
#include <stdexcept>

#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::baselines {

namespace {

const AttentionParams& supported(const AttentionParams& params) {
  validate_forward(params);
  if (const auto reason = chunked_unsupported(params)) throw std::invalid_argument(*reason);
  return params;
}

}  // namespace

std::optional<std::string> chunked_unsupported(const AttentionParams& params) {
  return unfused_unsupported(params, ProductLibrary::onednn);
}

ChunkedForward::ChunkedForward(const AttentionParams& params)
    : params_(supported(params)),
      threads_(core::thread_count()),
      dense_(params),
      chunks_(row_chunks(params, kChunkRows)) {
  std::size_t scratch_bytes = 0;
  for (const RowChunk& chunk : chunks_) {
    if (chunk.shape < blocks_.size()) continue;
    blocks_.emplace_back(params, chunk.rows, chunk.width, ProductPlan{.workers = threads_});
    scratch_bytes = std::max(scratch_bytes, blocks_.back().scratch_bytes());
  }
  for (int worker = 0; worker < threads_; ++worker) scratch_.emplace_back(scratch_bytes);
}

void ChunkedForward::operator()() {
  const auto per_head = static_cast<Index>(chunks_.size());
  const Index heads = params_.batch() * params_.heads_q();
  // Chunks of one head follow each other, so that its keys and values stay in cache.
  core::parallel_for_dynamic_in_turn(
      dense_.pack_items(params_), [&](Index item, int) { dense_.pack_item(params_, item); },
      heads * per_head,
      [&](Index item, int worker) {
        const Index head = item / per_head;
        const RowChunk& chunk = chunks_[static_cast<std::size_t>(item % per_head)];
        auto* scratch = scratch_[static_cast<std::size_t>(worker)].as<std::byte>();
        blocks_[chunk.shape](params_, dense_, head / params_.heads_q(), head % params_.heads_q(),
                             chunk.first_row, worker, scratch);
      },
      threads_);
}

std::size_t ChunkedForward::workspace_bytes() const {
  std::size_t bytes = dense_.bytes();
  for (const core::AlignedBuffer& buffer : scratch_) bytes += buffer.bytes();
  return bytes;
}

}  // namespace ashlar::flashattention2::baselines
