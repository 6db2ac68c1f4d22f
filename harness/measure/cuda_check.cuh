#pragma once
// Errors of the CUDA runtime as exceptions, for the harness alone (it knows nothing of impls/).
#include <cuda_runtime_api.h>

#include <new>
#include <stdexcept>
#include <string>

namespace ashlar::measure {

/// Short memory is std::bad_alloc, which is recorded as "out of memory" and not as a failure.
inline void check_cuda(cudaError_t result, const char* call, const char* file, int line) {
  if (result == cudaSuccess) return;
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is reported; the check after the next launch must not see it again
    throw std::bad_alloc();
  }
  throw std::runtime_error(std::string(call) + " at " + file + ":" + std::to_string(line) + ": " +
                           cudaGetErrorName(result) + " (" + cudaGetErrorString(result) + ")");
}

}  // namespace ashlar::measure

#define ASHLAR_MEASURE_CHECK(call) ::ashlar::measure::check_cuda((call), #call, __FILE__, __LINE__)
