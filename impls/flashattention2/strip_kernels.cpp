#include "impls/flashattention2/strip_kernels.hpp"

#include <algorithm>

namespace ashlar::flashattention2 {

std::vector<const StripKernels*> usable_strip_kernels(core::DType dtype) {
  std::vector<const StripKernels*> kernels = detail::float_strip_kernels();
  const StripKernels* pairs = detail::bfloat16_strip_kernels();
  if (dtype == core::DType::bf16 && pairs != nullptr) kernels.insert(kernels.begin(), pairs);
  std::erase_if(kernels, [](const StripKernels* one) { return !core::may_use(one->isa); });
  return kernels;
}

const StripKernels& select_strip_kernels(core::DType dtype, std::optional<core::Isa> limit) {
  const auto usable = usable_strip_kernels(dtype);
  const auto found = std::find_if(usable.begin(), usable.end(), [&](const StripKernels* one) {
    return !limit || one->isa <= *limit;
  });
  return found != usable.end() ? **found : *usable.back();  // the last one is the base of the build
}

}  // namespace ashlar::flashattention2
