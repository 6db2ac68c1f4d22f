#include "impls/flashattention2/backward_kernels.hpp"

#include <algorithm>

namespace ashlar::flashattention2 {

std::vector<const BackwardKernels*> usable_backward_kernels(core::DType dtype) {
  std::vector<const BackwardKernels*> kernels = detail::float_backward_kernels();
  const BackwardKernels* pairs = detail::bfloat16_backward_kernels();
  if (dtype == core::DType::bf16 && pairs != nullptr) kernels.insert(kernels.begin(), pairs);
  std::erase_if(kernels, [](const BackwardKernels* one) { return !core::may_use(one->isa); });
  return kernels;
}

const BackwardKernels& select_backward_kernels(core::DType dtype, std::optional<core::Isa> limit) {
  const auto usable = usable_backward_kernels(dtype);
  const auto found = std::find_if(usable.begin(), usable.end(), [&](const BackwardKernels* one) {
    return !limit || one->isa <= *limit;
  });
  return found != usable.end() ? **found : *usable.back();  // the last one is the base of the build
}

}  // namespace ashlar::flashattention2
