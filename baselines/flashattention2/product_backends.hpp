#pragma once
// The libraries behind MatrixProduct, one source file each. Internal.
#include "baselines/flashattention2/matrix_product.hpp"

namespace ashlar::flashattention2::baselines {

namespace onednn {
std::optional<std::string> unsupported(core::DType dtype);
std::optional<std::string> kernel();
std::unique_ptr<MatrixProduct::Backend> make(const MatrixLayout& a, const MatrixLayout& b,
                                             const MatrixLayout& c, const ProductPlan& plan,
                                             Update update);
}  // namespace onednn

namespace openblas {
std::optional<std::string> unsupported(core::DType dtype);
std::optional<std::string> kernel();
std::unique_ptr<MatrixProduct::Backend> make(const MatrixLayout& a, const MatrixLayout& b,
                                             const MatrixLayout& c, const ProductPlan& plan,
                                             Update update);
}  // namespace openblas

}  // namespace ashlar::flashattention2::baselines
