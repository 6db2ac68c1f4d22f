// The library's backward passes on a CPU under the checks of test_backward_checks.hpp.
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_backward_checks.hpp"

namespace ashlar::flashattention2::testing {

const std::vector<BackwardPass>& backward_passes() {
  static const std::vector<BackwardPass> passes{
      {.name = "reference",
       .dtypes = {core::DType::f32, core::DType::bf16, core::DType::f16},
       .run = reference_backward,
       .features = Features::all(),
       .same_dq = DqBits::always}};
  return passes;
}

const std::vector<Index>& backward_head_dims() {
  static const std::vector<Index> dims{64, 40};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
