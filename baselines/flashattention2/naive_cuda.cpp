#include "baselines/flashattention2/naive_cuda.hpp"

#include <array>
#include <limits>
#include <stdexcept>
#include <vector>

#include "impls/core/cuda/device.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

constexpr std::size_t kMebi = std::size_t{1} << 20;

/// Rows of scores start at multiples of 16 bytes, for vector accesses and fast products.
Index padded_columns(const AttentionParams& params) { return (params.seqlen_k() + 7) / 8 * 8; }

Index score_rows(const AttentionParams& params) {
  return params.batch() * params.heads_q() * params.seqlen_q();
}

/// From one row to the next; a tensor of one row may say anything.
template <class Tensor>
Index row_stride(const Tensor& tensor) {
  return tensor.shape[1] > 1 ? tensor.strides[1] : tensor.shape[3];
}

/// cuBLAS wants matrices whose columns do not overlap.
template <class Tensor>
bool strides_fit(const Tensor& tensor) {
  for (const std::size_t axis : {0, 2}) {
    if (tensor.shape[axis] > 1 && tensor.strides[axis] < 0) return false;
  }
  const bool dense = tensor.shape[3] <= 1 || tensor.strides[3] == 1;
  return dense && row_stride(tensor) >= tensor.shape[3] &&
         row_stride(tensor) <= std::numeric_limits<int>::max();
}

std::optional<std::string> shape_unsupported(const AttentionParams& params) {
  const core::DType dtype = params.q.dtype;
  if (dtype != core::DType::f32 && dtype != core::DType::f16 && dtype != core::DType::bf16) {
    return "element type " + std::string(core::name_of(dtype));
  }
  constexpr Index kLimit = std::numeric_limits<int>::max();
  if (padded_columns(params) > kLimit || score_rows(params) > kLimit) return "more than 2^31 rows";
  if (!strides_fit(params.q) || !strides_fit(params.k) || !strides_fit(params.v) ||
      !strides_fit(params.out)) {
    return "a row stride below the head size, or a negative stride";
  }
  return beyond(params, Features());
}

const AttentionParams& supported(const AttentionParams& params) {
  validate_forward(params);
  if (const auto reason = naive_cuda_unsupported(params)) {
    throw std::invalid_argument("standard attention on CUDA: " + *reason);
  }
  return params;
}

/// Bytes from the first element to the end of the last.
template <class Tensor>
std::size_t extent_bytes(const Tensor& tensor, std::size_t element_bytes) {
  Index last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] == 0) return 0;
    last += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return static_cast<std::size_t>(last + 1) * element_bytes;
}

/// A head's rows of a tensor on the device.
template <class Tensor>
const void* matrix_at(const Tensor& tensor, Index batch, Index head) {
  const Index elements = batch * tensor.strides[0] + head * tensor.strides[2];
  return static_cast<const std::byte*>(tensor.data) +
         elements * static_cast<Index>(core::size_of(tensor.dtype));
}

enum Operand : std::size_t { kQueries, kKeys, kScores, kValues, kOutput, kOperands };

/// The addresses that the two products take, one list per operand, all query heads in order. Query
/// heads of a group name the same keys and values.
std::array<std::vector<const void*>, kOperands> matrix_addresses(const AttentionParams& device,
                                                                 const void* scores) {
  std::array<std::vector<const void*>, kOperands> lists;
  const Index head_bytes = device.seqlen_q() * padded_columns(device) *
                           static_cast<Index>(core::size_of(device.q.dtype));
  for (Index b = 0; b < device.batch(); ++b) {
    for (Index h = 0; h < device.heads_q(); ++h) {
      const Index g = device.kv_head(h);
      lists[kQueries].push_back(matrix_at(device.q, b, h));
      lists[kKeys].push_back(matrix_at(device.k, b, g));
      lists[kScores].push_back(static_cast<const std::byte*>(scores) +
                               (b * device.heads_q() + h) * head_bytes);
      lists[kValues].push_back(matrix_at(device.v, b, g));
      lists[kOutput].push_back(matrix_at(device.out, b, h));
    }
  }
  return lists;
}

SoftmaxArguments softmax_arguments(const AttentionParams& device, void* scores) {
  SoftmaxArguments arguments;
  arguments.scores = scores;
  arguments.lse = device.lse.data;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    arguments.lse_strides[axis] = device.lse.strides[axis];
  }
  arguments.rows = score_rows(device);
  arguments.heads = device.heads_q();
  arguments.seqlen_q = device.seqlen_q();
  arguments.seqlen_k = device.seqlen_k();
  arguments.padded_columns = padded_columns(device);
  arguments.causal = device.causal;
  return arguments;
}

}  // namespace

std::size_t naive_cuda_score_bytes(const AttentionParams& params) {
  return static_cast<std::size_t>(score_rows(params)) *
         static_cast<std::size_t>(padded_columns(params)) * core::size_of(params.q.dtype);
}

std::size_t naive_cuda_needed_bytes(const AttentionParams& params) {
  constexpr std::size_t kLibraryBytes = 64 * kMebi;  // cuBLAS's workspace and kernels
  const std::size_t element = core::size_of(params.q.dtype);
  return naive_cuda_score_bytes(params) + extent_bytes(params.q, element) +
         extent_bytes(params.k, element) + extent_bytes(params.v, element) +
         extent_bytes(params.out, element) + extent_bytes(params.lse, sizeof(float)) +
         kLibraryBytes;
}

std::optional<std::string> naive_cuda_unsupported(const AttentionParams& params) {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!device.available) return device.reason;
  if (Cublas::missing()) return Cublas::missing();
  if (auto reason = shape_unsupported(params)) return reason;
  const std::size_t needed = naive_cuda_needed_bytes(params);
  const std::size_t available = core::cuda::free_memory_bytes();
  if (needed > available) {
    return "too little device memory: " + std::to_string(needed / kMebi) + " MiB are needed (" +
           std::to_string(naive_cuda_score_bytes(params) / kMebi) + " for the scores), free are " +
           std::to_string(available / kMebi) + " MiB";
  }
  return std::nullopt;
}

/// Column-major, a matrix (rows, head size) is its transpose. So the products are
///   S^T (columns x rows) = scale K Q^T   and   O^T (head size x rows) = V^T P^T.
/// One stride reaches the heads of one batch entry; several entries, or groups that share keys,
/// need a list of addresses to be a single call. (For one entry strides are kept: they let cuBLAS
/// choose among all of its kernels.)
NaiveCudaForward::NaiveCudaForward(const AttentionParams& host)
    : problem_(supported(host)), scores_(naive_cuda_score_bytes(host)) {
  const AttentionParams& p = problem_.params();
  softmax_ = softmax_arguments(p, scores_.data());
  const Index columns = padded_columns(p);
  const Index count = p.batch() * p.heads_q();
  keys_ = {p.q.dtype, p.seqlen_k(), p.seqlen_q(), p.head_dim(), count, p.scale, {}, {}, {}};
  keys_.a = {p.k.data, p.k.strides[2], nullptr, row_stride(p.k), true};
  keys_.b = {p.q.data, p.q.strides[2], nullptr, row_stride(p.q), false};
  keys_.c = {scores_.data(), p.seqlen_q() * columns, nullptr, columns, false};
  values_ = {p.q.dtype, p.head_dim(), p.seqlen_q(), p.seqlen_k(), count, 1.0F, {}, {}, {}};
  values_.a = {p.v.data, p.v.strides[2], nullptr, row_stride(p.v), false};
  values_.b = keys_.c;
  values_.c = {p.out.data, p.out.strides[2], nullptr, row_stride(p.out), false};
  if (p.batch() == 1 && p.heads_kv() == p.heads_q()) return;

  const auto lists = matrix_addresses(p, scores_.data());
  const std::size_t list_bytes = static_cast<std::size_t>(count) * sizeof(void*);
  addresses_ = core::cuda::DeviceBuffer(kOperands * list_bytes);
  const auto place = [&](Operand operand) {
    addresses_.copy_in(lists[operand].data(), list_bytes, operand * list_bytes);
    return static_cast<const void* const*>(addresses_.data()) +
           operand * static_cast<std::size_t>(count);
  };
  keys_.a.all = place(kKeys);
  keys_.b.all = place(kQueries);
  keys_.c.all = place(kScores);
  values_.a.all = place(kValues);
  values_.b.all = keys_.c.all;
  values_.c.all = place(kOutput);
}

/// The answer where there is no key: cuBLAS wants a matrix even for a sum of nothing.
void NaiveCudaForward::zero_output(void* stream) {
  const AttentionParams& p = problem_.params();
  const std::size_t element = core::size_of(p.out.dtype);
  for (Index b = 0; b < p.batch(); ++b) {
    for (Index h = 0; h < p.heads_q(); ++h) {
      launch_zeros(const_cast<void*>(matrix_at(p.out, b, h)),
                   static_cast<std::size_t>(row_stride(p.out)) * element,
                   static_cast<std::size_t>(p.head_dim()) * element,
                   static_cast<std::size_t>(p.seqlen_q()), stream);
    }
  }
}

void NaiveCudaForward::execute(void* stream) {
  if (softmax_.rows == 0) return;
  cublas_.set_stream(stream);
  if (softmax_.seqlen_k > 0) cublas_.multiply(keys_);
  launch_softmax(softmax_, keys_.dtype, stream);
  if (softmax_.seqlen_k > 0) {
    cublas_.multiply(values_);
  } else {
    zero_output(stream);
  }
}

}  // namespace ashlar::flashattention2::baselines
