#pragma once
// What standard attention on a GPU computes, as a list of cuBLAS products with a softmax kernel
// between them. Making the list is arithmetic on addresses, of device memory or, in tests, of the
// host's. For one query head, with N x N matrices in the tensors' type:
//   forward   S = scale Q K^T,  P = softmax(S) in S's place,  O = P V
//   backward  dV = P^T dO,  dP = dO V^T,  dS = P o (dP - D) in dP's place, D = rowsum(P o dP),
//             dQ = scale dS K,  dK = scale dS^T Q
// Source: Dao, arXiv 2307.08691, section 2.2; PyTorch's softmax sums P o dP for D in the same way.
// Each product is one call for all batch entries and heads; but where a group of query heads shares
// a key head, dV and dK take a call for each of the group, which adds to what those before it left.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "baselines/flashattention2/cublas.hpp"
#include "baselines/flashattention2/naive_cuda_softmax.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2::baselines {

struct NaiveForwardPlan {
  BatchedProduct scores;
  SoftmaxArguments softmax;
  BatchedProduct out;
};

struct NaiveBackwardPlan {
  BatchedProduct weight_gradients;
  SoftmaxGradientArguments softmax;
  std::vector<BatchedProduct> dv;
  BatchedProduct dq;
  std::vector<BatchedProduct> dk;
};

/// Where several batch entries, or groups that share keys, stand in the way of one step from matrix
/// to matrix, cuBLAS is given lists of addresses. They must lie where cuBLAS reads them, at
/// `place`; their contents are collected in `all`, for the caller to copy there.
struct AddressLists {
  const void* const* place = nullptr;
  std::vector<const void*> all = {};
};

/// Of the lists of both passes together, at most.
std::size_t naive_address_bytes(const AttentionParams& params);

/// Elements of a row of scores in memory: rows start at multiples of 16 bytes, for vector accesses
/// and fast products.
Index padded_columns(const AttentionParams& params);
/// Query rows of all batch entries and heads.
Index score_rows(const AttentionParams& params);
/// Bytes of one N x N matrix for every head.
std::size_t naive_cuda_score_bytes(const AttentionParams& params);

/// `params` where the products take place; `scores` has naive_cuda_score_bytes() there, for S and
/// then P. There must be rows and keys.
NaiveForwardPlan naive_forward_plan(const AttentionParams& params, void* scores,
                                    AddressLists& lists);
/// Its softmax, also where there are no keys.
SoftmaxArguments naive_softmax_arguments(const AttentionParams& params, void* scores);
/// `weights` is P; `gradients` has the same size, for dP and then dS.
NaiveBackwardPlan naive_backward_plan(const AttentionParams& params, const void* weights,
                                      void* gradients, AddressLists& lists);

/// A type, shape or stride that cuBLAS or the list cannot have, of the forward pass, or of both.
/// Outputs without data have no strides yet.
std::optional<std::string> naive_shape_unsupported(const AttentionParams& params);
std::optional<std::string> naive_gradient_shape_unsupported(const AttentionParams& params);

/// From one row of a tensor to the next; a tensor of one row may say anything.
template <class Tensor>
Index row_stride(const Tensor& tensor) {
  return tensor.shape[1] > 1 ? tensor.strides[1] : tensor.shape[3];
}

}  // namespace ashlar::flashattention2::baselines
