#pragma once
// How the chunked baselines cut the rows of a head. Internal.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

struct RowChunk {
  Index first_row = 0;
  Index rows = 0;
  Index width = 0;        // columns up to the last that one of its rows sees
  std::size_t shape = 0;  // the same number where rows and width are the same; counts up from 0
};

/// From the last rows to the first. Under a causal mask later rows see more: handing them out first
/// leaves the shortest chunks to fill the gaps at the end.
inline std::vector<RowChunk> row_chunks(const AttentionParams& params, Index chunk_rows) {
  std::vector<RowChunk> chunks;
  const Index rows_total = params.seqlen_q();
  if (rows_total == 0) return chunks;
  const Mask<Index> mask = params.mask(params.sequence(0));
  const Index last = (rows_total - 1) / chunk_rows * chunk_rows;
  for (Index first = last; first >= 0; first -= chunk_rows) {
    RowChunk chunk{first, std::min(chunk_rows, rows_total - first)};
    chunk.width = mask.columns(first + chunk.rows - 1).end;
    if (!chunks.empty()) {
      // Only the last rows may be fewer, and widths never grow from here on: like chunks are
      // neighbours.
      const RowChunk& before = chunks.back();
      const bool alike = before.rows == chunk.rows && before.width == chunk.width;
      chunk.shape = before.shape + (alike ? 0 : 1);
    }
    chunks.push_back(chunk);
  }
  return chunks;
}

}  // namespace ashlar::flashattention2::baselines
