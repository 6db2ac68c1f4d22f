#include "baselines/flashattention2/unfused_block.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "baselines/flashattention2/unfused_layout.hpp"
#include "baselines/flashattention2/vector_softmax.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::BFloat16;
using core::DType;
using unfused::aligned;
using unfused::dense_rows;
using unfused::matrix_bytes;
using unfused::row_of;
using unfused::rows_overlap;

constexpr Index kCopyRows = 64;  // of all heads, per item of copying

std::size_t score_bytes(Index rows, Index stride) { return matrix_bytes(rows, stride, DType::f32); }

std::size_t weight_bytes(bool narrow, Index rows, Index stride) {
  return narrow ? matrix_bytes(rows, stride, DType::bf16) : 0;
}

}  // namespace

std::optional<std::string> unfused_unsupported(const AttentionParams& params,
                                               ProductLibrary library) {
  if (rows_overlap(params.q) || rows_overlap(params.k) || rows_overlap(params.v) ||
      rows_overlap(params.out)) {
    return "library products take no rows that overlap or run backwards";
  }
  if (auto reason = beyond(params, Features())) return reason;
  return product_unsupported(params.q.dtype, library);
}

UnfusedBlock::UnfusedBlock(const AttentionParams& params, Index rows, Index width,
                           const ProductPlan& plan)
    : rows_(rows),
      width_(width),
      threads_(plan.threads),
      gather_queries_(!dense_rows(params.q)),
      scatter_out_(!dense_rows(params.out)),
      row_bytes_(static_cast<std::size_t>(params.head_dim()) * size_of(params.q.dtype)),
      narrow_(params.q.dtype == DType::bf16),
      score_stride_(unfused::score_stride(narrow_, rows, width, params.head_dim())),
      weight_stride_(padded_width(width)) {
  if (rows == 0 || width == 0) return;
  const Index depth = params.head_dim();
  const DType dtype = params.q.dtype;
  const MatrixLayout scores{rows, width, score_stride_, 1, DType::f32};
  scores_product_.emplace(dense_layout(rows, depth, dtype),
                          transposed(dense_layout(width, depth, dtype)), scores, plan);
  values_product_.emplace(weights_layout(), dense_layout(width, depth, dtype),
                          dense_layout(rows, depth, dtype), plan);
}

MatrixLayout UnfusedBlock::weights_layout() const {
  if (narrow_) return {rows_, width_, weight_stride_, 1, DType::bf16};
  return {rows_, width_, score_stride_, 1, DType::f32};
}

std::size_t UnfusedBlock::scratch_bytes() const {
  if (!scores_product_) return 0;
  const std::size_t product =
      std::max(scores_product_->scratch_bytes(), values_product_->scratch_bytes());
  const std::size_t rows = gather_queries_ || scatter_out_ ? row_scratch_bytes() : 0;
  return score_bytes(rows_, score_stride_) + weight_bytes(narrow_, rows_, weight_stride_) + rows +
         aligned(static_cast<Index>(product));
}

std::size_t UnfusedBlock::row_scratch_bytes() const {
  return aligned(rows_ * static_cast<Index>(row_bytes_));
}

void UnfusedBlock::operator()(const AttentionParams& params, const DenseKeysValues& dense,
                              Index batch, Index head, Index first_row, int worker,
                              std::byte* scratch, void* kept) const {
  if (!scores_product_) return fill_unseen(params, batch, head, first_row);
  const Index kv = params.kv_head(head);
  std::byte* second = scratch + score_bytes(rows_, score_stride_);
  // Queries are done with when the output is made, so one area serves both.
  std::byte* row_scratch = second + weight_bytes(narrow_, rows_, weight_stride_);
  std::byte* product_scratch =
      row_scratch + (gather_queries_ || scatter_out_ ? row_scratch_bytes() : 0);
  auto* scores = reinterpret_cast<float*>(scratch);
  auto* weights = reinterpret_cast<BFloat16*>(second);
  if (kept != nullptr && narrow_) weights = static_cast<BFloat16*>(kept);
  if (kept != nullptr && !narrow_) scores = static_cast<float*>(kept);

  const void* queries = row_of(params.q, batch, first_row, head);
  void* out = row_of(params.out, batch, first_row, head);
  if (gather_queries_) {
    gather_queries(params, batch, head, first_row, row_scratch);
    queries = row_scratch;
  }
  (*scores_product_)(worker, queries, dense.keys(params, batch, kv), scores, product_scratch);
  softmax(params, batch, head, first_row, scores, weights);
  (*values_product_)(worker, narrow_ ? static_cast<const void*>(weights) : scores,
                     dense.values(params, batch, kv), scatter_out_ ? row_scratch : out,
                     product_scratch);
  if (scatter_out_) scatter_out(params, batch, head, first_row, row_scratch);
}

void UnfusedBlock::fill_unseen(const AttentionParams& params, Index batch, Index head,
                               Index first_row) const {
  for (Index row = first_row; row < first_row + rows_; ++row) {
    std::memset(row_of(params.out, batch, row, head), 0, row_bytes_);
    params.lse(batch, head, row) = std::numeric_limits<float>::infinity();
  }
}

void UnfusedBlock::gather_queries(const AttentionParams& params, Index batch, Index head,
                                  Index first_row, std::byte* queries) const {
  for_rows([&](Index i) {
    std::memcpy(queries + static_cast<std::size_t>(i) * row_bytes_,
                row_of(params.q, batch, first_row + i, head), row_bytes_);
  });
}

void UnfusedBlock::scatter_out(const AttentionParams& params, Index batch, Index head,
                               Index first_row, const std::byte* out) const {
  for_rows([&](Index i) {
    std::memcpy(row_of(params.out, batch, first_row + i, head),
                out + static_cast<std::size_t>(i) * row_bytes_, row_bytes_);
  });
}

void UnfusedBlock::for_rows(const std::function<void(Index)>& body) const {
  const auto some = [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) body(i);
  };
  if (threads_ == 1) {
    some(0, rows_, 0);
  } else {
    core::parallel_for_static(rows_, some, threads_);
  }
}

void UnfusedBlock::softmax(const AttentionParams& params, Index batch, Index head, Index first_row,
                           float* scores, BFloat16* weights) const {
  for_rows([&](Index i) {
    const Index row = first_row + i;
    const Index visible = params.mask(params.sequence(batch)).columns(row).end;
    float* score_row = scores + i * score_stride_;
    params.lse(batch, head, row) = narrow_ ? softmax_row(score_row, weights + i * weight_stride_,
                                                         visible, width_, params.scale)
                                           : softmax_row(score_row, visible, width_, params.scale);
  });
}

DenseKeysValues::DenseKeysValues(const AttentionParams& params)
    : copies_(!dense_rows(params.k) || !dense_rows(params.v)),
      head_bytes_(static_cast<std::size_t>(params.seqlen_k() * params.head_dim()) *
                  size_of(params.k.dtype)) {
  if (!copies_) return;
  const auto heads = static_cast<std::size_t>(params.batch() * params.heads_kv());
  keys_ = core::AlignedBuffer(heads * head_bytes_);
  values_ = core::AlignedBuffer(heads * head_bytes_);
}

Index DenseKeysValues::pack_items(const AttentionParams& params) const {
  const Index chunks = (params.seqlen_k() + kCopyRows - 1) / kCopyRows;
  return copies_ ? params.batch() * chunks : 0;
}

void DenseKeysValues::pack_item(const AttentionParams& params, Index item) {
  const Index chunks = (params.seqlen_k() + kCopyRows - 1) / kCopyRows;
  const Index batch = item / chunks;
  const Index first = item % chunks * kCopyRows;
  const std::size_t row_bytes =
      static_cast<std::size_t>(params.head_dim()) * size_of(params.k.dtype);
  for (Index row = first; row < std::min(first + kCopyRows, params.seqlen_k()); ++row) {
    for (Index head = 0; head < params.heads_kv(); ++head) {
      const auto at = static_cast<std::size_t>(batch * params.heads_kv() + head) * head_bytes_ +
                      static_cast<std::size_t>(row) * row_bytes;
      std::memcpy(keys_.as<std::byte>() + at, row_of(params.k, batch, row, head), row_bytes);
      std::memcpy(values_.as<std::byte>() + at, row_of(params.v, batch, row, head), row_bytes);
    }
  }
}

void DenseKeysValues::pack(const AttentionParams& params, int threads) {
  core::parallel_for_dynamic(
      pack_items(params), [&](Index item, int) { pack_item(params, item); }, threads);
}

const void* DenseKeysValues::keys(const AttentionParams& params, Index batch, Index head_kv) const {
  if (!copies_) return row_of(params.k, batch, 0, head_kv);
  return keys_.as<std::byte>() +
         static_cast<std::size_t>(batch * params.heads_kv() + head_kv) * head_bytes_;
}

const void* DenseKeysValues::values(const AttentionParams& params, Index batch,
                                    Index head_kv) const {
  if (!copies_) return row_of(params.v, batch, 0, head_kv);
  return values_.as<std::byte>() +
         static_cast<std::size_t>(batch * params.heads_kv() + head_kv) * head_bytes_;
}

}  // namespace ashlar::flashattention2::baselines
