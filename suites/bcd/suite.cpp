#include "suites/bcd/suite.hpp"

#include <string>

#include "impls/core/simd.hpp"
#include "suites/bcd/experiments.hpp"

namespace ashlar::bcd::suite {

namespace {

model::Suite::Kernels kernels() {
  return {{"isa", std::string(core::name_of(core::usable_isa()))},
          {"highway", std::string(core::highway_target())}};
}

}  // namespace

model::Suite make() {
  model::Suite suite("bcd",
                     "Let's Make Block Coordinate Descent Converge Faster (Nutini et al. 2022)");
  suite.kernels(kernels);
  suite.seconds(model::Mode::quick, 17);  // of 20 with calibration and reports
  declare_figures(suite);
  declare_theory(suite);
  declare_iterations(suite);
  declare_large(suite);
  declare_batch(suite);
  declare_forests(suite);
  declare_forest_sweep(suite);
  declare_lattice(suite);
  declare_lasso(suite);
  declare_label_propagation(suite);
  declare_logistic(suite);
  declare_own_data(suite);
  declare_own_lasso(suite);
  suite.validate();
  return suite;
}

}  // namespace ashlar::bcd::suite
