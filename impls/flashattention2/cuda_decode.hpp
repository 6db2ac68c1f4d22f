#pragma once
// Split-KV decoding on tensor cores of compute capability 8.0 and later (mma.sync): attention of a
// few query rows per sequence; cuda_decode_math.hpp has the design. Head sizes 64 and 128, f16 and
// bf16, sums in float; windows, softcap and packed sequences, no dropout. No CUDA types, so that
// every build reads this header.
#include <cstddef>
#include <optional>
#include <string>

#include "impls/core/cuda/buffer.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_decode_launch.hpp"
#include "impls/flashattention2/cuda_device_memory.hpp"
#include "impls/flashattention2/cuda_solver.hpp"

namespace ashlar::flashattention2 {

/// Why this binary on this machine cannot decode the problem: "not built", "no device: ...", or a
/// shape, type, stride or feature that the kernels lack. Nothing when it can. Host or device
/// pointers.
std::optional<std::string> cuda_decode_unsupported(const AttentionParams& params);

/// What decoding needs of device memory beside the tensors. `splits` as below.
std::size_t cuda_decode_workspace_bytes(const AttentionParams& params, int splits = 0);

/// Decoding of one problem in device memory, checked and ready, with memory for the partial
/// answers. Starting it costs the host two launches.
class CudaDecodeLaunch {
 public:
  /// All pointers are device pointers, those of q, k, v and out aligned to 16 bytes; but cu_seqlens
  /// are on the host. `splits` 0: by the device. Throws std::invalid_argument for what
  /// validate_forward() and cuda_decode_unsupported() name, std::bad_alloc when device memory is
  /// short.
  explicit CudaDecodeLaunch(const AttentionParams& device, int splits = 0);
  /// As CudaSolver wants it.
  static const AttentionParams& supported(const AttentionParams& params, int splits = 0);

  /// Starts the kernels on `stream` (a cudaStream_t; null is the default stream) and returns. One
  /// call at a time. Throws std::runtime_error when a launch fails.
  void operator()(void* stream) const { launch_(plan_, stream); }

 private:
  kernel::DecodePlan plan_;
  kernel::LaunchDecode launch_ = nullptr;
  core::cuda::DeviceBuffer part_lse_, part_out_;
  kernel::PackedOffsets offsets_;
};

/// `splits` as above.
using CudaDecode = CudaForwardBy<CudaDecodeLaunch>;

}  // namespace ashlar::flashattention2
