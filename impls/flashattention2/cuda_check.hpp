#pragma once
// A plain kernel in double precision, to verify large problems where they lie: sampled rows of the
// definition in attention.hpp, nothing tiled, nothing approximated. Itself tested against the CPU
// reference on small shapes.
#include <span>
#include <vector>

#include "impls/flashattention2/attention.hpp"

namespace ashlar::flashattention2 {

struct SampledRow {
  Index batch = 0;
  Index head = 0;  // query head
  Index row = 0;
};

struct SampledAnswers {
  std::vector<double> out;  // (rows, head_dim), not rounded to the storage type
  std::vector<double> lse;  // (rows); +infinity where a row sees no column
};

/// Answers for `rows` of the problem at device pointers; out and lse of the problem are not
/// touched. Takes f32, f16 and bf16, any head size and strides. Device memory: 8 bytes per column
/// and row, for at most 65535 rows at a time. Throws std::out_of_range for a row outside the
/// problem, std::runtime_error when CUDA fails or is not built.
SampledAnswers cuda_check_rows(const AttentionParams& device, std::span<const SampledRow> rows);

}  // namespace ashlar::flashattention2
