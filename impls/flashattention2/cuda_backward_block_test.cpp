// The backward kernels' own code, run thread by thread on a CPU model of a thread block, against
// gradients in double precision. The passes are handed out and lse of the reference.
#include <catch2/catch.hpp>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "impls/flashattention2/cuda_backward_model_checks.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::backward_on_model {
namespace {

using kernel::BackwardConfig;
using kernel::ModelThread;
using kernel::PassKind;
using testing::Problem;
using testing::Shape;

constexpr core::DType kHalf = core::DType::f16;
constexpr core::DType kBrain = core::DType::bf16;
/// Few, so that a deterministic pass has blocks with several column blocks.
constexpr int kMultiprocessors = 2;

template <class Element, int HeadDim>
void run_kind(const kernel::BackwardPlan& plan, bool falling) {
  using testing::run_backward_on_model;
  using Machine = ModelThread<Element>;
  switch (plan.kind) {
    case PassKind::full:
      return run_backward_on_model<BackwardConfig<HeadDim, PassKind::full>, Machine>(plan, falling);
    case PassKind::causal:
      return run_backward_on_model<BackwardConfig<HeadDim, PassKind::causal>, Machine>(plan,
                                                                                       falling);
    case PassKind::general:
      return run_backward_on_model<BackwardConfig<HeadDim, PassKind::general>, Machine>(plan,
                                                                                        falling);
  }
}

template <class Element>
void run_head_dim(const kernel::BackwardPlan& plan, Index head_dim, bool falling) {
  if (head_dim == 64) return run_kind<Element, 64>(plan, falling);
  head_dim == 96 ? run_kind<Element, 96>(plan, falling) : run_kind<Element, 128>(plan, falling);
}

void run_model(const AttentionParams& params, bool falling) {
  REQUIRE_FALSE(kernel::backward_unsupported(params));
  kernel::BackwardPlan plan = kernel::backward_plan(params, kMultiprocessors);
  const testing::ModelWorkspace workspace(plan, params);
  params.q.dtype == kHalf ? run_head_dim<core::Float16>(plan, params.head_dim(), falling)
                          : run_head_dim<core::BFloat16>(plan, params.head_dim(), falling);
}

std::vector<std::uint16_t> bits_of(std::initializer_list<const core::Tensor<4>*> tensors) {
  std::vector<std::uint16_t> bits;
  for (const core::Tensor<4>* tensor : tensors) {
    const auto* const first = static_cast<const std::uint16_t*>(tensor->data());
    bits.insert(bits.end(), first, first + tensor->size());
  }
  return bits;
}

/// Both modes, one with the first warp ahead of the others and one with the last: a missing barrier
/// is seen in one of the two at least. dk and dv do not depend on the mode.
void check(Problem& problem) {
  reference_forward(problem.params());
  AttentionParams params = problem.params();
  std::vector<std::uint16_t> bits;
  for (const bool deterministic : {false, true}) {
    INFO((deterministic ? "deterministic" : "in any order"));
    params.deterministic = deterministic;
    problem.poison_gradients();
    run_model(params, deterministic);
    testing::check_gradients(params);
    if (deterministic) {
      const bool same = bits_of({&problem.dk, &problem.dv}) == bits;
      CHECK(same);
    }
    bits = bits_of({&problem.dk, &problem.dv});
  }
}

void check_shape(const Shape& shape) {
  INFO(describe(shape));
  Problem problem(shape);
  check(problem);
}

}  // namespace

TEST_CASE("the backward kernel's code on the model: one tile, ragged, both head sizes and types") {
  check_shape({1, 1, 64, false, kHalf});
  check_shape({113, 203, 64, false, kBrain});
  check_shape({70, 217, 128, false, kHalf});
  check_shape({3, 299, 128, true, kBrain});
}

TEST_CASE(
    "the backward kernel's code on the model: causal, rows that see nothing, no rows, no keys") {
  check_shape({5, 2, 64, true, kHalf});
  check_shape({200, 70, 64, true, kBrain});
  check_shape({140, 132, 128, true, kHalf});
  check_shape({7, 0, 64, false, kHalf});
  check_shape({0, 7, 128, false, kHalf});
}

TEST_CASE("the backward kernel's code on the model: several heads, groups and batches") {
  check_shape({20, 130, 64, true, kBrain, 2, 2, 1});
  check_shape({10, 65, 128, false, kHalf, 1, 3, 1});
}

TEST_CASE("the backward kernel's code on the model: head size 96") {
  check_shape({1, 1, 96, false, kHalf});
  check_shape({113, 140, 96, false, kBrain});
  check_shape({140, 132, 96, true, kHalf, 1, 2, 1});
  check_shape({5, 2, 96, true, kBrain});
  check_shape({100, 90, 96, false, kHalf, 1, 1, 1, {20, 3}});
  check_shape({40, 70, 96, true, kHalf, 1, 1, 1, {}, 2.0F});
  const Dropout dropout{.probability = 0.3F, .seed = 9, .offset = 5};
  check_shape({70, 100, 96, true, kBrain, 1, 1, 1, {}, 0, dropout});
  check_shape(testing::packed_shape({1, 1, 96, true, kHalf, 1, 2, 1}, {{1, 5}, {0, 9}, {70, 60}}));
}

TEST_CASE("the backward kernel's code on the model: windows") {
  check_shape({150, 300, 64, false, kHalf, 1, 1, 1, {40, 7}});
  check_shape({100, 140, 128, true, kBrain, 1, 1, 1, {0, -1}});
  check_shape({100, 90, 64, false, kHalf, 1, 1, 1, {-1, 3}});
}

TEST_CASE("the backward kernel's code on the model: softcap") {
  for (const float softcap : {0.5F, 5.0F}) {
    check_shape({40, 150, 64, true, kHalf, 1, 1, 1, {}, softcap});
  }
  check_shape({40, 70, 128, false, kBrain, 1, 2, 1, {}, 2.0F});
}

TEST_CASE("the backward kernel's code on the model: dropout") {
  const Dropout dropout{.probability = 0.3F, .seed = 0x123456789abcdefULL, .offset = 5};
  check_shape({140, 100, 64, false, kHalf, 1, 1, 1, {}, 0, dropout});
  check_shape({70, 100, 128, true, kBrain, 2, 1, 1, {}, 0, dropout});
}

TEST_CASE("the backward kernel's code on the model: packed sequences, some empty") {
  const std::vector<testing::Lengths> lengths{{1, 5}, {0, 9}, {70, 60}, {3, 0}, {0, 0}, {5, 130}};
  check_shape(testing::packed_shape({1, 1, 64, true, kHalf, 1, 2, 1}, lengths));
  check_shape(testing::packed_shape({1, 1, 128, false, kBrain}, lengths));
}

TEST_CASE("the backward kernel's code on the model: scores of 1e4") {
  Problem problem({70, 140, 64, false, kHalf});
  testing::assign(problem.q.any(), [](Index, Index r, Index, Index d) {
    return d == static_cast<Index>(r) % 64 ? 300.0 : 1.0;
  });
  testing::assign(problem.k.any(), [](Index, Index c, Index, Index d) {
    return d == static_cast<Index>(c) % 64 ? 250.0 : -0.5;
  });
  check(problem);
}

TEST_CASE("the backward kernel's code on the model: what lies behind the last row is not read") {
  for (const core::DType dtype : {kHalf, kBrain}) {
    Problem problem({40, 70, 64, false, dtype, 2, 2, 1});
    reference_forward(problem.params());
    AttentionParams params = problem.params();
    const testing::Tailed keys(problem.k, 128);
    const testing::Tailed values(problem.v, 128);
    const testing::Tailed queries(problem.q, 128);
    const testing::Tailed gradients(problem.dout, 128);
    params.k = keys.view();
    params.v = values.view();
    params.q = queries.view();
    params.dout = gradients.view();
    run_model(params, false);
    testing::check_gradients(problem.params());
  }
}

TEST_CASE(
    "the backward kernel's code on the model: deterministic dq has the same bits every time") {
  Problem problem({70, 300, 64, true, kHalf});
  reference_forward(problem.params());
  AttentionParams params = problem.params();
  params.deterministic = true;
  run_model(params, false);
  const std::vector<std::uint16_t> rising = bits_of({&problem.dq});
  problem.poison_gradients();
  run_model(params, true);
  const bool same = bits_of({&problem.dq}) == rising;
  CHECK(same);
}

TEST_CASE("places of dQ's sums: a permutation of the tile") {
  const auto check_places = []<class Config>(Config) {
    std::vector<int> seen(static_cast<std::size_t>(Config::kRows * Config::kHeadDim));
    for (int row = 0; row < Config::kRows; ++row) {
      for (int element = 0; element < Config::kHeadDim; ++element) {
        ++seen.at(static_cast<std::size_t>(kernel::query_gradient_place<Config>(row, element)));
      }
    }
    CHECK(std::count(seen.begin(), seen.end(), 1) == static_cast<std::ptrdiff_t>(seen.size()));
  };
  check_places(BackwardConfig<64, PassKind::full>());
  check_places(BackwardConfig<96, PassKind::full>());
  check_places(BackwardConfig<128, PassKind::full>());
}

TEST_CASE("row blocks of packed sequences: none shared, all inside") {
  for (const int rows : {64, 128}) {
    for (const std::vector<int>& lengths : {std::vector<int>{1, 0, 64, 63, 65, 128},
                                            std::vector<int>{0, 0, 0}, std::vector<int>{127}}) {
      int first = 0;
      int free = 0;  // the first block that nobody has yet
      for (std::size_t i = 0; i < lengths.size(); ++i) {
        const int begin = kernel::packed_row_block(first, static_cast<int>(i), rows);
        CHECK(begin >= free);
        free = begin + kernel::ceil_div(lengths[i], rows);
        first += lengths[i];
      }
      CHECK(free <= kernel::padded_row_blocks(true, first, static_cast<int>(lengths.size()), rows));
    }
  }
}

}  // namespace ashlar::flashattention2::backward_on_model
