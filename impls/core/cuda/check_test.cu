// How CUDA's results become exceptions; needs no device.
#include <catch2/catch.hpp>

#include <new>
#include <stdexcept>

#include "impls/core/cuda/check.cuh"

namespace ashlar::core::cuda {

TEST_CASE("short memory is std::bad_alloc, other errors name the call") {
  CHECK_NOTHROW(check(cudaSuccess, "call", "file", 1));
  CHECK_THROWS_AS(check(cudaErrorMemoryAllocation, "call", "file", 1), std::bad_alloc);
  CHECK_THROWS_WITH(check(cudaErrorInvalidValue, "cudaFree(p)", "a.cu", 7),
                    Catch::Contains("cudaFree(p) at a.cu:7: cudaErrorInvalidValue"));
}

}  // namespace ashlar::core::cuda
