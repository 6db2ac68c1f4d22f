// Tiled attention: what it executes equals the formulas, whatever the shape, and its variants give
// one answer.
#include "impls/flashattention2/tiled.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2::testing {
namespace {

/// All eight variants.
std::vector<TiledOptions> variants(const TiledOptions& base) {
  std::vector<TiledOptions> all;
  for (const LoopOrder order : {LoopOrder::rows_outside, LoopOrder::columns_outside}) {
    for (const Rescale rescale : {Rescale::delayed, Rescale::every_block}) {
      for (const Split split : {Split::queries, Split::keys}) {
        TiledOptions options = base;
        options.order = order;
        options.rescale = rescale;
        options.split = split;
        all.push_back(options);
      }
    }
  }
  return all;
}

TiledCounts executed(const Shape& shape, const TiledOptions& options) {
  Problem problem(shape);
  TiledCounts counts;
  tiled_forward(problem.params(), options, &counts);
  return counts;
}

TiledCounts predicted(const Shape& shape, const TiledOptions& options) {
  Problem problem(shape);
  return tiled_formula(problem.params(), options);
}

/// Without masks and with whole tiles.
Shape square(Index length, Index head_dim, bool causal = false) {
  return {length, length, head_dim, causal};
}

std::vector<std::uint8_t> answer(Problem& problem, const TiledOptions& options) {
  problem.poison();
  tiled_forward(problem.params(), options);
  std::vector<std::uint8_t> bytes(problem.out.bytes() + problem.lse.bytes());
  std::memcpy(bytes.data(), problem.out.data(), problem.out.bytes());
  std::memcpy(bytes.data() + problem.out.bytes(), problem.lse.data(), problem.lse.bytes());
  return bytes;
}

}  // namespace

TEST_CASE("counts: what runs equals the formulas, for all variants, shapes and tiles", "[tiled]") {
  const std::vector<Lengths> lengths{{1, 1},   {1, 39},  {3, 79}, {33, 33}, {64, 64},
                                     {50, 96}, {96, 50}, {5, 2},  {8, 0},   {0, 8}};
  const std::vector<Window> windows{{}, {0, 0}, {7, 3}, {-1, 5}, {20, -1}};
  bool all_equal = true;
  Index compared = 0;
  for (const Lengths& length : lengths) {
    for (const Window& window : windows) {
      for (const bool causal : {false, true}) {
        Shape shape{length.q, length.k, 4, causal, core::DType::f32, 1, 2, 1};
        shape.window = window;
        Problem problem(shape);
        for (const auto& [rows, keys, warps] :
             {std::array<Index, 3>{16, 16, 4}, {8, 32, 2}, {32, 7, 3}, {5, 100, 4}}) {
          for (const bool skip : {true, false}) {
            for (const TiledOptions& options : variants({.row_block = rows,
                                               .key_block = keys,
                                               .warps = warps,
                                               .skip_masked_blocks = skip,
                                               .threads = 1})) {
              TiledCounts counts;
              tiled_forward(problem.params(), options, &counts);
              all_equal = all_equal && counts == tiled_formula(problem.params(), options);
              ++compared;
            }
          }
        }
      }
    }
  }
  CHECK(all_equal);
  CHECK(compared == 10 * 5 * 2 * 4 * 2 * 8);
}

TEST_CASE("counts: packed sequences and batches add up", "[tiled]") {
  Shape shape{0, 0, 4, true, core::DType::f32, 1, 2, 1};
  shape.window = {9, 0};
  shape = packed_shape(shape, {{5, 7}, {0, 3}, {4, 0}, {0, 0}, {30, 50}, {50, 30}});
  for (const TiledOptions& options : variants({.row_block = 8, .key_block = 16})) {
    CHECK(executed(shape, options) == predicted(shape, options));
  }
  const Shape one{20, 30, 4, true, core::DType::f32, 1, 1, 1};
  Shape six = one;
  six.batch = 2;
  six.heads_q = 3;
  TiledCounts sum;
  for (int i = 0; i < 6; ++i) sum += executed(one, {.row_block = 8, .key_block = 8});
  CHECK(executed(six, {.row_block = 8, .key_block = 8}) == sum);
}

TEST_CASE("counts: causal tiles visit min(Tc, ceil((i + 1) Br / Bc)) blocks", "[tiled]") {
  for (const auto& [rows, keys] : {std::pair<Index, Index>{16, 16}, {16, 64}, {64, 16}, {32, 48}}) {
    const Index length = 192;
    Index blocks = 0;
    for (Index i = 0; i < length / rows; ++i) {
      blocks += std::min(length / keys, ((i + 1) * rows + keys - 1) / keys);
    }
    const TiledOptions options{.row_block = rows, .key_block = keys};
    const TiledCounts counts = executed(square(length, 8, true), options);
    CHECK(counts.visited_blocks == blocks);
    CHECK(counts.matmul_flops == blocks * rows * keys * 4 * 8);
    TiledOptions all = options;
    all.skip_masked_blocks = false;
    CHECK(executed(square(length, 8, true), all).visited_blocks ==
          (length / rows) * (length / keys));
    // Both orders of the loops visit the same tiles.
    TiledOptions columns = options;
    columns.order = LoopOrder::columns_outside;
    CHECK(executed(square(length, 8, true), columns).visited_blocks == blocks);
  }
}

TEST_CASE("counts: full attention is 4 Nq Nk d floating-point operations", "[tiled]") {
  for (const TiledOptions& options : variants({.row_block = 24, .key_block = 40})) {
    CHECK(executed({70, 90, 16}, options).matmul_flops == 4 * 70 * 90 * 16);
  }
}

TEST_CASE("counts: elementwise operations per row and block, worked examples", "[tiled]") {
  // Bc = 128, d = 64: 768 with an update in every block, 576 with one division at the end (-25 %);
  // Bc = 64, d = 128: 768 and 384 (-50 %).
  struct Example {
    Index key_block, head_dim, every_block, delayed;
  };
  for (const Example& example : {Example{128, 64, 768, 576}, Example{64, 128, 768, 384}}) {
    const Index length = 256;
    const Index row_visits = length * (length / example.key_block);
    TiledOptions options{.row_block = 64, .key_block = example.key_block};
    const TiledCounts delayed = executed(square(length, example.head_dim), options);
    CHECK(delayed.elementwise_ops() == example.delayed * row_visits);
    CHECK(delayed.final_ops == length * example.head_dim);
    CHECK(delayed.saved_statistics == length);
    options.rescale = Rescale::every_block;
    const TiledCounts every = executed(square(length, example.head_dim), options);
    CHECK(every.elementwise_ops() == example.every_block * row_visits);
    CHECK(every.final_ops == 0);
    CHECK(every.saved_statistics == 2 * length);
    CHECK(every.matmul_flops == delayed.matmul_flops);
  }
}

TEST_CASE("counts: bytes between warps, worked example", "[tiled]") {
  // Four warps, Br = 128, d = 64: maxima and sums 2 * 4 * Br * 4 B, partial outputs 4 Br d * 4 B,
  // written and read for each of the two blocks of keys.
  TiledOptions options{.row_block = 128, .key_block = 128};
  const Shape shape{128, 256, 64};
  CHECK(executed(shape, options).written_bytes == 0);
  CHECK(executed(shape, options).combine_ops == 0);
  options.split = Split::keys;
  const TiledCounts counts = executed(shape, options);
  CHECK(counts.written_bytes == 2 * (2 * 4 * 128 * 4 + 4 * 128 * 64 * 4));
  CHECK(counts.read_bytes == counts.written_bytes);
}

TEST_CASE("counts: work items are row blocks, or heads where columns are outside", "[tiled]") {
  const Shape shape{256, 256, 4, true, core::DType::f32, 1, 3, 1};
  CHECK(executed(shape, fa2_options()).work_items == 3 * 4);
  CHECK(executed(shape, fa1_options()).work_items == 3);
  CHECK(executed(shape, fa2_options()).state_bytes == 0);
  // Each of the 10 tiles below the diagonal moves 64 rows of d + 2 floats in and out.
  CHECK(executed(shape, fa1_options()).state_bytes == 3 * 10 * 64 * 6 * 4 * 2);
}

TEST_CASE("tile-size invariance: all pairs of row and key blocks, all variants", "[tiled]") {
  for (const bool causal : {false, true}) {
    Shape shape{61, 83, 8, causal, core::DType::f32, 1, 2, 1};
    if (causal) shape.window = {30, 0};
    Problem problem(shape);
    const Expected expected = expect(problem.params());
    double worst = 0;
    for (const Index rows : {1, 2, 7, 16, 33, 61, 128}) {
      for (const Index keys : {1, 3, 8, 30, 64, 83, 200}) {
        for (TiledOptions& options : variants({.row_block = rows, .key_block = keys})) {
          options.threads = 1;
          problem.poison();
          tiled_forward(problem.params(), options);
          const Judgement judgement = judge(problem.params(), expected);
          worst = std::max({worst, judgement.out, judgement.lse});
        }
      }
    }
    CHECK(worst <= 1);
  }
}

TEST_CASE("rising-max order: every block rescales, or none does, in all variants", "[tiled]") {
  for (const double slope : {3.0, -3.0, 40.0, -40.0}) {
    Problem problem({24, 96, 8});
    for (Index r = 0; r < 24; ++r) write(problem.q.any(), 0, r, 0, 0, 4.0);
    for (Index c = 0; c < 96; ++c) {
      write(problem.k.any(), 0, c, 0, 0, slope * static_cast<double>(c / 16));
    }
    const Expected expected = expect(problem.params());
    for (const TiledOptions& options : variants({.row_block = 8, .key_block = 16})) {
      problem.poison();
      tiled_forward(problem.params(), options);
      const Judgement judgement = judge(problem.params(), expected);
      CHECK(judgement.out <= 1);
      CHECK(judgement.lse <= 1);
    }
  }
}

TEST_CASE("determinism: order, threads and row blocks change no bit", "[tiled]") {
  Shape shape{61, 83, 8, true, core::DType::f32, 1, 2, 1};
  shape.dropout = {0.2f, 1, 2};
  Problem problem(shape);
  for (const Split split : {Split::queries, Split::keys}) {
    TiledOptions options{.row_block = 16, .key_block = 24, .split = split, .threads = 1};
    const auto base = answer(problem, options);
    options.threads = 3;
    const bool threads = answer(problem, options) == base;
    options.order = LoopOrder::columns_outside;
    const bool order = answer(problem, options) == base;
    options.row_block = 5;
    const bool row_block = answer(problem, options) == base;
    options.skip_masked_blocks = false;
    const bool masked_blocks = answer(problem, options) == base;
    CHECK(threads);
    CHECK(order);
    CHECK(row_block);
    CHECK(masked_blocks);
  }
}

TEST_CASE("misuse of tiled attention is refused with a reason", "[tiled]") {
  Problem problem({4, 6});
  const auto refused = [&](const TiledOptions& options) {
    try {
      tiled_forward(problem.params(), options);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused({}).empty());
  CHECK(refused({.row_block = 0}) ==
        "tiled attention: tiles of 0 x 64 among 4 warps, expected positive numbers");
  CHECK(refused({.warps = -1}) ==
        "tiled attention: tiles of 64 x 64 among -1 warps, expected positive numbers");
  Problem wide({.dtype = core::DType::f64});
  CHECK_THROWS_WITH(tiled_forward(wide.params(), {}), "tiled attention: no f64");
}

}  // namespace ashlar::flashattention2::testing
