#include "baselines/flashattention2/matrix_product.hpp"

#include "baselines/flashattention2/product_backends.hpp"

namespace ashlar::flashattention2::baselines {

std::optional<std::string> product_unsupported(core::DType dtype, ProductLibrary library) {
  return library == ProductLibrary::onednn ? onednn::unsupported(dtype)
                                           : openblas::unsupported(dtype);
}

std::optional<std::string> product_kernel(ProductLibrary library) {
  return library == ProductLibrary::onednn ? onednn::kernel() : openblas::kernel();
}

MatrixProduct::MatrixProduct(const MatrixLayout& a, const MatrixLayout& b, const MatrixLayout& c,
                             const ProductPlan& plan, Update update)
    : backend_(plan.library == ProductLibrary::onednn ? onednn::make(a, b, c, plan, update)
                                                      : openblas::make(a, b, c, plan, update)) {}

MatrixProduct::MatrixProduct(MatrixProduct&&) noexcept = default;
MatrixProduct& MatrixProduct::operator=(MatrixProduct&&) noexcept = default;
MatrixProduct::~MatrixProduct() = default;

std::size_t MatrixProduct::scratch_bytes() const { return backend_->scratch_bytes(); }

void MatrixProduct::operator()(int worker, const void* a, const void* b, void* c,
                               void* scratch) const {
  backend_->multiply(worker, a, b, c, scratch);
}

}  // namespace ashlar::flashattention2::baselines
