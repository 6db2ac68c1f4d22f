// The wgmma kernels' own code on the CPU model of a multiprocessor, against the double precision
// reference: every rung, and what they take from tensors.
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include "impls/flashattention2/cuda_model_checks.hpp"
#include "impls/flashattention2/cuda_wgmma_block.hpp"
#include "impls/flashattention2/cuda_wgmma_model.hpp"
#include "impls/flashattention2/cuda_wgmma_plan.hpp"

namespace ashlar::flashattention2::wgmma_model {
namespace {

using kernel::WgmmaConfig;
using testing::check_rows;
using testing::Problem;
using testing::Shape;

constexpr core::DType kHalf = core::DType::f16;
constexpr core::DType kBrain = core::DType::bf16;
constexpr int kMultiprocessors = 3;

template <class Element, class Config>
void run_blocks(const AttentionParams& params, bool falling) {
  using Machine = kernel::WgmmaThread<Element>;
  std::array<int, 2> counters{};
  kernel::WgmmaPlan plan = kernel::wgmma_plan(params, kMultiprocessors);
  plan.arguments.next_tile = counters.data();
  for (unsigned block = 0; block < plan.blocks; ++block) {
    kernel::WgmmaModel model(Config::kThreads, Config::kSharedBytes, {block, 0, 0}, plan.blocks,
                             falling);
    model.run([&](int thread) {
      Machine machine(model, thread);
      kernel::WgmmaBlock<Config, Machine> work(machine, plan.arguments, plan.tensors);
      work.run();
      if (!machine.idle()) throw std::logic_error("a product was never waited for");
    });
  }
  REQUIRE(counters == std::array<int, 2>{});
}

template <class Element, WgmmaRung Rung>
void run_rung(const AttentionParams& params, bool falling) {
  if (params.head_dim() == 64) {
    params.causal ? run_blocks<Element, WgmmaConfig<64, true, Rung>>(params, falling)
                  : run_blocks<Element, WgmmaConfig<64, false, Rung>>(params, falling);
  } else {
    params.causal ? run_blocks<Element, WgmmaConfig<128, true, Rung>>(params, falling)
                  : run_blocks<Element, WgmmaConfig<128, false, Rung>>(params, falling);
  }
}

template <WgmmaRung Rung>
void check(const Shape& shape) {
  INFO("Nq " << shape.seqlen_q << " Nk " << shape.seqlen_k << " d " << shape.head_dim << " causal "
             << shape.causal << " rung " << static_cast<int>(Rung));
  for (const bool falling : {false, true}) {
    Problem problem(shape);
    const AttentionParams params = problem.params();
    if (shape.dtype == kHalf) {
      REQUIRE_FALSE(kernel::wgmma_shapes_unsupported(params, Rung));
      run_rung<core::Float16, Rung>(params, falling);
    } else {
      REQUIRE_FALSE(kernel::wgmma_shapes_unsupported(params, WgmmaRung::overlapped));
      run_rung<core::BFloat16, Rung>(params, falling);
    }
    check_rows(params);
  }
}

}  // namespace

TEST_CASE("wgmma on the model: every rung, tiles that are ragged, masks") {
  const auto check_all = [](const Shape& shape) {
    check<WgmmaRung::plain>(shape);
    check<WgmmaRung::specialised>(shape);
    check<WgmmaRung::ping_pong>(shape);
    check<WgmmaRung::overlapped>(shape);
    check<WgmmaRung::unspecialised>(shape);
  };
  check_all({200, 530, 128, false, kHalf});
  check_all({200, 410, 64, true, kHalf});
}

TEST_CASE("wgmma on the model: the other masks and head sizes of every rung") {
  check<WgmmaRung::plain>({193, 300, 64, false, kHalf});
  check<WgmmaRung::specialised>({193, 300, 64, false, kHalf});
  check<WgmmaRung::ping_pong>({193, 300, 64, false, kHalf});
  check<WgmmaRung::unspecialised>({193, 300, 64, false, kHalf});
  check<WgmmaRung::plain>({130, 390, 128, true, kHalf});
  check<WgmmaRung::specialised>({130, 390, 128, true, kHalf});
  check<WgmmaRung::ping_pong>({130, 390, 128, true, kHalf});
  check<WgmmaRung::unspecialised>({130, 390, 128, true, kHalf});
}

TEST_CASE("wgmma on the model: one row, one column, no column") {
  check<WgmmaRung::overlapped>({1, 1, 64, false, kHalf});
  check<WgmmaRung::overlapped>({1, 1, 128, true, kBrain});
  check<WgmmaRung::overlapped>({3, 0, 128, false, kHalf});
  check<WgmmaRung::plain>({3, 0, 64, false, kHalf});
}

TEST_CASE("wgmma on the model: whole tiles of more queries than keys see nothing") {
  check<WgmmaRung::overlapped>({400, 70, 128, true, kBrain});
  check<WgmmaRung::unspecialised>({400, 70, 64, true, kHalf});
}

TEST_CASE("wgmma on the model: batches and groups of heads, more tiles than thread blocks") {
  check<WgmmaRung::overlapped>({150, 150, 64, true, kBrain, 2, 4, 2});
  check<WgmmaRung::overlapped>({130, 200, 128, false, kBrain, 2, 2, 1});
  check<WgmmaRung::plain>({130, 140, 128, true, kHalf, 1, 4, 2});
}

TEST_CASE("wgmma on the model: parts of other tensors, and great scores") {
  Problem problem({140, 290, 128, false, kHalf, 1, 4, 2});
  AttentionParams params = problem.params();
  params.scale = 8;
  params.q.shape[2] = params.out.shape[2] = params.lse.shape[1] = 2;  // every second head is left
  params.k.shape[2] = params.v.shape[2] = 1;
  params.q.strides[2] = params.out.strides[2] = 2 * 128;
  REQUIRE_FALSE(kernel::wgmma_shapes_unsupported(params, WgmmaRung::overlapped));
  run_rung<core::Float16, WgmmaRung::overlapped>(params, true);
  check_rows(params);
}

TEST_CASE("what the wgmma kernels do not compute is named") {
  const auto reason = [](const Shape& shape, WgmmaRung rung = WgmmaRung::overlapped) {
    Problem problem(shape);
    return kernel::wgmma_shapes_unsupported(problem.params(), rung).value_or("");
  };
  CHECK(reason({8, 8, 96, false, kHalf}) == "head size 96 (64, 128 only)");
  CHECK(reason({8, 8, 64, false, core::DType::f32}) == "element type f32 (f16 and bf16 only)");
  CHECK(reason({8, 8, 64, false, kBrain}, WgmmaRung::ping_pong) ==
        "element type bf16 (f16 only below the last rung)");
  CHECK(reason({8, 8, 64, false, kBrain}).empty());
  Problem shared({8, 8, 64, false, kHalf, 1, 2, 2});
  AttentionParams params = shared.params();
  params.k.strides[2] = 0;  // one head of K for all
  CHECK(kernel::wgmma_shapes_unsupported(params, WgmmaRung::overlapped) ==
        "a stride of 0 over several elements");
  Shape windowed{8, 8, 64, false, kHalf};
  windowed.window = {2, 2};
  CHECK_FALSE(reason(windowed).empty());
}

namespace {

/// What one warpgroup does with an empty block of shared memory; the message of what the model
/// throws.
template <class Body>
std::string refusal(const Body& body) {
  constexpr int kBytes = 64 * 128 + 64 * 128 + 64;
  kernel::WgmmaModel model(kernel::kWarpgroupSize, kBytes, {}, 1, false);
  std::fill(model.shared().begin(), model.shared().end(), static_cast<unsigned char>(0));
  try {
    model.run([&](int thread) {
      kernel::WgmmaThread<core::Float16> machine(model, thread);
      float c[32] = {};
      body(machine, c, kernel::depth_major_descriptor(0), kernel::depth_major_descriptor(64 * 128));
    });
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the model refuses products that are not fenced, or touched before they are waited for") {
  const auto product = [](auto& machine, float(&c)[32], std::uint64_t a, std::uint64_t b) {
    machine.begin_products(c);
    machine.template multiply_shared<64>(c, a, b, false);
    machine.commit_products();
  };
  CHECK(refusal([&](auto& machine, float(&c)[32], std::uint64_t a, std::uint64_t b) {
          product(machine, c, a, b);
          machine.template wait_products<0>(c);
        }).empty());
  CHECK(refusal([](auto& machine, float(&c)[32], std::uint64_t a, std::uint64_t b) {
          machine.template multiply_shared<64>(c, a, b, false);
        }) == "a product is started without wgmma.fence before");
  CHECK(refusal([&](auto& machine, float(&c)[32], std::uint64_t a, std::uint64_t b) {
          product(machine, c, a, b);
          c[3] = 1;
          machine.template wait_products<0>(c);
        }) == "accumulators changed under a product");
  CHECK(refusal([&](auto& machine, float(&c)[32], std::uint64_t a, std::uint64_t b) {
          product(machine, c, a, b);
          machine.barrier();
          machine.store_word(64 * 128, 5);
          machine.template wait_products<0>(c);
        }) == "shared memory changed under a product");
  CHECK(refusal([&](auto& machine, float(&c)[32], std::uint64_t a, std::uint64_t b) {
          product(machine, c, a + (machine.thread() == 70 ? 64 : 0), b);
        }) == "the threads of a warpgroup name different matrices");
  CHECK(refusal([](auto& machine, float(&)[32], std::uint64_t, std::uint64_t) {
          machine.sync_pair(1);
        }) == "the threads of the block wait for each other forever");
}

}  // namespace ashlar::flashattention2::wgmma_model
