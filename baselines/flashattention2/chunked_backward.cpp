#include "baselines/flashattention2/chunked_backward.hpp"

#include <algorithm>
#include <stdexcept>

#include "baselines/flashattention2/standard.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

const AttentionParams& supported_backward(const AttentionParams& params, Index chunk_rows) {
  validate_backward(params);
  if (const auto reason = chunked_backward_unsupported(params)) {
    throw std::invalid_argument(*reason);
  }
  if (chunk_rows < 1) throw std::invalid_argument("chunked: chunks need one row or more");
  return params;
}

}  // namespace

std::optional<std::string> chunked_backward_unsupported(const AttentionParams& params) {
  return unfused_backward_unsupported(params, ProductLibrary::onednn);
}

ChunkedBackward::ChunkedBackward(const AttentionParams& params, Index chunk_rows)
    : params_(supported_backward(params, chunk_rows)),
      threads_(core::thread_count()),
      heads_in_parallel_(prefer_heads(params, params.batch() * params.heads_kv(), threads_)),
      dense_(params),
      sums_(params, threads_) {
  const std::vector<RowChunk> chunks = row_chunks(params, chunk_rows);
  shares_ = deal(chunks, params.group(), heads_in_parallel_ ? 1 : threads_);
  std::size_t scratch_bytes = 0;
  for (const RowChunk& chunk : chunks) {
    if (chunk.shape < blocks_.size()) continue;
    blocks_.emplace_back(params, chunk.rows, chunk.width, std::nullopt,
                         ProductPlan{.workers = threads_});
    scratch_bytes = std::max(scratch_bytes, blocks_.back().scratch_bytes());
  }
  for (int worker = 0; worker < threads_; ++worker) scratch_.emplace_back(scratch_bytes);
}

/// Chunk by chunk to the share with the least work so far, the longest first. Handing them to idle
/// workers would balance better, but then the sums' bits would hang on who was idle.
std::vector<ChunkedBackward::Share> ChunkedBackward::deal(const std::vector<RowChunk>& chunks,
                                                          Index group, int shares) {
  std::vector<Share> dealt(static_cast<std::size_t>(shares));
  std::vector<Index> work(dealt.size());
  for (const RowChunk& chunk : chunks) {
    for (Index head = 0; head < group; ++head) {
      const auto least = std::min_element(work.begin(), work.end());
      *least += chunk.rows * chunk.width;
      dealt[static_cast<std::size_t>(least - work.begin())].push_back({head, chunk});
    }
  }
  return dealt;
}

/// A share of one (batch, kv head): dq of its rows, and what they add to dk and dv.
void ChunkedBackward::add_up(Index item, const Share& share, int sums, int worker) {
  const Index batch = item / params_.heads_kv();
  const Index first_head = item % params_.heads_kv() * params_.group();
  auto* scratch = scratch_[static_cast<std::size_t>(worker)].as<std::byte>();
  sums_.clear(sums);
  for (const auto& [head, chunk] : share) {
    blocks_[chunk.shape](params_, dense_, batch, first_head + head, chunk.first_row, nullptr,
                         sums_.sums(sums), worker, scratch);
  }
}

void ChunkedBackward::operator()() {
  dense_.pack(params_, threads_);
  if (heads_in_parallel_) {
    sums_.store_in_parallel(
        params_, [&](Index item, int worker) { add_up(item, shares_.front(), worker, worker); },
        threads_);
    return;
  }
  const auto in_shares = [&](Index item) {
    core::parallel_for_dynamic(
        threads_,
        [&](Index share, int worker) {
          add_up(item, shares_[static_cast<std::size_t>(share)], static_cast<int>(share), worker);
        },
        threads_);
  };
  sums_.store_in_turn(params_, in_shares, threads_);
}

std::size_t ChunkedBackward::workspace_bytes() const {
  std::size_t bytes = dense_.bytes() + sums_.bytes();
  for (const core::AlignedBuffer& buffer : scratch_) bytes += buffer.bytes();
  return bytes;
}

}  // namespace ashlar::flashattention2::baselines
