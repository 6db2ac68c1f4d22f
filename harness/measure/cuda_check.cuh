#pragma once
// Errors of the CUDA runtime as exceptions, for the harness alone (it knows nothing of impls/).
#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace ashlar::measure {

inline void check_cuda(cudaError_t result, const char* call, const char* file, int line) {
  if (result == cudaSuccess) return;
  throw std::runtime_error(std::string(call) + " at " + file + ":" + std::to_string(line) + ": " +
                           cudaGetErrorName(result) + " (" + cudaGetErrorString(result) + ")");
}

}  // namespace ashlar::measure

#define ASHLAR_MEASURE_CHECK(call) ::ashlar::measure::check_cuda((call), #call, __FILE__, __LINE__)
