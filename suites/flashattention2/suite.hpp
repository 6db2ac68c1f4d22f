#pragma once
#include "harness/model/suite.hpp"

namespace ashlar::flashattention2::suite {

/// Experiment "forward": see README.md in this folder.
model::Suite make();

}  // namespace ashlar::flashattention2::suite
