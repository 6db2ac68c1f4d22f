#pragma once
// Test support: all thread blocks of a kernel on the CPU model, and its answers held against the
// double precision reference.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "impls/flashattention2/cuda_machine_model.hpp"
#include "impls/flashattention2/reference.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::testing {

/// Block is a class of Machine and Arguments with a run(); thread blocks run one after the other.
template <class Block, class Machine, class Arguments>
void run_on_model(const Arguments& arguments, const kernel::GridIndex& grid, int threads,
                  int shared_bytes, bool falling) {
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        kernel::BlockModel model(threads, shared_bytes, {x, y, z}, falling);
        model.run([&](int thread) {
          Machine machine(model, thread);
          Block block(machine, arguments);
          block.run();
        });
      }
    }
  }
}

/// Everything that a pass writes.
inline std::vector<double> answer_of(const AttentionParams& params) {
  std::vector<double> answer;
  for (Index b = 0; b < params.batch(); ++b) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < params.seqlen_q(); ++r) {
        for (Index d = 0; d < params.head_dim(); ++d) {
          answer.push_back(read(params.out, b, r, h, d));
        }
        answer.push_back(params.lse(b, h, r));
      }
    }
  }
  return answer;
}

/// One row of out and lse. The bound covers the rounding of P and of the output.
inline void check_row(const AttentionParams& params, const Sequence& sequence, Index head,
                      Index row) {
  const double unit = params.q.dtype == core::DType::f16 ? 0x1p-11 : 0x1p-8;
  const RowResult expected = reference_row(params, sequence.id, head, row);
  const Index place = sequence.first_q + row;
  const float lse = params.lse(sequence.batch, head, place);
  INFO("sequence " << sequence.id << " head " << head << " row " << row);
  if (std::isinf(expected.lse)) {
    REQUIRE(lse == std::numeric_limits<float>::infinity());
  } else {
    // A few roundings of numbers as large as lse itself.
    REQUIRE(std::abs(lse - expected.lse) < 1e-4 + 0x1p-22 * std::abs(expected.lse));
  }
  double worst = 0;
  double size = 0;
  for (Index d = 0; d < params.head_dim(); ++d) {
    const double value = read(params.out, sequence.batch, place, head, d);
    const double wanted = expected.out[static_cast<std::size_t>(d)];
    worst = std::isnan(value) ? INFINITY : std::max(worst, std::abs(value - wanted));
    size = std::max(size, std::abs(wanted));
  }
  REQUIRE(worst <= 4 * unit * size);
}

inline void check_rows(const AttentionParams& params) {
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    for (Index head = 0; head < params.heads_q(); ++head) {
      for (Index row = 0; row < sequence.seqlen_q; ++row) check_row(params, sequence, head, row);
    }
  }
}

/// run(falling) of a forward pass, its answer checked: with the first warp ahead of the others and
/// with the last one. A missing barrier is seen in one of the two at least, and the bits must not
/// depend on the order.
template <class Run>
void check_in_both_orders(Problem& problem, const Run& run) {
  const AttentionParams params = problem.params();
  std::vector<double> answers[2];
  for (const bool falling : {false, true}) {
    problem.poison();
    run(falling);
    check_rows(params);
    answers[falling ? 1 : 0] = answer_of(params);
  }
  const bool same = answers[0] == answers[1];
  CHECK(same);
}

}  // namespace ashlar::flashattention2::testing
