// All variants of tiled attention under the checks of test_forward_checks.hpp.
#include "impls/flashattention2/test_forward_checks.hpp"
#include "impls/flashattention2/tiled.hpp"

namespace ashlar::flashattention2::testing {
namespace {

ForwardPass tiled(const std::string& name, const TiledOptions& options,
                  const std::vector<core::DType>& dtypes = {core::DType::f32}) {
  return {.name = name,
          .dtypes = dtypes,
          .run = [options](const AttentionParams& params) { tiled_forward(params, options); },
          .run_tiled =
              [options](const AttentionParams& params, Index key_block) {
                TiledOptions other = options;
                other.key_block = key_block;
                tiled_forward(params, other);
              },
          .features = Features::all(),
          .most_pairs = 40'000};
}

}  // namespace

const std::vector<ForwardPass>& forward_passes() {
  // Variants between the two differ from them in how they sum in float, whatever is stored.
  const std::vector<core::DType> all{core::DType::f32, core::DType::bf16, core::DType::f16};
  static const std::vector<ForwardPass> passes{
      tiled("fa2", fa2_options(), all),
      tiled("fa1", fa1_options(), all),
      tiled("fa2, rescaled in every block",
            {.row_block = 16, .key_block = 32, .rescale = Rescale::every_block}),
      tiled("fa2, columns outside",
            {.row_block = 24, .key_block = 40, .order = LoopOrder::columns_outside}),
      tiled("fa2, warps split keys",
            {.row_block = 7, .key_block = 50, .split = Split::keys, .warps = 3}),
      tiled("fa2, masked blocks visited",
            {.row_block = 128, .key_block = 16, .skip_masked_blocks = false})};
  return passes;
}

const std::vector<Index>& head_dims() {
  static const std::vector<Index> dims{64, 40};
  return dims;
}

}  // namespace ashlar::flashattention2::testing
