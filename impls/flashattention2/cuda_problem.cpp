#include "impls/flashattention2/cuda_problem.hpp"

#include "impls/core/cuda/device.hpp"

namespace ashlar::flashattention2 {
namespace {

template <class View>
core::cuda::DeviceTensor device_copy(const View& view, core::DType dtype, bool upload) {
  return {view.data, core::size_of(dtype), view.shape, view.strides, upload};
}

const AttentionParams& validated(const AttentionParams& params) {
  validate_forward(params);
  return params;
}

const AttentionParams& validated_gradients(const AttentionParams& params) {
  validate_backward(params);
  return params;
}

}  // namespace

CudaProblem::CudaProblem(const AttentionParams& host)
    : host_(validated(host)),
      q_(device_copy(host.q, host.q.dtype, true)),
      k_(device_copy(host.k, host.k.dtype, true)),
      v_(device_copy(host.v, host.v.dtype, true)),
      out_(device_copy(host.out, host.out.dtype, false)),
      lse_(device_copy(host.lse, core::DType::f32, false)),
      device_(host) {
  device_.q.data = q_.data();
  device_.k.data = k_.data();
  device_.v.data = v_.data();
  device_.out.data = out_.data();
  device_.lse.data = static_cast<float*>(lse_.data());
}

void CudaProblem::poison() {
  out_.poison();
  lse_.poison();
}

void CudaProblem::fetch() {
  core::cuda::synchronize();
  out_.fetch(host_.out.data);
  lse_.fetch(host_.lse.data);
}

std::size_t CudaProblem::tensor_bytes() const {
  return q_.bytes() + k_.bytes() + v_.bytes() + out_.bytes() + lse_.bytes();
}

bool CudaProblem::intact() const {
  return q_.intact() && k_.intact() && v_.intact() && out_.intact() && lse_.intact();
}

CudaGradientProblem::CudaGradientProblem(const AttentionParams& host, Passes passes)
    : host_(validated_gradients(host)),
      passes_(passes),
      q_(device_copy(host.q, host.q.dtype, true)),
      k_(device_copy(host.k, host.k.dtype, true)),
      v_(device_copy(host.v, host.v.dtype, true)),
      out_(device_copy(host.out, host.out.dtype, passes == Passes::backward)),
      lse_(device_copy(host.lse, core::DType::f32, passes == Passes::backward)),
      dout_(device_copy(host.dout, host.dout.dtype, true)),
      dq_(device_copy(host.dq, host.dq.dtype, false)),
      dk_(device_copy(host.dk, host.dk.dtype, false)),
      dv_(device_copy(host.dv, host.dv.dtype, false)),
      device_(host) {
  device_.q.data = q_.data();
  device_.k.data = k_.data();
  device_.v.data = v_.data();
  device_.out.data = out_.data();
  device_.lse.data = static_cast<float*>(lse_.data());
  device_.dout.data = dout_.data();
  device_.dq.data = dq_.data();
  device_.dk.data = dk_.data();
  device_.dv.data = dv_.data();
}

void CudaGradientProblem::poison() {
  for (core::cuda::DeviceTensor* gradient : {&dq_, &dk_, &dv_}) gradient->poison();
  if (passes_ == Passes::backward) return;
  out_.poison();
  lse_.poison();
}

void CudaGradientProblem::fetch() {
  core::cuda::synchronize();
  dq_.fetch(host_.dq.data);
  dk_.fetch(host_.dk.data);
  dv_.fetch(host_.dv.data);
  if (passes_ == Passes::backward) return;
  out_.fetch(host_.out.data);
  lse_.fetch(host_.lse.data);
}

std::size_t CudaGradientProblem::tensor_bytes() const {
  const auto bytes = [](const auto&... tensors) { return (tensors.bytes() + ...); };
  return bytes(q_, k_, v_, out_, lse_, dout_, dq_, dk_, dv_);
}

bool CudaGradientProblem::intact() const {
  const auto intact = [](const auto&... tensors) { return (tensors.intact() && ...); };
  return intact(q_, k_, v_, out_, lse_, dout_, dq_, dk_, dv_);
}

}  // namespace ashlar::flashattention2
