// FlashAttention-1's schedule and single ideas switched off, on a GPU, under the checks of
// test_forward_checks.hpp and test_backward_checks.hpp. Without a device the tables are empty and
// say why.
#include "baselines/flashattention2/fa1_cuda.hpp"
#include "impls/flashattention2/cuda_ablations.hpp"
#include "impls/flashattention2/test_backward_checks.hpp"
#include "impls/flashattention2/test_cuda_passes.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

template <class Pass>
ForwardPass forward_pass(const char* name) {
  return {.name = name,
          .dtypes = {core::DType::f16, core::DType::bf16},
          .run = run_on_device<Pass>,
          .bounds = {.lse = 1e-4}};
}

}  // namespace

const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = []() -> std::vector<ForwardPass> {
    if (skipped_without_device()) return {};
    return {forward_pass<CudaHeadsOnly>("heads-only-mma"),
            forward_pass<CudaSplitKeys>("split-keys-mma"),
            forward_pass<baselines::Fa1CudaForward>("fa1-mma")};
  }();
  return passes;
}

const std::vector<BackwardPass>& backward_passes() {
  static const std::vector<BackwardPass> passes = []() -> std::vector<BackwardPass> {
    if (skipped_without_device()) return {};
    return {{.name = "fa1-mma",
             .dtypes = {core::DType::f16, core::DType::bf16},
             .run = run_on_device<baselines::Fa1CudaBackward>,
             .same_dq = DqBits::always}};
  }();
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 128};
  return dims;
}

const std::vector<Index>& backward_head_dims() { return head_dims(); }

}  // namespace ashlar::flashattention2::testing
