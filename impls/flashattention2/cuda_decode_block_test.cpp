// The decoding kernels' own code, run thread by thread on a CPU model of a thread block, against
// the double precision reference.
#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "impls/flashattention2/cuda_decode_block.hpp"
#include "impls/flashattention2/cuda_decode_plan.hpp"
#include "impls/flashattention2/cuda_model_checks.hpp"

namespace ashlar::flashattention2::decoding_on_model {
namespace {

using kernel::CombineBlock;
using kernel::DecodeBlock;
using kernel::DecodeConfig;
using kernel::ModelThread;
using testing::Problem;
using testing::Shape;

constexpr core::DType kHalf = core::DType::f16;
constexpr core::DType kBrain = core::DType::bf16;

template <class Element, int HeadDim>
void run_kernels(const kernel::DecodePlan& plan, bool falling) {
  using Config = DecodeConfig<HeadDim>;
  using Machine = ModelThread<Element>;
  using Combine = CombineBlock<Config, Machine>;
  testing::run_on_model<DecodeBlock<Config, Machine>, Machine>(
      plan.arguments, plan.parts, Config::kThreads, Config::kSharedBytes, falling);
  testing::run_on_model<Combine, Machine>(plan.arguments, plan.rows, Combine::kThreads, 0, falling);
}

void run_once(const AttentionParams& params, int splits, bool falling) {
  REQUIRE_FALSE(kernel::decode_unsupported(params));
  kernel::DecodePlan plan = kernel::decode_plan(params, 2, splits);
  const PartialLayout& layout = plan.arguments.layout;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> lse(static_cast<std::size_t>(layout.lse_floats()), kNan);
  std::vector<float> out(static_cast<std::size_t>(layout.out_floats()), kNan);
  plan.arguments.part_lse = lse.data();
  plan.arguments.part_out = out.data();
  if (params.packed()) {
    plan.arguments.features.cu_seqlens_q = params.cu_seqlens_q.data();
    plan.arguments.features.cu_seqlens_k = params.cu_seqlens_k.data();
  }
  const bool narrow = params.head_dim() == 64;
  if (params.q.dtype == kHalf) {
    narrow ? run_kernels<core::Float16, 64>(plan, falling)
           : run_kernels<core::Float16, 128>(plan, falling);
  } else {
    narrow ? run_kernels<core::BFloat16, 64>(plan, falling)
           : run_kernels<core::BFloat16, 128>(plan, falling);
  }
}

/// In one split, in a few, and in more than there are blocks of keys, with the first warp ahead of
/// the others or with the last one.
void check(Problem& problem, const AttentionParams& params) {
  for (const int splits : {1, 3, 7}) {
    INFO("splits " << splits);
    problem.poison();
    run_once(params, splits, /*falling=*/splits == 3);
    testing::check_rows(params);
  }
}

void check_shape(const Shape& shape) {
  INFO(describe(shape));
  Problem problem(shape);
  check(problem, problem.params());
}

}  // namespace

TEST_CASE("decoding on the model: one row, lengths around blocks, both head sizes and types") {
  for (const Index keys : {1, 15, 64, 65, 300}) {
    check_shape({1, keys, 64, true, kHalf});
    check_shape({1, keys, 128, false, kBrain});
  }
}

TEST_CASE("decoding on the model: groups, batches, more rows than a tile has") {
  check_shape({1, 200, 64, true, kBrain, 2, 8, 2});
  check_shape({1, 130, 128, true, kHalf, 1, 20, 1});
  check_shape({5, 140, 64, true, kHalf, 1, 12, 3});
  check_shape({33, 70, 128, false, kBrain});
}

TEST_CASE("decoding on the model: rows that see nothing, no keys") {
  check_shape({5, 2, 64, true, kHalf});
  check_shape({3, 0, 128, false, kBrain});
}

TEST_CASE("decoding on the model: windows and softcap") {
  check_shape({1, 500, 64, true, kHalf, 1, 4, 1, {100, -1}});
  check_shape({4, 200, 128, false, kBrain, 1, 2, 1, {30, 9}});
  check_shape({1, 150, 64, true, kHalf, 1, 4, 2, {}, 3.0F});
}

TEST_CASE("decoding on the model: packed sequences, some empty") {
  const std::vector<testing::Lengths> lengths{{1, 5}, {0, 9}, {1, 330}, {3, 0}, {0, 0}, {2, 130}};
  check_shape(testing::packed_shape({1, 1, 64, true, kHalf, 1, 6, 2}, lengths));
  check_shape(testing::packed_shape({1, 1, 128, false, kBrain, 1, 1, 1}, lengths));
}

TEST_CASE("decoding on the model: maxima of 1e5 that rise and fall from key to key") {
  for (const double slope : {20.0, -20.0}) {
    Problem problem({1, 400, 64, false, kHalf});
    testing::assign(problem.q.any(), [](Index, Index, Index, Index) { return 16.0; });
    testing::assign(problem.k.any(), [slope](Index, Index c, Index, Index) {
      return slope * std::floor(double(c) / 8);
    });
    check(problem, problem.params());
  }
}

TEST_CASE("decoding on the model: what lies behind the last key is not read") {
  Problem problem({1, 70, 64, false, kHalf, 2, 2, 1});
  AttentionParams params = problem.params();
  const testing::Tailed keys(problem.k, 128);
  const testing::Tailed values(problem.v, 128);
  params.k = keys.view();
  params.v = values.view();
  check(problem, params);
}

}  // namespace ashlar::flashattention2::decoding_on_model
