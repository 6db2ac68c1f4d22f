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

bool CudaProblem::intact() const {
  return q_.intact() && k_.intact() && v_.intact() && out_.intact() && lse_.intact();
}

}  // namespace ashlar::flashattention2
