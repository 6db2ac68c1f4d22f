#pragma once
// cuBLAS, opened at run time: the binary starts where it is absent, and the baseline says so.
#include <cstdint>
#include <optional>
#include <string>

#include "impls/core/cuda/library.hpp"
#include "impls/core/dtype.hpp"

namespace ashlar::flashattention2::baselines {

/// One side of a batched product: a column-major matrix (leading dimension in elements) and the
/// step from one matrix of the batch to the next.
struct BatchedMatrix {
  const void* data = nullptr;
  std::int64_t leading = 0;
  std::int64_t step = 0;
  bool transposed = false;
};

/// C = alpha op(A) op(B) for `batch` column-major matrices, m x n x k, C never transposed. Elements
/// are of one type (f32, f16, bf16); sums and alpha are float.
struct BatchedProduct {
  core::DType dtype = core::DType::f32;
  std::int64_t m = 0, n = 0, k = 0, batch = 0;
  float alpha = 1;
  BatchedMatrix a, b, c;
};

/// A cuBLAS handle. Move-only.
class Cublas {
 public:
  /// Throws std::runtime_error when the library cannot be opened or makes no handle.
  Cublas();
  ~Cublas();
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  /// Why the library cannot be opened; nothing when it can. Asked once and remembered.
  static const std::optional<std::string>& missing();

  void set_stream(void* stream);
  /// Starts the product on the stream. Throws std::runtime_error with the status when cuBLAS fails.
  void multiply(const BatchedProduct& product);
  const std::string& library_name() const { return library_.name(); }

 private:
  void check(int status, const char* call) const;

  core::cuda::DynamicLibrary library_;
  void* handle_ = nullptr;
};

}  // namespace ashlar::flashattention2::baselines
