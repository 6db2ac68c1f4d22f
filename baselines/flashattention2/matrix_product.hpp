#pragma once
// Matrix products by oneDNN, the strong part of the unfused baselines. Everything about oneDNN is
// behind this header, so that the baselines build, and say why they do not run, without it.
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "impls/core/dtype.hpp"
#include "impls/core/tensor.hpp"

namespace ashlar::flashattention2::baselines {

/// Why products of this storage type are not available (not built in, or not on this CPU); nothing
/// if they are. f32 and bf16 are possible.
std::optional<std::string> product_unsupported(core::DType dtype);

/// The instruction set that oneDNN's kernels use here, "avx512_core_bf16"; nothing without oneDNN.
std::optional<std::string> product_kernel();

/// Rows x columns with any strides, one of which must be 1.
struct MatrixLayout {
  core::Index rows = 0;
  core::Index columns = 0;
  core::Index row_stride = 0;
  core::Index column_stride = 1;
  core::DType dtype = core::DType::f32;
};

/// C = A B for fixed shapes and any pointers. With threads = 1 it is meant to be called by several
/// workers at once, each with its own worker index and scratch; with more, by one worker (0), and
/// the product itself runs in parallel.
class MatrixProduct {
 public:
  /// No extent may be 0. Throws std::runtime_error when oneDNN refuses.
  MatrixProduct(const MatrixLayout& a, const MatrixLayout& b, const MatrixLayout& c, int threads,
                int workers);
  MatrixProduct(MatrixProduct&&) noexcept;
  MatrixProduct& operator=(MatrixProduct&&) noexcept;
  ~MatrixProduct();

  /// Bytes of scratch that each call needs, aligned to 64.
  std::size_t scratch_bytes() const;
  void operator()(int worker, const void* a, const void* b, void* c, void* scratch) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ashlar::flashattention2::baselines
