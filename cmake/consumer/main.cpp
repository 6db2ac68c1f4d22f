// Attention on a small causal problem through the public headers: the optimized answer must agree
// with the reference.
#include <array>
#include <cmath>
#include <cstdio>
#include <string>

#include "impls/core/tensor.hpp"
#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/reference.hpp"

int main() {
  using ashlar::core::DType;
  using ashlar::core::Index;
  using ashlar::core::Tensor;
  namespace fa2 = ashlar::flashattention2;
  constexpr Index kRows = 40, kHeads = 2, kHeadDim = 64;

  const std::array<Index, 4> shape{1, kRows, kHeads, kHeadDim};
  Tensor<4> q(DType::f32, shape), k(DType::f32, shape), v(DType::f32, shape);
  Tensor<4> expected(DType::f32, shape), out(DType::f32, shape);
  Tensor<3> lse(DType::f32, {1, kHeads, kRows});
  for (Index i = 0; i < q.size(); ++i) {
    const auto x = static_cast<float>(i);
    q.view<float>().data[i] = std::sin(0.37f * x);
    k.view<float>().data[i] = std::cos(0.11f * x);
    v.view<float>().data[i] = std::sin(0.05f * x + 1.0f);
  }

  fa2::AttentionParams params;
  params.q = q.any();
  params.k = k.any();
  params.v = v.any();
  params.out = expected.any();
  params.lse = lse.view<float>();
  params.scale = 0.125f;
  params.causal = true;
  fa2::reference_forward(params);

  params.out = out.any();
  fa2::ForwardWorkspace workspace(params);
  fa2::optimized_forward(params, workspace);

  float worst = 0;
  for (Index i = 0; i < out.size(); ++i) {
    worst = std::fmax(worst, std::fabs(out.view<float>().data[i] - expected.view<float>().data[i]));
  }
  std::printf("ashlar::flashattention2 with %s: largest difference from the reference %.2g\n",
              std::string(ashlar::core::name_of(workspace.isa())).c_str(),
              static_cast<double>(worst));
  return worst < 1e-5f ? 0 : 1;
}
