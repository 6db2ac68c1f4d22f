// The baselines' backward passes on a CPU under the checks of test_backward_checks.hpp.
#include <iostream>

#include "baselines/flashattention2/chunked_backward.hpp"
#include "baselines/flashattention2/naive_backward.hpp"
#include "baselines/flashattention2/naive_cuda_model.hpp"
#include "baselines/flashattention2/standard_backward.hpp"
#include "impls/flashattention2/test_backward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

constexpr core::DType kTypes[] = {core::DType::f32, core::DType::bf16, core::DType::f16};

template <class Pass>
void run(const AttentionParams& params) {
  Pass pass(params);
  pass();
}

/// Chunks are of rows; keys are never cut.
void run_chunked(const AttentionParams& params, Index row_block, Index) {
  baselines::ChunkedBackward pass(params, row_block);
  pass();
}

/// Adds a pass made of library products, for the storage types that the library multiplies here;
/// prints why not the others.
void add_unfused(std::vector<BackwardPass>& all, BackwardPass pass,
                 std::optional<std::string> (*unsupported)(const AttentionParams&)) {
  for (const core::DType dtype : kTypes) {
    Problem any({.seqlen_q = 2, .seqlen_k = 2, .dtype = dtype});
    if (const auto reason = unsupported(any.params())) {
      std::cout << "left out: " << pass.name << ", " << core::name_of(dtype) << ": " << *reason
                << "\n";
    } else {
      pass.dtypes.push_back(dtype);
    }
  }
  pass.same_dq = DqBits::always;
  pass.bits_depend_on_threads = "the library may choose kernels, and cut sums, by it";
  if (!pass.dtypes.empty()) all.push_back(pass);
}

}  // namespace

const std::vector<BackwardPass>& backward_passes() {
  using namespace baselines;
  static const std::vector<BackwardPass> passes = [] {
    std::vector<BackwardPass> all{{.name = "naive",
                                   .dtypes = {std::begin(kTypes), std::end(kTypes)},
                                   .run = run<NaiveBackward>,
                                   .features = Features::all(),
                                   .same_dq = DqBits::always},
                                  // What its plan says; the products are plain loops here.
                                  {.name = "naive-cuda, its plan on a CPU",
                                   .dtypes = {core::DType::f32, core::DType::f16},
                                   .run = model_backward,
                                   .bounds = {.stored_scores = true},
                                   .same_dq = DqBits::always}};
    add_unfused(all, {.name = "standard", .run = run<StandardBackward>},
                standard_backward_unsupported);
    add_unfused(all, {.name = "standard-openblas", .run = run<StandardOpenblasBackward>},
                standard_openblas_backward_unsupported);
    add_unfused(all, {.name = "chunked", .run = run<ChunkedBackward>, .run_tiled = run_chunked},
                chunked_backward_unsupported);
    return all;
  }();
  return passes;
}

const std::vector<Index>& backward_head_dims() {
  static const std::vector<Index> dims{64, 40};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
