// The index maps of the tensor-core kernel, against brute force.
#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <tuple>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/flashattention2/cuda_arguments.hpp"
#include "impls/flashattention2/cuda_check_math.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"

namespace ashlar::flashattention2::kernel {
namespace {

template <int Rows>
void check_swizzle(int head_dim) {
  const int chunks = head_dim / kChunkElements;
  std::set<int> offsets;
  for (int row = 0; row < Rows; ++row) {
    for (int chunk = 0; chunk < chunks; ++chunk) {
      offsets.insert(swizzled_offset<Rows>(row, chunk));
    }
  }
  REQUIRE(offsets.size() == static_cast<std::size_t>(Rows * chunks));
  CHECK(*offsets.begin() == 0);
  CHECK(*offsets.rbegin() == (Rows * chunks - 1) * kChunkBytes);
}

/// Eight 16-byte accesses at a time must fall into eight different groups of four banks.
template <int Rows, class LaneRowOf>
void check_fragment_loads(int head_dim, LaneRowOf lane_row) {
  for (int tile_row = 0; tile_row < Rows; tile_row += 16) {
    for (int tile_column = 0; tile_column < head_dim / 16; ++tile_column) {
      for (int phase = 0; phase < 4; ++phase) {
        std::set<int> bank_groups;
        for (int lane = 8 * phase; lane < 8 * phase + 8; ++lane) {
          const LaneRow own = lane_row(lane);
          const int first = swizzled_offset<Rows>(own.row, own.chunk);
          const int offset = fragment_offset<Rows>(first, tile_row, tile_column);
          CHECK(offset == swizzled_offset<Rows>(tile_row + own.row, 2 * tile_column + own.chunk));
          bank_groups.insert(offset / kChunkBytes % 8);
        }
        REQUIRE(bank_groups.size() == 8);
      }
    }
  }
}

template <class Config>
void check_ranges(int seqlen_q, int seqlen_k) {
  const auto visible = [&](int row, int column) {
    return !Config::kCausal || column <= row + seqlen_k - seqlen_q;
  };
  for (int begin = 0; begin < seqlen_q; begin += Config::kRows) {
    const ColumnBlocks range = block_range<Config>(begin, seqlen_q, seqlen_k);
    const int end = std::min(begin + Config::kRows, seqlen_q);
    for (int block = 0; block * Config::kColumns < seqlen_k + Config::kColumns; ++block) {
      bool any = false;
      bool all = true;
      for (int row = begin; row < end; ++row) {
        for (int c = block * Config::kColumns; c < (block + 1) * Config::kColumns; ++c) {
          const bool seen = c < seqlen_k && visible(row, c);
          any = any || seen;
          all = all && seen;
          if (c < seqlen_k) {
            REQUIRE((c < visible_columns<Config::kCausal>(row, seqlen_q, seqlen_k)) == seen);
          }
        }
      }
      INFO("Nq " << seqlen_q << " Nk " << seqlen_k << " row " << begin << " block " << block);
      REQUIRE((block < range.end) == any);
      REQUIRE((block < range.whole_end) == all);
    }
  }
}

}  // namespace

TEST_CASE("swizzled tiles are bijections") {
  check_swizzle<128>(64);
  check_swizzle<128>(128);
  check_swizzle<64>(128);
  check_swizzle<64>(256);
}

TEST_CASE("fragment loads meet the swizzle and no bank twice") {
  const auto major = [](int lane) { return lane_row_major(lane); };
  const auto minor = [](int lane) { return lane_row_minor(lane); };
  check_fragment_loads<128>(64, major);
  check_fragment_loads<128>(64, minor);
  check_fragment_loads<128>(128, major);
  check_fragment_loads<64>(128, major);
  check_fragment_loads<64>(128, minor);
}

TEST_CASE("output pairs of a warp fall into 32 different banks") {
  for (int chunk = 0; chunk < 16; ++chunk) {
    std::set<int> banks;
    for (int lane = 0; lane < kWarpSize; ++lane) {
      banks.insert((swizzled_offset<128>(lane / 4, chunk) + 2 * accumulator_column(lane, 0)) / 4 %
                   32);
    }
    CHECK(banks.size() == 32);
  }
}

TEST_CASE("two neighbouring accumulators are an A fragment") {
  // Word w of A holds rows lane/4 + 8 (w % 2) and columns 2 (lane % 4) + {0, 1} + 8 (w / 2).
  for (int lane = 0; lane < kWarpSize; ++lane) {
    for (int word = 0; word < 4; ++word) {
      for (int half = 0; half < 2; ++half) {
        const int tile = word / 2;
        const int i = 2 * (word % 2) + half;
        CHECK(accumulator_row(lane, i) == lane / 4 + 8 * (word % 2));
        CHECK(8 * tile + accumulator_column(lane, i) == 2 * (lane % 4) + half + 8 * (word / 2));
      }
    }
  }
}

TEST_CASE("column block ranges cover exactly what is visible") {
  for (const int seqlen_q : {1, 5, 64, 127, 128, 129, 200, 257, 384}) {
    for (const int seqlen_k : {0, 1, 2, 63, 64, 65, 128, 203, 256, 300, 640}) {
      check_ranges<ForwardConfig<64, PassKind::full>>(seqlen_q, seqlen_k);
      check_ranges<ForwardConfig<64, PassKind::causal>>(seqlen_q, seqlen_k);
      check_ranges<ForwardConfig<128, PassKind::full>>(seqlen_q, seqlen_k);
      check_ranges<ForwardConfig<128, PassKind::causal>>(seqlen_q, seqlen_k);
    }
  }
}

TEST_CASE("the mask's arithmetic does not overflow at the longest sequences") {
  constexpr int kLongest = 1 << 30;
  // In constant expressions an overflow is an error.
  static_assert(visible_columns<true>(kLongest - 1, kLongest, kLongest) == kLongest);
  static_assert(visible_columns<true>(kLongest + 126, kLongest, kLongest) == kLongest);
  static_assert(visible_columns<true>(kLongest - 1, kLongest, 0) == 0);
  static_assert(visible_columns<true>(0, 1, kLongest) == kLongest);
  const ColumnBlocks range =
      block_range<ForwardConfig<64, PassKind::causal>>(kLongest - 128, kLongest, kLongest);
  CHECK(range.end == kLongest / 128);
  CHECK(range.whole_end == kLongest / 128 - 1);
}

TEST_CASE("the grid visits every row block of every head once, causal ones longest first") {
  core::Tensor<4> q(core::DType::f16, {3, 300, 6, 64});
  core::Tensor<4> k(core::DType::f16, {3, 50, 2, 64});
  core::Tensor<3> lse(core::DType::f32, {3, 6, 300});
  const AttentionParams params{q.any(), k.any(), k.any(), q.any(), lse.view<float>(), 0.125F, true};
  const ForwardArguments arguments = forward_arguments(params);
  const GridIndex grid = forward_grid(params);
  std::set<std::tuple<int, int, int>> places;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        const BlockPlace place =
            block_place<ForwardConfig<64, PassKind::causal>>(arguments, GridIndex{x, y, z});
        CHECK(place.head_kv == place.head / 3);
        CHECK(place.row_begin == 256 - 128 * static_cast<int>(x % 3));
        places.insert({place.sequence.batch, place.head, place.row_begin});
        const BlockPlace full =
            block_place<ForwardConfig<64, PassKind::full>>(arguments, GridIndex{x, y, z});
        CHECK(full.row_begin == 128 * static_cast<int>(x % 3));
      }
    }
  }
  CHECK(places.size() == 3 * 6 * 3);
  CHECK(std::get<2>(*places.rbegin()) == 256);
}

TEST_CASE("the end of a row guards what saw nothing") {
  CHECK(guarded_maximum(-INFINITY) == 0.0F);
  CHECK(guarded_maximum(-3.0F) == -3.0F);
  CHECK(final_factor(0.0F) == 1.0F);
  CHECK(final_factor(4.0F) == 0.25F);
  CHECK(final_lse(-INFINITY, 0.0F, -INFINITY) == INFINITY);
  CHECK(final_lse(6.0F, 4.0F, 2.0F) == Approx(8 * std::log(2.0)));
  CHECK(std::isnan(final_lse(-INFINITY, NAN, NAN)));
}

TEST_CASE("what the kernel lacks has a reason") {
  const auto reason = [](core::DType dtype, Index head_dim, float scale, Index stride) {
    AttentionParams params;
    params.q = {nullptr, dtype, {1, 4, 2, head_dim}, {8 * stride, 2 * stride, stride, 1}};
    params.k = params.q;
    params.v = params.q;
    params.out = {nullptr, dtype, {1, 4, 2, head_dim}};
    params.scale = scale;
    return unsupported(params).value_or("");
  };
  CHECK(reason(core::DType::f16, 64, 0.125F, 64).empty());
  CHECK(reason(core::DType::bf16, 128, 0.125F, 136).empty());
  CHECK(reason(core::DType::f32, 64, 0.125F, 64) == "element type f32 (f16 and bf16 only)");
  CHECK(reason(core::DType::f16, 80, 0.125F, 80) == "head size 80 (64, 96, 128, 256 only)");
  CHECK(reason(core::DType::f16, 64, -1.0F, 64) == "a scale that is not positive");
  CHECK(reason(core::DType::f16, 64, NAN, 64) == "a scale that is not positive");
  CHECK_FALSE(reason(core::DType::f16, 64, 0.125F, 65).empty());
  CHECK_FALSE(reason(core::DType::f16, 64, 0.125F, -64).empty());
}

TEST_CASE("a grid beyond what a launch takes has a reason") {
  const auto reason = [](Index seqlen_q, Index heads_q) {
    AttentionParams params;
    params.q = {nullptr, core::DType::f16, {1, seqlen_q, heads_q, 64}};
    params.k = {nullptr, core::DType::f16, {1, 4, 1, 64}};
    params.v = params.k;
    params.out = {nullptr, core::DType::f16, {1, seqlen_q, heads_q, 64}};
    params.scale = 1;
    return unsupported(params).value_or("");
  };
  constexpr Index kLongest = Index{1} << 30;
  CHECK(reason(kLongest, 255).empty());
  CHECK(reason(kLongest, 256) == "more than 2^31 - 1 blocks of rows that share K and V");
  CHECK(reason(kLongest, 512) == "more than 2^31 - 1 blocks of rows that share K and V");
  CHECK(reason(kLongest + 1, 1) == "a sequence longer than 2^30");
}

TEST_CASE("the strides of axes with one element do not count") {
  core::Tensor<4> one(core::DType::f16, {1, 1, 1, 64});
  core::Tensor<3> lse(core::DType::f32, {1, 1, 1});
  const core::AnyView<4> odd{one.data(), core::DType::f16, {1, 1, 1, 64}, {-5, 3, 7, 1}};
  const core::View<float, 3> odd_lse{lse.view<float>().data, {1, 1, 1}, {-5, 3, 7}};
  const AttentionParams params{odd, odd, odd, odd, odd_lse, 0.125F, false};
  REQUIRE_FALSE(unsupported(params));
  const ForwardArguments arguments = forward_arguments(params);
  for (const Strides& strides : {arguments.q_strides, arguments.k_strides, arguments.v_strides,
                                 arguments.out_strides, arguments.lse_strides}) {
    CHECK(strides.batch == 0);
    CHECK(strides.row == 0);
    CHECK(strides.head == 0);
  }
}

TEST_CASE("the double-precision check decodes every 16-bit value") {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const core::Float16 half{static_cast<std::uint16_t>(bits)};
    const auto expected = static_cast<double>(core::to_float(half));
    const double decoded = check::decode_half(half.bits);
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(decoded));
    } else {
      REQUIRE(std::bit_cast<std::uint64_t>(decoded) == std::bit_cast<std::uint64_t>(expected));
    }
    const core::BFloat16 brain{half.bits};
    const check::Tensor tensor{&brain, core::DType::bf16, {0, 0, 0, 0}};
    const double read = check::element(tensor, 0, 0, 0, 0);
    const auto wanted = static_cast<double>(core::to_float(brain));
    REQUIRE((read == wanted || (std::isnan(read) && std::isnan(wanted))));
  }
}

}  // namespace ashlar::flashattention2::kernel
