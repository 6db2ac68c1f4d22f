// The baselines on a CPU under the checks of test_forward_checks.hpp.
#include <iostream>

#include "baselines/flashattention2/chunked.hpp"
#include "baselines/flashattention2/fa1_order.hpp"
#include "baselines/flashattention2/naive.hpp"
#include "baselines/flashattention2/naive_cuda_model.hpp"
#include "baselines/flashattention2/standard.hpp"
#include "impls/flashattention2/optimized.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

constexpr core::DType kTypes[] = {core::DType::f32, core::DType::bf16, core::DType::f16};

template <class Forward>
void run(const AttentionParams& params) {
  Forward forward(params);
  forward();
}

ForwardPass fa1_order(core::Isa isa) {
  ForwardPass pass;
  pass.name = "fa1-order on " + std::string(name_of(isa));
  for (const core::DType dtype : kTypes) {
    for (const core::Isa one : optimized_isas(dtype)) {
      if (one == isa) pass.dtypes.push_back(dtype);
    }
  }
  pass.run_tiled = [isa](const AttentionParams& params, Index key_block) {
    baselines::Fa1Workspace workspace(params, {.key_block = key_block, .isa = isa});
    baselines::fa1_forward(params, workspace);
  };
  pass.run = [isa](const AttentionParams& params) {
    baselines::Fa1Workspace workspace(params, {.isa = isa});
    baselines::fa1_forward(params, workspace);
  };
  return pass;
}

/// Storage types that oneDNN multiplies here; prints why not the others.
std::vector<core::DType> multiplied_types() {
  std::vector<core::DType> types;
  for (const core::DType dtype : kTypes) {
    Problem any({.seqlen_q = 2, .seqlen_k = 2, .dtype = dtype});
    if (const auto reason = baselines::standard_unsupported(any.params())) {
      std::cout << "left out: standard and chunked, " << core::name_of(dtype) << ": " << *reason
                << "\n";
    } else {
      types.push_back(dtype);
    }
  }
  return types;
}

}  // namespace

const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = [] {
    std::vector<ForwardPass> all{{.name = "naive",
                                  .dtypes = {std::begin(kTypes), std::end(kTypes)},
                                  .run = run<baselines::NaiveForward>,
                                  .features = Features::all()}};
    const std::vector<core::DType> types = multiplied_types();
    // They agree where this was written, but nothing says that they must.
    const std::string onednn = "oneDNN may choose kernels, and cut sums, by it";
    all.push_back({.name = "standard",
                   .dtypes = types,
                   .run = run<baselines::StandardForward>,
                   .bits_depend_on_threads = onednn,
                   .bits_depend_on_strides = onednn});
    all.push_back({.name = "chunked",
                   .dtypes = types,
                   .run = run<baselines::ChunkedForward>,
                   .bits_depend_on_threads = onednn,
                   .bits_depend_on_strides = onednn});
    if (Problem any({.seqlen_q = 2, .seqlen_k = 2});
        const auto reason = baselines::standard_openblas_unsupported(any.params())) {
      std::cout << "left out: standard on OpenBLAS: " << *reason << "\n";
    } else {
      const std::string openblas = "OpenBLAS may cut sums by it";
      all.push_back({.name = "standard-openblas",
                     .dtypes = {core::DType::f32},
                     .run = run<baselines::StandardOpenblasForward>,
                     .bits_depend_on_threads = openblas,
                     .bits_depend_on_strides = openblas});
    }
    // What its plan says; the products are plain loops here.
    all.push_back({.name = "naive-cuda, its plan on a CPU",
                   .dtypes = {core::DType::f32, core::DType::f16},
                   .run = baselines::model_forward,
                   .bounds = {.lse = 2e-5, .stored_scores = true}});
    for (const core::Isa isa : {core::Isa::avx2, core::Isa::avx512, core::Isa::avx512_bf16}) {
      if (core::may_use(isa)) all.push_back(fa1_order(isa));
    }
    return all;
  }();
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 40};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
