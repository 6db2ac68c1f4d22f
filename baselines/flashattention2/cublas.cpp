#include "baselines/flashattention2/cublas.hpp"

#include <new>
#include <stdexcept>

#include "impls/core/cuda/library.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

// Values of cuBLAS's stable binary interface; its headers are no dependency of the build.
constexpr int kNotTransposed = 0;
constexpr int kTransposed = 1;
constexpr int kComputeFloat = 68;
constexpr int kDefaultAlgorithm = -1;
constexpr int kAllocationFailed = 3;

int cuda_type(core::DType dtype) {
  switch (dtype) {
    case core::DType::f16:
      return 2;
    case core::DType::bf16:
      return 14;
    case core::DType::f32:
      return 0;
    default:
      throw std::invalid_argument("cuBLAS baseline: element type " +
                                  std::string(core::name_of(dtype)));
  }
}

struct Functions {
  int (*create)(void** handle);
  int (*destroy)(void* handle);
  int (*set_stream)(void* handle, void* stream);
  const char* (*status_text)(int status);
  int (*multiply_strided)(void* handle, int operation_a, int operation_b, int m, int n, int k,
                          const void* alpha, const void* a, int type_a, int leading_a,
                          long long step_a, const void* b, int type_b, int leading_b,
                          long long step_b, const void* beta, void* c, int type_c, int leading_c,
                          long long step_c, int batch, int compute, int algorithm);
  int (*multiply_scattered)(void* handle, int operation_a, int operation_b, int m, int n, int k,
                            const void* alpha, const void* const a[], int type_a, int leading_a,
                            const void* const b[], int type_b, int leading_b, const void* beta,
                            void* const c[], int type_c, int leading_c, int batch, int compute,
                            int algorithm);
};

struct Library {
  std::optional<std::string> missing;
  std::string name;
  const core::cuda::DynamicLibrary* file = nullptr;  // never deleted, so never closed
  Functions call{};
};

Library open() {
  Library opened;
  try {
    // The loader does not look into the toolkit's folder by itself.
    opened.file = new core::cuda::DynamicLibrary(
        {"libcublas.so.13", "libcublas.so.12", "libcublas.so",
         "/usr/local/cuda/lib64/libcublas.so.13", "/usr/local/cuda/lib64/libcublas.so.12",
         "/usr/local/cuda/lib64/libcublas.so"});
    opened.name = opened.file->name();
    const auto find = [&opened]<class Function>(Function& function, const char* symbol) {
      function = opened.file->template function<Function>(symbol);
    };
    find(opened.call.create, "cublasCreate_v2");
    find(opened.call.destroy, "cublasDestroy_v2");
    find(opened.call.set_stream, "cublasSetStream_v2");
    find(opened.call.status_text, "cublasGetStatusString");
    find(opened.call.multiply_strided, "cublasGemmStridedBatchedEx");
    find(opened.call.multiply_scattered, "cublasGemmBatchedEx");
  } catch (const std::runtime_error& error) {
    opened.missing = std::string("no cuBLAS: ") + error.what();
  }
  return opened;
}

const Library& library() {
  static const Library opened = open();
  return opened;
}

void check(int status, const char* call) {
  if (status == 0) return;
  if (status == kAllocationFailed) throw std::bad_alloc();
  throw std::runtime_error(std::string(call) + ": " + library().call.status_text(status) + " (" +
                           library().name + ")");
}

int operation(const BatchedMatrix& matrix) {
  return matrix.transposed ? kTransposed : kNotTransposed;
}

int narrow(std::int64_t value) { return static_cast<int>(value); }

}  // namespace

Cublas::Cublas() {
  if (missing()) throw std::runtime_error(*missing());
  check(library().call.create(&handle_), "cublasCreate_v2");
}

Cublas::~Cublas() { library().call.destroy(handle_); }

const std::optional<std::string>& Cublas::missing() { return library().missing; }

const std::string& Cublas::library_name() { return library().name; }

void Cublas::set_stream(void* stream) {
  if (stream == stream_) return;  // a new handle has the default stream, null
  check(library().call.set_stream(handle_, stream), "cublasSetStream_v2");
  stream_ = stream;
}

void Cublas::multiply(const BatchedProduct& p) {
  const int type = cuda_type(p.dtype);
  if (p.c.all == nullptr) {
    check(library().call.multiply_strided(
              handle_, operation(p.a), operation(p.b), narrow(p.m), narrow(p.n), narrow(p.k),
              &p.alpha, p.a.first, type, narrow(p.a.leading), p.a.step, p.b.first, type,
              narrow(p.b.leading), p.b.step, &p.beta, const_cast<void*>(p.c.first), type,
              narrow(p.c.leading), p.c.step, narrow(p.batch), kComputeFloat, kDefaultAlgorithm),
          "cublasGemmStridedBatchedEx");
    return;
  }
  check(library().call.multiply_scattered(
            handle_, operation(p.a), operation(p.b), narrow(p.m), narrow(p.n), narrow(p.k),
            &p.alpha, p.a.all, type, narrow(p.a.leading), p.b.all, type, narrow(p.b.leading),
            &p.beta, const_cast<void* const*>(p.c.all), type, narrow(p.c.leading), narrow(p.batch),
            kComputeFloat, kDefaultAlgorithm),
        "cublasGemmBatchedEx");
}

}  // namespace ashlar::flashattention2::baselines
