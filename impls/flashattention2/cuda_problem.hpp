#pragma once
#include "impls/core/cuda/device_tensor.hpp"
#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

/// A problem's tensors on the GPU. Whatever computes attention there takes params().
class CudaProblem {
 public:
  /// Copies q, k and v to the device; out and lse start poisoned. The host tensors must outlive
  /// this object, since fetch() writes to them. Throws what validate_forward() throws,
  /// std::invalid_argument for negative strides, std::bad_alloc when device memory is short,
  /// std::runtime_error when CUDA fails or there is no device.
  explicit CudaProblem(const AttentionParams& host);

  /// The same shapes and strides, with device pointers.
  const AttentionParams& params() const { return device_; }
  /// Device memory of all tensors, with the guards around each.
  std::size_t tensor_bytes() const;
  /// Fills out and lse with NaN.
  void poison();
  /// Waits for the device and copies out and lse to the host tensors.
  void fetch();
  /// False when something was written outside the elements of any tensor.
  bool intact() const;

 private:
  AttentionParams host_;
  core::cuda::DeviceTensor q_, k_, v_, out_, lse_;
  AttentionParams device_;
};

/// Those of the backward pass, or of both passes in turn.
class CudaGradientProblem {
 public:
  enum class Passes {
    backward,  // out and lse are inputs
    both,      // and here outputs as well
  };

  /// Copies the inputs to the device; the outputs start poisoned. The host tensors must outlive
  /// this object. Throws what validate_backward() throws, and else what CudaProblem throws.
  CudaGradientProblem(const AttentionParams& host, Passes passes);

  const AttentionParams& params() const { return device_; }
  /// Device memory of all tensors, with the guards around each.
  std::size_t tensor_bytes() const;
  void poison();
  void fetch();
  bool intact() const;

 private:
  AttentionParams host_;
  Passes passes_;
  core::cuda::DeviceTensor q_, k_, v_, out_, lse_, dout_, dq_, dk_, dv_;
  AttentionParams device_;
};

class CudaBackwardProblem : public CudaGradientProblem {
 public:
  explicit CudaBackwardProblem(const AttentionParams& host)
      : CudaGradientProblem(host, Passes::backward) {}
};

class CudaBothProblem : public CudaGradientProblem {
 public:
  explicit CudaBothProblem(const AttentionParams& host) : CudaGradientProblem(host, Passes::both) {}
};

}  // namespace ashlar::flashattention2
