#pragma once
// Matrix products by libraries, the strong part of the unfused baselines. Everything about oneDNN
// and OpenBLAS is behind this header, so that the baselines build, and say why they do not run,
// without them.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "impls/core/dtype.hpp"
#include "impls/core/tensor.hpp"

namespace ashlar::flashattention2::baselines {

enum class ProductLibrary : std::uint8_t {
  onednn,    // f32 and bf16; linked at build time
  openblas,  // f32; opened at run time
};

/// Why products of this storage type are not available (no library, or not on this CPU); nothing if
/// they are.
std::optional<std::string> product_unsupported(core::DType dtype,
                                               ProductLibrary library = ProductLibrary::onednn);

/// The instruction set or core type that the library's kernels are for here, "avx512_core_bf16" or
/// "SkylakeX (OpenBLAS 0.3.21, OpenMP)"; nothing without the library.
std::optional<std::string> product_kernel(ProductLibrary library = ProductLibrary::onednn);

/// Rows x columns with any strides, one of which must be 1.
struct MatrixLayout {
  core::Index rows = 0;
  core::Index columns = 0;
  core::Index row_stride = 0;
  core::Index column_stride = 1;
  core::DType dtype = core::DType::f32;
};

inline MatrixLayout dense_layout(core::Index rows, core::Index columns, core::DType dtype) {
  return {rows, columns, columns, 1, dtype};
}

inline MatrixLayout transposed(const MatrixLayout& layout) {
  return {layout.columns, layout.rows, layout.column_stride, layout.row_stride, layout.dtype};
}

/// What becomes of the numbers in C.
enum class Update : std::uint8_t { replace, add };

/// Who computes a product. With threads = 1 it is meant to be called by `workers` at once, each
/// with its own worker index and scratch; with more threads by one worker (0), and the product
/// itself runs in parallel.
struct ProductPlan {
  ProductLibrary library = ProductLibrary::onednn;
  int threads = 1;
  int workers = 1;
};

/// C = A B, or C += A B, for fixed shapes and any pointers.
class MatrixProduct {
 public:
  /// No extent may be 0; the rows of C are contiguous. Throws std::runtime_error when the library
  /// refuses.
  MatrixProduct(const MatrixLayout& a, const MatrixLayout& b, const MatrixLayout& c,
                const ProductPlan& plan, Update update = Update::replace);
  MatrixProduct(MatrixProduct&&) noexcept;
  MatrixProduct& operator=(MatrixProduct&&) noexcept;
  ~MatrixProduct();

  /// Bytes of scratch that each call needs, aligned to 64.
  std::size_t scratch_bytes() const;
  void operator()(int worker, const void* a, const void* b, void* c, void* scratch) const;

  /// What a library does.
  class Backend {
   public:
    virtual ~Backend() = default;
    virtual std::size_t scratch_bytes() const = 0;
    virtual void multiply(int worker, const void* a, const void* b, void* c, void* scratch) = 0;
  };

 private:
  std::unique_ptr<Backend> backend_;
};

}  // namespace ashlar::flashattention2::baselines
