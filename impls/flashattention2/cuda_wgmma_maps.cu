// Tensor maps are encoded by the driver, whose function is asked for by name at run time: the
// binary starts where there is no driver.
#include <cuda.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "impls/core/cuda/check.cuh"
#include "impls/flashattention2/cuda_wgmma_launch.hpp"

namespace ashlar::flashattention2::kernel {
namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

Encode encode_function() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result{};
  constexpr unsigned kSince = 12000;  // version of the interface
  ASHLAR_CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, kSince,
                                                     cudaEnableDefault, &result));
  if (result != cudaDriverEntryPointSuccess || function == nullptr) {
    throw std::runtime_error("the CUDA driver has no tensor maps; it is older than 12.0");
  }
  return reinterpret_cast<Encode>(function);
}

CUtensorMap encode(const BoxTensor& tensor, CUtensorMapDataType type) {
  static const Encode function = encode_function();
  const auto size = [](int n) { return static_cast<cuuint64_t>(std::max(n, 1)); };
  // The stride of an axis of one element is 0 here, and may be anything legal there.
  const cuuint64_t row_bytes = 2 * size(tensor.head_dim);
  const auto stride = [row_bytes](std::int64_t elements) {
    return elements == 0 ? row_bytes : 2 * static_cast<cuuint64_t>(elements);
  };
  const cuuint64_t sizes[4] = {size(tensor.head_dim), size(tensor.rows), size(tensor.heads),
                               size(tensor.batch)};
  const cuuint64_t strides[3] = {stride(tensor.strides.row), stride(tensor.strides.head),
                                 stride(tensor.strides.batch)};
  const cuuint32_t box[4] = {kBoxElements, static_cast<cuuint32_t>(tensor.box_rows), 1, 1};
  const cuuint32_t steps[4] = {1, 1, 1, 1};
  CUtensorMap map;
  const CUresult result =
      function(&map, type, 4, const_cast<std::uint16_t*>(tensor.data), sizes, strides, box, steps,
               CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw std::runtime_error("cuTensorMapEncodeTiled: error " +
                             std::to_string(static_cast<int>(result)));
  }
  return map;
}

}  // namespace

EncodedMaps encode_maps(const WgmmaTensors& tensors, bool half) {
  const CUtensorMapDataType type =
      half ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  const CUtensorMap maps[3] = {encode(tensors.q, type), encode(tensors.k, type),
                               encode(tensors.v, type)};
  EncodedMaps encoded;
  static_assert(sizeof(maps) == sizeof(encoded.bytes));
  std::memcpy(encoded.bytes.data(), maps, sizeof(maps));
  return encoded;
}

}  // namespace ashlar::flashattention2::kernel
