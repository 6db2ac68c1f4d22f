#include "baselines/flashattention2/chunked.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

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
    : params_(supported(params)), threads_(core::thread_count()), dense_(params) {
  std::map<std::pair<Index, Index>, std::size_t> known;
  std::size_t scratch_bytes = 0;
  const Index rows_total = params.seqlen_q();
  for (Index first = 0; first < rows_total; first += kChunkRows) {
    const Index rows = std::min(kChunkRows, rows_total - first);
    const Index width = params.mask(params.sequence(0)).columns(first + rows - 1).end;
    const auto [at, added] = known.try_emplace({rows, width}, blocks_.size());
    if (added) {
      blocks_.emplace_back(params, rows, width, ProductPlan{.workers = threads_});
      scratch_bytes = std::max(scratch_bytes, blocks_.back().scratch_bytes());
    }
    chunks_.push_back({first, at->second});
  }
  // Later rows see more: handing them out first leaves the shortest to fill the gaps at the end.
  std::reverse(chunks_.begin(), chunks_.end());
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
        const Chunk& chunk = chunks_[static_cast<std::size_t>(item % per_head)];
        auto* scratch = scratch_[static_cast<std::size_t>(worker)].as<std::byte>();
        blocks_[chunk.block](params_, dense_, head / params_.heads_q(), head % params_.heads_q(),
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
