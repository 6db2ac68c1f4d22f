// Split-KV decoding under the checks of test_forward_checks.hpp, whose shapes reach from one row to
// a thousand.
#include "impls/flashattention2/decode.hpp"
#include "impls/flashattention2/test_forward_checks.hpp"

namespace ashlar::flashattention2::testing {
namespace {

ForwardPass decoding(core::Isa isa, Index splits) {
  ForwardPass pass;
  pass.name = "decoding on " + std::string(name_of(isa)) + " in " + std::to_string(splits);
  for (const core::DType dtype : {core::DType::f32, core::DType::bf16, core::DType::f16}) {
    for (const core::Isa one : decode_isas(dtype)) {
      if (one == isa) pass.dtypes.push_back(dtype);
    }
  }
  pass.run = [isa, splits](const AttentionParams& params) {
    DecodeWorkspace workspace(params, {.splits = splits, .isa = isa});
    decode_forward(params, workspace);
  };
  pass.features = Features::all();
  return pass;
}

}  // namespace

const std::vector<ForwardPass>& forward_passes() {
  static const std::vector<ForwardPass> passes = [] {
    std::vector<ForwardPass> all;
    for (const core::Isa isa : {core::Isa::avx2, core::Isa::avx512}) {
      if (!core::may_use(isa)) continue;
      all.push_back(decoding(isa, 5));
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
