#include "baselines/flashattention2/naive_cuda.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "baselines/flashattention2/naive_cuda_softmax.hpp"
#include "impls/core/cuda/device.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

/// Rows of scores start at multiples of 16 bytes, for vector accesses and fast products.
Index padded_columns(const ForwardParams& params) { return (params.seqlen_k() + 7) / 8 * 8; }

Index score_rows(const ForwardParams& params) {
  return params.batch() * params.heads_q() * params.seqlen_q();
}

const std::byte* at(const void* data, core::DType dtype, Index elements) {
  return static_cast<const std::byte*>(data) + elements * static_cast<Index>(core::size_of(dtype));
}

/// cuBLAS wants matrices whose columns do not overlap.
bool strides_fit(const core::ConstAnyView<4>& tensor) {
  const bool dense = tensor.shape[3] <= 1 || tensor.strides[3] == 1;
  return dense && tensor.strides[1] >= tensor.shape[3] && tensor.strides[0] >= 0 &&
         tensor.strides[2] >= 0 && tensor.strides[1] <= std::numeric_limits<int>::max();
}

std::optional<std::string> shape_unsupported(const ForwardParams& params) {
  const core::DType dtype = params.q.dtype;
  if (dtype != core::DType::f32 && dtype != core::DType::f16 && dtype != core::DType::bf16) {
    return "element type " + std::string(core::name_of(dtype));
  }
  if (params.q.size() == 0 || params.k.size() == 0) return "an empty tensor";
  constexpr Index kLimit = std::numeric_limits<int>::max();
  if (padded_columns(params) > kLimit || score_rows(params) > kLimit) return "more than 2^31 rows";
  if (!strides_fit(params.q) || !strides_fit(params.k) || !strides_fit(params.v) ||
      !strides_fit(params.out)) {
    return "a row stride below the head size, or a negative stride";
  }
  return std::nullopt;
}

const ForwardParams& supported(const ForwardParams& params) {
  validate(params);
  if (const auto reason = naive_cuda_unsupported(params)) {
    throw std::invalid_argument("standard attention on CUDA: " + *reason);
  }
  return params;
}

}  // namespace

/// Query heads of one batch entry that one batched product can serve.
struct NaiveCudaForward::HeadGroup {
  Index batch = 0;
  Index head = 0;
  Index count = 0;
  Index head_kv = 0;
  Index step_kv = 0;  // from one matrix of K or V to the next, in heads
};

std::size_t naive_cuda_score_bytes(const ForwardParams& params) {
  return static_cast<std::size_t>(score_rows(params)) *
         static_cast<std::size_t>(padded_columns(params)) * core::size_of(params.q.dtype);
}

std::optional<std::string> naive_cuda_unsupported(const ForwardParams& params) {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!device.available) return device.reason;
  if (Cublas::missing()) return Cublas::missing();
  if (auto reason = shape_unsupported(params)) return reason;
  const std::size_t needed = naive_cuda_score_bytes(params);
  if (needed > core::cuda::free_memory_bytes()) {
    constexpr std::size_t kMebi = std::size_t{1} << 20;
    return "too little device memory: the scores take " + std::to_string(needed / kMebi) +
           " MiB, free are " + std::to_string(core::cuda::free_memory_bytes() / kMebi) + " MiB";
  }
  return std::nullopt;
}

NaiveCudaForward::NaiveCudaForward(const ForwardParams& host)
    : problem_(supported(host)), scores_(naive_cuda_score_bytes(host)) {}

/// With one K/V head per query head, one product serves all heads; else one per K/V head.
template <class Visit>
void NaiveCudaForward::for_each_group(const Visit& visit) const {
  const ForwardParams& p = problem_.params();
  const Index size = p.heads_q() / p.heads_kv();
  for (Index b = 0; b < p.batch(); ++b) {
    if (size == 1) {
      visit(HeadGroup{b, 0, p.heads_q(), 0, 1});
      continue;
    }
    for (Index g = 0; g < p.heads_kv(); ++g) visit(HeadGroup{b, g * size, size, g, 0});
  }
}

/// S^T (columns x rows, column-major, which is S row by row) = scale K Q^T.
void NaiveCudaForward::multiply_keys(const HeadGroup& group) {
  const ForwardParams& p = problem_.params();
  const Index columns = padded_columns(p);
  const Index first = (group.batch * p.heads_q() + group.head) * p.seqlen_q() * columns;
  BatchedProduct product{
      p.q.dtype, p.seqlen_k(), p.seqlen_q(), p.head_dim(), group.count, p.scale, {}, {}, {}};
  product.a = {
      at(p.k.data, p.k.dtype, group.batch * p.k.strides[0] + group.head_kv * p.k.strides[2]),
      p.k.strides[1], group.step_kv * p.k.strides[2], true};
  product.b = {at(p.q.data, p.q.dtype, group.batch * p.q.strides[0] + group.head * p.q.strides[2]),
               p.q.strides[1], p.q.strides[2], false};
  product.c = {at(scores_.data(), p.q.dtype, first), columns, p.seqlen_q() * columns, false};
  cublas_.multiply(product);
}

/// O^T (head size x rows, column-major) = V^T P^T.
void NaiveCudaForward::multiply_values(const HeadGroup& group) {
  const ForwardParams& p = problem_.params();
  const Index columns = padded_columns(p);
  const Index first = (group.batch * p.heads_q() + group.head) * p.seqlen_q() * columns;
  BatchedProduct product{
      p.q.dtype, p.head_dim(), p.seqlen_q(), p.seqlen_k(), group.count, 1.0F, {}, {}, {}};
  product.a = {
      at(p.v.data, p.v.dtype, group.batch * p.v.strides[0] + group.head_kv * p.v.strides[2]),
      p.v.strides[1], group.step_kv * p.v.strides[2], false};
  product.b = {at(scores_.data(), p.q.dtype, first), columns, p.seqlen_q() * columns, false};
  product.c = {
      at(p.out.data, p.out.dtype, group.batch * p.out.strides[0] + group.head * p.out.strides[2]),
      p.out.strides[1], p.out.strides[2], false};
  cublas_.multiply(product);
}

void NaiveCudaForward::execute(void* stream) {
  const ForwardParams& p = problem_.params();
  cublas_.set_stream(stream);
  for_each_group([this](const HeadGroup& group) { multiply_keys(group); });
  SoftmaxArguments arguments;
  arguments.scores = scores_.data();
  arguments.lse = p.lse.data;
  for (std::size_t axis = 0; axis < 3; ++axis) arguments.lse_strides[axis] = p.lse.strides[axis];
  arguments.rows = score_rows(p);
  arguments.heads = p.heads_q();
  arguments.seqlen_q = p.seqlen_q();
  arguments.seqlen_k = p.seqlen_k();
  arguments.padded_columns = padded_columns(p);
  arguments.causal = p.causal;
  launch_softmax(arguments, p.q.dtype, stream);
  for_each_group([this](const HeadGroup& group) { multiply_values(group); });
}

}  // namespace ashlar::flashattention2::baselines
