#include "suites/flashattention2/suite.hpp"

#include "baselines/flashattention2/matrix_product.hpp"
#include "impls/core/simd.hpp"
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/models.hpp"

namespace ashlar::flashattention2::suite {

namespace {

model::Suite::Kernels kernels() {
  model::Suite::Kernels chosen{{"isa", std::string(core::name_of(core::usable_isa()))},
                               {"highway", std::string(core::highway_target())}};
  using baselines::ProductLibrary;
  if (const auto kernel = baselines::product_kernel(ProductLibrary::onednn)) {
    chosen["onednn"] = *kernel;
  }
  if (const auto kernel = baselines::product_kernel(ProductLibrary::openblas)) {
    chosen["openblas"] = *kernel;
  }
  return chosen;
}

}  // namespace

model::Suite make() {
  model::Suite suite("flashattention2", "FlashAttention-2 (Dao 2023)");
  // The paper's grid, both passes, with peers and sweeps: more than the default's 12 minutes.
  suite.kernels(kernels)
      .seconds(model::Mode::full, 2700)
      .seconds(model::Mode::quick, 40)
      .seconds(model::Mode::gpu, 240);
  declare_models(suite);
  declare_operations(suite);
  declare_forward(suite);
  declare_backward(suite);
  declare_both(suite);
  declare_decode(suite);
  declare_schedule(suite);
  declare_loop_order(suite);
  declare_tiles(suite);
  declare_tiles_mma(suite);
  declare_heads(suite);
  declare_ladder(suite);
  declare_hopper_ladder(suite);
  declare_accuracy(suite);
  declare_transformer(suite);
  suite.validate();
  return suite;
}

}  // namespace ashlar::flashattention2::suite
