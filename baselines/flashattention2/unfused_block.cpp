#include "baselines/flashattention2/unfused_block.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "baselines/flashattention2/vector_softmax.hpp"
#include "impls/core/aligned_buffer.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::BFloat16;
using core::DType;

/// Where row `row` of a head begins in a (batch, seqlen, heads, head_dim) tensor.
template <class Any>
auto* row_of(const Any& tensor, Index batch, Index row, Index head) {
  const Index offset =
      batch * tensor.strides[0] + row * tensor.strides[1] + head * tensor.strides[2];
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(tensor.data)>>,
                                  const std::byte, std::byte>;
  return static_cast<Byte*>(tensor.data) + offset * static_cast<Index>(size_of(tensor.dtype));
}

template <class Any>
MatrixLayout rows_layout(const Any& tensor, Index rows) {
  // The stride of a single row is never used, but oneDNN looks at it.
  const Index stride = rows == 1 ? tensor.shape[3] : tensor.strides[1];
  return {rows, tensor.shape[3], stride, 1, tensor.dtype};
}

MatrixLayout transposed(const MatrixLayout& layout) {
  return {layout.columns, layout.rows, layout.column_stride, layout.row_stride, layout.dtype};
}

/// Rows a multiple of a kilobyte apart would fall into few sets of the first cache.
Index spread_rows(Index stride) { return stride % 256 == 0 ? stride + kSoftmaxPadding : stride; }

std::size_t aligned(Index bytes) {
  constexpr std::size_t kLine = core::AlignedBuffer::kAlignment;
  return (static_cast<std::size_t>(bytes) + kLine - 1) / kLine * kLine;
}

std::size_t score_bytes(Index rows, Index stride) {
  return aligned(rows * stride * static_cast<Index>(sizeof(float)));
}

std::size_t weight_bytes(bool narrow, Index rows, Index stride) {
  return narrow ? aligned(rows * stride * static_cast<Index>(sizeof(BFloat16))) : 0;
}

template <class Any>
bool rows_overlap(const Any& tensor) {
  return tensor.shape[1] > 1 && tensor.strides[1] < tensor.shape[3];
}

}  // namespace

std::optional<std::string> unfused_unsupported(const ForwardParams& params) {
  if (rows_overlap(params.q) || rows_overlap(params.k) || rows_overlap(params.v) ||
      rows_overlap(params.out)) {
    return "oneDNN takes no rows that overlap or run backwards";
  }
  return product_unsupported(params.q.dtype);
}

UnfusedBlock::UnfusedBlock(const ForwardParams& params, Index rows, Index width, int threads,
                           int workers)
    : rows_(rows),
      width_(width),
      threads_(threads),
      narrow_(params.q.dtype == DType::bf16),
      score_stride_(spread_rows(padded_width(width))),
      weight_stride_(padded_width(width)) {
  if (rows == 0 || width == 0) return;
  const MatrixLayout scores{rows, width, score_stride_, 1, DType::f32};
  const MatrixLayout weights =
      narrow_ ? MatrixLayout{rows, width, weight_stride_, 1, DType::bf16} : scores;
  scores_product_.emplace(rows_layout(params.q, rows), transposed(rows_layout(params.k, width)),
                          scores, threads, workers);
  values_product_.emplace(weights, rows_layout(params.v, width), rows_layout(params.out, rows),
                          threads, workers);
}

std::size_t UnfusedBlock::scratch_bytes() const {
  if (!scores_product_) return 0;
  const std::size_t product =
      std::max(scores_product_->scratch_bytes(), values_product_->scratch_bytes());
  return score_bytes(rows_, score_stride_) + weight_bytes(narrow_, rows_, weight_stride_) +
         aligned(static_cast<Index>(product));
}

void UnfusedBlock::operator()(const ForwardParams& params, Index batch, Index head, Index first_row,
                              int worker, std::byte* scratch) const {
  if (!scores_product_) {
    const auto row_bytes = static_cast<std::size_t>(params.head_dim()) * size_of(params.out.dtype);
    for (Index row = first_row; row < first_row + rows_; ++row) {
      std::memset(row_of(params.out, batch, row, head), 0, row_bytes);
      params.lse(batch, head, row) = std::numeric_limits<float>::infinity();
    }
    return;
  }
  const Index kv = params.kv_head(head);
  std::byte* second = scratch + score_bytes(rows_, score_stride_);
  std::byte* product_scratch = second + weight_bytes(narrow_, rows_, weight_stride_);
  auto* scores = reinterpret_cast<float*>(scratch);
  auto* weights = reinterpret_cast<BFloat16*>(second);

  (*scores_product_)(worker, row_of(params.q, batch, first_row, head),
                     row_of(params.k, batch, 0, kv), scores, product_scratch);
  softmax(params, batch, head, first_row, scores, weights);
  (*values_product_)(worker, narrow_ ? static_cast<const void*>(weights) : scores,
                     row_of(params.v, batch, 0, kv), row_of(params.out, batch, first_row, head),
                     product_scratch);
}

void UnfusedBlock::softmax(const ForwardParams& params, Index batch, Index head, Index first_row,
                           float* scores, BFloat16* weights) const {
  const auto rows = [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const Index row = first_row + i;
      const Index visible = params.visible_columns(row);
      float* score_row = scores + i * score_stride_;
      params.lse(batch, head, row) =
          narrow_
              ? softmax_row(score_row, weights + i * weight_stride_, visible, width_, params.scale)
              : softmax_row(score_row, visible, width_, params.scale);
    }
  };
  if (threads_ == 1) {
    rows(0, rows_, 0);
  } else {
    core::parallel_for_static(rows_, rows, threads_);
  }
}

}  // namespace ashlar::flashattention2::baselines
