#pragma once
// cuBLAS, opened at run time: the binary starts where it is absent, and the baseline says so.
#include <cstdint>
#include <optional>
#include <string>

#include "impls/core/dtype.hpp"

namespace ashlar::flashattention2::baselines {

/// One side of a batched product: column-major matrices (leading dimension in elements), either a
/// fixed step apart or anywhere.
struct BatchedMatrix {
  const void* first = nullptr;       // device memory
  std::int64_t step = 0;             // in elements
  const void* const* all = nullptr;  // instead of both: their addresses, in device memory
  std::int64_t leading = 0;
  bool transposed = false;
};

/// C = alpha op(A) op(B) + beta C for `batch` column-major matrices, m x n x k, C never transposed
/// and, where beta is 0, not read. Elements are of one type (f32, f16, bf16); sums, alpha and beta
/// are float. Addresses for all of a, b and c or for none.
struct BatchedProduct {
  core::DType dtype = core::DType::f32;
  std::int64_t m = 0, n = 0, k = 0, batch = 0;
  float alpha = 1;
  float beta = 0;
  BatchedMatrix a, b, c;
};

/// A cuBLAS handle. The library is opened once for the process and never closed: it keeps threads
/// and a context of its own. Neither copied nor moved.
class Cublas {
 public:
  /// Throws std::runtime_error when the library cannot be opened or makes no handle,
  /// std::bad_alloc when it is for want of memory.
  Cublas();
  ~Cublas();
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  /// Why the library cannot be opened; nothing when it can. Asked once and remembered.
  static const std::optional<std::string>& missing();
  /// The name by which it was opened.
  static const std::string& library_name();

  void set_stream(void* stream);
  /// Starts the product on the stream. Throws std::runtime_error with the status when cuBLAS fails.
  void multiply(const BatchedProduct& product);

 private:
  void* handle_ = nullptr;
  void* stream_ = nullptr;
};

}  // namespace ashlar::flashattention2::baselines
