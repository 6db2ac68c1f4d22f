#pragma once
#include <string>

namespace ashlar::model {

/// What one execution does, as the suite's formulas say.
struct Work {
  double flops = 0;               // nominal floating-point operations (the paper's formula)
  double bytes = 0;               // least traffic to memory
  std::string precision = "f32";  // which measured peak bounds it: f32 or bf16 (also for f16)
};

}  // namespace ashlar::model
