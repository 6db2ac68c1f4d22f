#pragma once
// A problem in host memory, solved on a GPU: the part that all passes have in common.
#include <concepts>

#include "impls/flashattention2/cuda_problem.hpp"

namespace ashlar::flashattention2 {

/// A problem on the GPU and what solves it; copies and checks happen outside execute().
///
/// `Launch` is one problem in device memory, checked and ready: constructed from the problem at
/// device pointers and options of its own, and called with a stream (a cudaStream_t; null is the
/// default stream). Its static supported(params, options...) returns params, or throws
/// std::invalid_argument for what it cannot compute.
template <class Problem, class Launch>
class CudaSolver {
 public:
  /// Throws what Launch and Problem throw.
  template <class... Options>
  requires std::constructible_from<Launch, const AttentionParams&, const Options&...>
  explicit CudaSolver(const AttentionParams& host, const Options&... options)
      : problem_(Launch::supported(host, options...)), launch_(problem_.params(), options...) {}

  void poison() { problem_.poison(); }
  void execute(void* stream) { launch_(stream); }
  void fetch() { problem_.fetch(); }
  const Problem& problem() const { return problem_; }

 private:
  Problem problem_;
  Launch launch_;
};

/// Forward and backward pass in turn, the second reading what the first wrote: a Launch of two.
template <class Forward, class Backward>
class PassesInTurn {
 public:
  explicit PassesInTurn(const AttentionParams& device) : forward_(device), backward_(device) {}
  static const AttentionParams& supported(const AttentionParams& params) {
    return Backward::supported(Forward::supported(params));
  }

  void forward(void* stream) const { forward_(stream); }
  void backward(void* stream) const { backward_(stream); }
  void operator()(void* stream) const {
    forward(stream);
    backward(stream);
  }

 private:
  Forward forward_;
  Backward backward_;
};

template <class Launch>
using CudaForwardBy = CudaSolver<CudaProblem, Launch>;
template <class Launch>
using CudaBackwardBy = CudaSolver<CudaBackwardProblem, Launch>;
template <class Forward, class Backward>
using CudaPassesBy = CudaSolver<CudaBothProblem, PassesInTurn<Forward, Backward>>;

}  // namespace ashlar::flashattention2
