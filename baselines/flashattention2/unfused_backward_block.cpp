#include "baselines/flashattention2/unfused_backward_block.hpp"

#include <algorithm>
#include <cstring>

#include "baselines/flashattention2/unfused_layout.hpp"
#include "baselines/flashattention2/vector_softmax.hpp"
#include "impls/core/half.hpp"
#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

using core::BFloat16;
using core::DType;
using unfused::aligned;
using unfused::dense_rows;
using unfused::row_of;
using unfused::rows_overlap;

std::size_t bytes_of(const MatrixLayout& layout) {
  return unfused::matrix_bytes(layout.rows, layout.row_stride, layout.dtype);
}

}  // namespace

std::optional<std::string> unfused_backward_unsupported(const AttentionParams& params,
                                                        ProductLibrary library) {
  if (rows_overlap(params.dout)) {
    return "library products take no rows that overlap or run backwards";
  }
  return unfused_unsupported(params, library);
}

UnfusedBackwardBlock::UnfusedBackwardBlock(const AttentionParams& params, Index rows, Index width,
                                           const std::optional<MatrixLayout>& kept,
                                           const ProductPlan& plan)
    : rows_(rows),
      width_(width),
      threads_(plan.threads),
      computed_(!kept),
      narrow_(params.q.dtype == DType::bf16),
      row_bytes_(static_cast<std::size_t>(params.head_dim()) * size_of(params.q.dtype)) {
  const Index depth = params.head_dim();
  const DType dtype = params.q.dtype;
  const Index stride = unfused::score_stride(narrow_, rows, width, depth);
  scores_ = {rows, width, stride, 1, DType::f32};
  gradients_ = narrow_ ? MatrixLayout{rows, width, padded_width(width), 1, DType::bf16} : scores_;
  weights_ = kept ? *kept : gradients_;
  if (rows == 0 || width == 0) return;
  const MatrixLayout queries = dense_layout(rows, depth, dtype);
  const MatrixLayout keys = dense_layout(width, depth, dtype);
  const MatrixLayout sums = dense_layout(width, depth, DType::f32);
  if (computed_) scores_product_.emplace(queries, transposed(keys), scores_, plan);
  dp_product_.emplace(queries, transposed(keys), scores_, plan);
  dq_product_.emplace(gradients_, keys, queries, plan);
  dk_product_.emplace(transposed(gradients_), queries, sums, plan, Update::add);
  dv_product_.emplace(transposed(weights_), queries, sums, plan, Update::add);
  place(params);
}

void UnfusedBackwardBlock::place(const AttentionParams& params) {
  const auto take = [this](std::size_t bytes) {
    const std::size_t at = scratch_bytes_;
    scratch_bytes_ += bytes;
    return at;
  };
  const auto rows_unless = [&](bool dense) {
    return dense ? 0 : take(aligned(rows_ * static_cast<Index>(row_bytes_)));
  };
  if (computed_) at_.scores = take(bytes_of(scores_));
  at_.weights = computed_ && narrow_ ? take(bytes_of(weights_)) : at_.scores;
  at_.gradients = take(bytes_of(scores_));
  at_.rounded = narrow_ ? take(bytes_of(gradients_)) : at_.gradients;
  at_.queries = rows_unless(dense_rows(params.q));
  at_.dout = rows_unless(dense_rows(params.dout));
  at_.dq = rows_unless(dense_rows(params.dq));
  std::size_t largest = 0;
  for (const auto* product :
       {&scores_product_, &dp_product_, &dq_product_, &dk_product_, &dv_product_}) {
    if (*product) largest = std::max(largest, (*product)->scratch_bytes());
  }
  at_.product = take(aligned(static_cast<Index>(largest)));
}

void UnfusedBackwardBlock::operator()(const AttentionParams& params, const DenseKeysValues& dense,
                                      Index batch, Index head, Index first_row, const void* kept,
                                      const KeyGradientSums& sums, int worker,
                                      std::byte* scratch) const {
  if (!dp_product_) return zero_dq(params, batch, head, first_row);
  const Index kv = params.kv_head(head);
  const void* queries = rows_of(params.q, batch, head, first_row, scratch + at_.queries);
  const void* dout = rows_of(params.dout, batch, head, first_row, scratch + at_.dout);
  const void* keys = dense.keys(params, batch, kv);
  std::byte* product = scratch + at_.product;
  if (computed_) (*scores_product_)(worker, queries, keys, scratch + at_.scores, product);
  (*dp_product_)(worker, dout, dense.values(params, batch, kv), scratch + at_.gradients, product);
  const void* weights = computed_ ? scratch + at_.weights : kept;
  weights_and_gradients(params, batch, head, first_row, weights, scratch);

  const std::byte* gradients = scratch + at_.rounded;
  (*dv_product_)(worker, weights, dout, sums.dv, product);
  (*dk_product_)(worker, gradients, queries, sums.dk, product);
  const bool scatter = !dense_rows(params.dq);
  void* dq = scatter ? scratch + at_.dq : row_of(params.dq, batch, first_row, head);
  (*dq_product_)(worker, gradients, keys, dq, product);
  if (!scatter) return;
  for_rows([&](Index i) {
    std::memcpy(row_of(params.dq, batch, first_row + i, head),
                scratch + at_.dq + static_cast<std::size_t>(i) * row_bytes_, row_bytes_);
  });
}

void UnfusedBackwardBlock::weights_and_gradients(const AttentionParams& params, Index batch,
                                                 Index head, Index first_row,
                                                 const void* all_weights,
                                                 std::byte* scratch) const {
  const Mask<Index> mask = params.mask(params.sequence(batch));
  const auto one_row = [&]<class T>(Index i) {
    const Index row = first_row + i;
    const auto* out = reinterpret_cast<const T*>(row_of(params.out, batch, row, head));
    const auto* dout = reinterpret_cast<const T*>(row_of(params.dout, batch, row, head));
    const float delta = dot_row(dout, out, params.head_dim());
    auto* gradients = reinterpret_cast<float*>(scratch + at_.gradients) + i * scores_.row_stride;
    auto* scores = reinterpret_cast<float*>(scratch + at_.scores) + i * scores_.row_stride;
    const T* weights = static_cast<const T*>(all_weights) + i * weights_.row_stride;
    const Index visible = mask.columns(row).end;
    const float lse = params.lse(batch, head, row);
    if constexpr (std::is_same_v<T, float>) {
      // Computed weights take the place of their scores.
      if (computed_) weights_row(scores, visible, width_, params.scale, lse);
      gradient_row(weights, gradients, width_, delta, params.scale);
    } else {
      if (computed_) {
        auto* computed = reinterpret_cast<T*>(scratch + at_.weights) + i * weights_.row_stride;
        weights_row(scores, computed, visible, width_, params.scale, lse);
      }
      auto* rounded = reinterpret_cast<T*>(scratch + at_.rounded) + i * gradients_.row_stride;
      gradient_row(weights, gradients, rounded, width_, delta, params.scale);
    }
  };
  for_rows([&](Index i) {
    if (narrow_) {
      one_row.operator()<BFloat16>(i);
    } else {
      one_row.operator()<float>(i);
    }
  });
}

void UnfusedBackwardBlock::for_rows(const std::function<void(Index)>& body) const {
  const auto some = [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) body(i);
  };
  if (threads_ == 1) {
    some(0, rows_, 0);
  } else {
    core::parallel_for_static(rows_, some, threads_);
  }
}

void UnfusedBackwardBlock::zero_dq(const AttentionParams& params, Index batch, Index head,
                                   Index first_row) const {
  for (Index row = first_row; row < first_row + rows_; ++row) {
    std::memset(row_of(params.dq, batch, row, head), 0, row_bytes_);
  }
}

const void* UnfusedBackwardBlock::rows_of(const core::ConstAnyView<4>& tensor, Index batch,
                                          Index head, Index first_row, std::byte* gathered) const {
  if (dense_rows(tensor)) return row_of(tensor, batch, first_row, head);
  for_rows([&](Index i) {
    std::memcpy(gathered + static_cast<std::size_t>(i) * row_bytes_,
                row_of(tensor, batch, first_row + i, head), row_bytes_);
  });
  return gathered;
}

KeyGradientBuffers::KeyGradientBuffers(const AttentionParams& params, int workers)
    : elements_(static_cast<std::size_t>(params.seqlen_k() * params.head_dim())) {
  for (int worker = 0; worker < workers; ++worker) {
    buffers_.emplace_back(2 * elements_ * sizeof(float));
  }
}

KeyGradientSums KeyGradientBuffers::sums(int worker) {
  auto* first = buffers_[static_cast<std::size_t>(worker)].as<float>();
  return {first, first + elements_};
}

void KeyGradientBuffers::clear(int worker) { std::fill_n(sums(worker).dk, 2 * elements_, 0.0f); }

void KeyGradientBuffers::store(const AttentionParams& params, Index item, Index begin, Index end,
                               std::size_t first_worker, std::size_t end_worker) const {
  const Index batch = item / params.heads_kv();
  const Index head_kv = item % params.heads_kv();
  const Index depth = params.head_dim();
  const auto store_as = [&]<class T>(const core::AnyView<4>& gradient, std::size_t offset) {
    for (Index row = begin; row < end; ++row) {
      auto* to = reinterpret_cast<T*>(row_of(gradient, batch, row, head_kv));
      const std::size_t at = offset + static_cast<std::size_t>(row * depth);
      for (std::size_t i = 0; i < static_cast<std::size_t>(depth); ++i) {
        float sum = 0;
        for (std::size_t worker = first_worker; worker < end_worker; ++worker) {
          sum += buffers_[worker].as<float>()[at + i];
        }
        to[i] = core::from_float<T>(sum);
      }
    }
  };
  for (const auto& [gradient, offset] :
       {std::pair(params.dk, std::size_t{0}), std::pair(params.dv, elements_)}) {
    if (gradient.dtype == DType::bf16) {
      store_as.operator()<BFloat16>(gradient, offset);
    } else {
      store_as.operator()<float>(gradient, offset);
    }
  }
}

void KeyGradientBuffers::store_in_parallel(const AttentionParams& params,
                                           const std::function<void(Index, int)>& add_up,
                                           int threads) {
  core::parallel_for_dynamic(
      params.batch() * params.heads_kv(),
      [&](Index item, int worker) {
        add_up(item, worker);
        const auto at = static_cast<std::size_t>(worker);
        store(params, item, 0, params.seqlen_k(), at, at + 1);
      },
      threads);
}

void KeyGradientBuffers::store_in_turn(const AttentionParams& params,
                                       const std::function<void(Index)>& add_up, int threads) {
  for (Index item = 0; item < params.batch() * params.heads_kv(); ++item) {
    add_up(item);
    core::parallel_for_static(
        params.seqlen_k(),
        [&](Index begin, Index end, int) { store(params, item, begin, end, 0, buffers_.size()); },
        threads);
  }
}

std::size_t KeyGradientBuffers::bytes() const {
  std::size_t bytes = 0;
  for (const core::AlignedBuffer& buffer : buffers_) bytes += buffer.bytes();
  return bytes;
}

}  // namespace ashlar::flashattention2::baselines
