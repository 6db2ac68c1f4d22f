#pragma once
// What the standard and the chunked baseline's backward passes share: some rows of one head, from
// the weights P of those rows,
//   dP = dout V^T,  dS = scale * P o (dP - D) with D = rowsum(dout o out),
//   dq = dS K,  dk += dS^T Q,  dv += P^T dout,
// four products by a library around one vectorised pass over the rows. dP is stored in float; dS
// takes its place, or for bf16 lies beside it in bf16. dk and dv are summed in float over blocks
// and over the query heads of a group. Autograd sums P o dP in place of dout o out, another pass
// over N x N numbers: this is kinder.
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "baselines/flashattention2/unfused_block.hpp"

namespace ashlar::flashattention2::baselines {

/// As unfused_unsupported(), for the backward pass.
std::optional<std::string> unfused_backward_unsupported(const AttentionParams& params,
                                                        ProductLibrary library);

/// Sums for one (batch, kv head), each (seqlen_k, head_dim), without gaps.
struct KeyGradientSums {
  float* dk = nullptr;
  float* dv = nullptr;
};

class UnfusedBackwardBlock {
 public:
  /// Where the weights come from: the caller, in this layout, or nothing: they are computed from
  /// scores and lse.
  UnfusedBackwardBlock(const AttentionParams& params, Index rows, Index width,
                       const std::optional<MatrixLayout>& kept, const ProductPlan& plan);

  /// Per worker, aligned to 64.
  std::size_t scratch_bytes() const { return scratch_bytes_; }

  /// Writes dq of rows [first_row, first_row + rows) and adds to the first `width` rows of the
  /// sums. `kept` are the weights of the rows, null if they are computed.
  void operator()(const AttentionParams& params, const DenseKeysValues& dense, Index batch,
                  Index head, Index first_row, const void* kept, const KeyGradientSums& sums,
                  int worker, std::byte* scratch) const;

 private:
  /// Offsets into scratch.
  struct Places {
    std::size_t scores = 0;     // becomes P where it is float and computed
    std::size_t weights = 0;    // P in bf16, where computed
    std::size_t gradients = 0;  // dP, in float dS
    std::size_t rounded = 0;    // dS in bf16
    std::size_t queries = 0;    // rows without gaps; likewise the next two
    std::size_t dout = 0;
    std::size_t dq = 0;
    std::size_t product = 0;
  };

  void place(const AttentionParams& params);
  void for_rows(const std::function<void(Index)>& body) const;
  void zero_dq(const AttentionParams& params, Index batch, Index head, Index first_row) const;
  /// The rows of a head in a tensor of queries' shape, as they are or copied to `gathered`.
  const void* rows_of(const core::ConstAnyView<4>& tensor, Index batch, Index head, Index first_row,
                      std::byte* gathered) const;
  void weights_and_gradients(const AttentionParams& params, Index batch, Index head,
                             Index first_row, const void* all_weights, std::byte* scratch) const;

  Index rows_;
  Index width_;
  int threads_;
  bool computed_;  // weights
  bool narrow_;
  std::size_t row_bytes_;
  MatrixLayout scores_;
  MatrixLayout weights_;
  MatrixLayout gradients_;
  Places at_;
  std::size_t scratch_bytes_ = 0;
  // All absent when rows or width are 0; the first where weights are kept.
  std::optional<MatrixProduct> scores_product_;
  std::optional<MatrixProduct> dp_product_;
  std::optional<MatrixProduct> dq_product_;
  std::optional<MatrixProduct> dk_product_;
  std::optional<MatrixProduct> dv_product_;
};

/// Sums for workers, and their way into dk and dv.
class KeyGradientBuffers {
 public:
  KeyGradientBuffers(const AttentionParams& params, int workers);
  KeyGradientSums sums(int worker);
  void clear(int worker);
  /// Calls add_up(item, worker) for every (batch, kv head), at the same time, and rounds what it
  /// leaves in sums(worker) into dk and dv.
  void store_in_parallel(const AttentionParams& params,
                         const std::function<void(Index, int)>& add_up, int threads);
  /// Calls add_up(item) for one after another, and rounds what it leaves in the sums of all
  /// workers, added in their order; the threads share the key rows.
  void store_in_turn(const AttentionParams& params, const std::function<void(Index)>& add_up,
                     int threads);
  std::size_t bytes() const;

 private:
  /// Key rows [begin, end) of one item.
  void store(const AttentionParams& params, Index item, Index begin, Index end,
             std::size_t first_worker, std::size_t end_worker) const;

  std::size_t elements_;  // of dk or dv of one head
  std::vector<core::AlignedBuffer> buffers_;
};

}  // namespace ashlar::flashattention2::baselines
