#include "baselines/flashattention2/cublas.hpp"

#include <stdexcept>

namespace ashlar::flashattention2::baselines {
namespace {

// Values of cuBLAS's stable binary interface; its headers are no dependency of the build.
constexpr int kNotTransposed = 0;
constexpr int kTransposed = 1;
constexpr int kComputeFloat = 68;
constexpr int kDefaultAlgorithm = -1;

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

using CreateFunction = int (*)(void**);
using DestroyFunction = int (*)(void*);
using SetStreamFunction = int (*)(void*, void*);
using StatusNameFunction = const char* (*)(int);
using MultiplyFunction = int (*)(void*, int, int, int, int, int, const void*, const void*, int, int,
                                 long long, const void*, int, int, long long, const void*, void*,
                                 int, int, long long, int, int, int);

core::cuda::DynamicLibrary open() {
  return core::cuda::DynamicLibrary({"libcublas.so.13", "libcublas.so.12", "libcublas.so"});
}

int operation(const BatchedMatrix& matrix) {
  return matrix.transposed ? kTransposed : kNotTransposed;
}

}  // namespace

Cublas::Cublas() : library_(open()) {
  check(library_.function<CreateFunction>("cublasCreate_v2")(&handle_), "cublasCreate_v2");
}

Cublas::~Cublas() {
  // Found once already when the handle was made; a destructor must not throw.
  try {
    library_.function<DestroyFunction>("cublasDestroy_v2")(handle_);
  } catch (const std::runtime_error&) {
    handle_ = nullptr;
  }
}

const std::optional<std::string>& Cublas::missing() {
  static const std::optional<std::string> reason = []() -> std::optional<std::string> {
    try {
      open();
      return std::nullopt;
    } catch (const std::runtime_error& error) {
      return std::string("no cuBLAS: ") + error.what();
    }
  }();
  return reason;
}

void Cublas::set_stream(void* stream) {
  check(library_.function<SetStreamFunction>("cublasSetStream_v2")(handle_, stream),
        "cublasSetStream_v2");
}

void Cublas::multiply(const BatchedProduct& p) {
  const int type = cuda_type(p.dtype);
  const float beta = 0;
  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  const int status = library_.function<MultiplyFunction>("cublasGemmStridedBatchedEx")(
      handle_, operation(p.a), operation(p.b), narrow(p.m), narrow(p.n), narrow(p.k), &p.alpha,
      p.a.data, type, narrow(p.a.leading), p.a.step, p.b.data, type, narrow(p.b.leading), p.b.step,
      &beta, const_cast<void*>(p.c.data), type, narrow(p.c.leading), p.c.step, narrow(p.batch),
      kComputeFloat, kDefaultAlgorithm);
  check(status, "cublasGemmStridedBatchedEx");
}

void Cublas::check(int status, const char* call) const {
  if (status == 0) return;
  const auto name = library_.function<StatusNameFunction>("cublasGetStatusString");
  throw std::runtime_error(std::string(call) + ": " + name(status) + " (" + library_.name() + ")");
}

}  // namespace ashlar::flashattention2::baselines
