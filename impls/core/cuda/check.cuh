#pragma once
// Errors of the CUDA runtime as exceptions. Only for files that nvcc compiles.
#include <cuda_runtime_api.h>

#include <new>
#include <stdexcept>
#include <string>

namespace ashlar::core::cuda {

/// When result is an error: throws std::bad_alloc if the device's memory is short, which whoever
/// runs it can tell from a failure, else std::runtime_error with the call, its place and the
/// error's name.
inline void check(cudaError_t result, const char* call, const char* file, int line) {
  if (result == cudaSuccess) return;
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is reported; the check after the next launch must not see it again
    throw std::bad_alloc();
  }
  throw std::runtime_error(std::string(call) + " at " + file + ":" + std::to_string(line) + ": " +
                           cudaGetErrorName(result) + " (" + cudaGetErrorString(result) + ")");
}

}  // namespace ashlar::core::cuda

/// A macro, since only the preprocessor can quote the call.
#define ASHLAR_CUDA_CHECK(call) ::ashlar::core::cuda::check((call), #call, __FILE__, __LINE__)
/// After a kernel launch: the launch's own errors, such as too much shared memory.
#define ASHLAR_CUDA_CHECK_LAUNCH(kernel) \
  ::ashlar::core::cuda::check(cudaGetLastError(), "launch of " kernel, __FILE__, __LINE__)
