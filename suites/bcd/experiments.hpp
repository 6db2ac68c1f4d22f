#pragma once
// The parts of the suite.
#include "harness/model/suite.hpp"

namespace ashlar::bcd::suite {

// What declarations are made of.
using model::Better;
using model::Device;
using model::Expected;
using model::Method;
using model::Mode;
using model::Outcome;
using model::Point;
using model::Stream;
using model::StudyBuilder;
using model::Support;
using model::TensorView;
using model::Tier;
using model::Tolerances;
using model::Value;
using model::Work;

void declare_figures(model::Suite& suite);
void declare_theory(model::Suite& suite);
void declare_iterations(model::Suite& suite);
void declare_large(model::Suite& suite);
void declare_batch(model::Suite& suite);
void declare_forests(model::Suite& suite);
void declare_forest_sweep(model::Suite& suite);
void declare_lasso(model::Suite& suite);
void declare_lattice(model::Suite& suite);
void declare_label_propagation(model::Suite& suite);
void declare_logistic(model::Suite& suite);
void declare_own_data(model::Suite& suite);
void declare_own_lasso(model::Suite& suite);

}  // namespace ashlar::bcd::suite
