#pragma once
// Where rows of all sequences and heads lie in the backward pass's packed memory. Internal.
#include <algorithm>
#include <vector>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/backward_kernels.hpp"
#include "impls/flashattention2/backward_packing.hpp"

namespace ashlar::flashattention2 {

/// Where the rows of every sequence and head lie in packed memory. Rows of a head are padded to
/// whole strips; blocks of rows are counted over all sequences and heads.
class RowLayout {
 public:
  RowLayout(const AttentionParams& params, Index row_block)
      : row_block_(row_block),
        heads_(params.heads_q()),
        first_row_(static_cast<std::size_t>(params.sequences()) + 1),
        first_block_(first_row_.size()) {}

  void update(const AttentionParams& params) {
    for (Index id = 0; id < params.sequences(); ++id) {
      const auto at = static_cast<std::size_t>(id);
      const Index length = params.sequence(id).seqlen_q;
      first_row_[at + 1] = first_row_[at] + heads_ * round_up_to(length, kProductRows);
      first_block_[at + 1] = first_block_[at] + heads_ * divide_up(length, row_block_);
    }
  }
  /// Rows and blocks that any division of the tensor's rows into this many sequences can need.
  static Index most_rows(const AttentionParams& params) {
    if (!params.packed()) {
      return params.batch() * params.heads_q() * round_up_to(params.seqlen_q(), kProductRows);
    }
    return params.heads_q() * (params.seqlen_q() + params.sequences() * (kProductRows - 1));
  }
  static Index most_blocks(const AttentionParams& params, Index row_block) {
    if (!params.packed()) {
      return params.batch() * params.heads_q() * divide_up(params.seqlen_q(), row_block);
    }
    return params.heads_q() * (divide_up(params.seqlen_q(), row_block) + params.sequences());
  }

  Index blocks() const { return first_block_.back(); }
  Index row(const Sequence& sequence, Index head, Index row) const {
    return first_row_[static_cast<std::size_t>(sequence.id)] +
           head * round_up_to(sequence.seqlen_q, kProductRows) + row;
  }
  Index block(const Sequence& sequence, Index head, Index block) const {
    return first_block_[static_cast<std::size_t>(sequence.id)] +
           head * divide_up(sequence.seqlen_q, row_block_) + block;
  }
  struct Place {
    Index sequence;
    Index head;
    Index block;
  };
  Place place(const AttentionParams& params, Index block) const {
    const auto next = std::upper_bound(first_block_.begin(), first_block_.end(), block);
    const Index id = next - first_block_.begin() - 1;
    const Index inside = block - first_block_[static_cast<std::size_t>(id)];
    const Index per_head = divide_up(params.sequence(id).seqlen_q, row_block_);
    return {id, inside / per_head, inside % per_head};
  }

 private:
  Index row_block_;
  Index heads_;
  std::vector<Index> first_row_;
  std::vector<Index> first_block_;
};

}  // namespace ashlar::flashattention2
