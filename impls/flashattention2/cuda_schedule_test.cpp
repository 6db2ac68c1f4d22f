// Walks, tile orders and copies of dQ, against brute force.
#include "impls/flashattention2/cuda_schedule.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "impls/flashattention2/split.hpp"

namespace ashlar::flashattention2::kernel {
namespace {

using Sees = std::pair<bool, bool>;  // anything, everything

/// What rows x columns of a mask hold, padding left out.
Sees look(const Mask<int>& mask, Range<int> rows, Range<int> columns) {
  bool any = false;
  bool all = true;
  for (int r = rows.begin; r < std::min(rows.end, mask.seqlen_q); ++r) {
    for (int c = columns.begin; c < columns.end; ++c) {
      const bool seen = c < mask.seqlen_k && mask.visible(r, c);
      any = any || seen;
      all = all && seen;
    }
  }
  return {any, all};
}

void check_walk(const Walk& walk, int blocks, const std::vector<Sees>& truth) {
  std::set<int> visited;
  for (int i = 0; i < walk.blocks; ++i) {
    const int block = walk.block(i);
    REQUIRE(block >= 0);
    REQUIRE(block < blocks);
    REQUIRE((i == 0 || block == walk.block(i - 1) - 1));
    visited.insert(block);
    // Iterations without mask code must see everything; those with it need not.
    if (!walk.masks(i)) REQUIRE(truth[static_cast<std::size_t>(block)].second);
    if (truth[static_cast<std::size_t>(block)].second) REQUIRE_FALSE(walk.masks(i));
  }
  for (int block = 0; block < blocks; ++block) {
    const bool any = truth[static_cast<std::size_t>(block)].first;
    if (any) REQUIRE(visited.count(block) == 1);
    REQUIRE(any == (visited.count(block) == 1));
  }
}

struct Sizes {
  int q, k;
};
const std::vector<Sizes> kSizes = {{1, 1},   {1, 40},  {7, 3},   {16, 16}, {16, 32}, {32, 16},
                                   {20, 33}, {33, 20}, {48, 64}, {5, 2},   {40, 0},  {64, 64}};

}  // namespace

TEST_CASE("walks visit what is visible, last first, with mask code where it is needed") {
  for (const Sizes& size : kSizes) {
    for (const auto& [left, right] : std::vector<std::pair<int, int>>{
             {-1, -1}, {-1, 0}, {-1, 5}, {3, 0}, {0, 0}, {10, 4}, {30, -1}, {7, 7}, {100, 100}}) {
      const Mask<int> mask{size.q, size.k, left, right};
      for (const auto& [rows, columns] :
           std::vector<std::pair<int, int>>{{8, 8}, {16, 8}, {8, 16}, {16, 4}, {4, 16}}) {
        INFO("Nq " << size.q << " Nk " << size.k << " window " << left << ", " << right << " tile "
                   << rows << " x " << columns);
        const int column_count = divide_up(size.k, columns);
        for (int begin = 0; begin < size.q; begin += rows) {
          const Range<int> own{begin, begin + rows};
          std::vector<Sees> truth;
          for (int j = 0; j < column_count; ++j) {
            truth.push_back(look(mask, own, {j * columns, (j + 1) * columns}));
          }
          const Walk walk = walk_of(column_blocks(mask, own, columns));
          check_walk(walk, column_count, truth);
          // Without a window on the left, the compile-time count is enough.
          if (left >= 0 || right > 0) continue;
          const bool even = size.q % rows == 0 && size.k % columns == 0 && rows % columns == 0;
          CHECK(walk.front <= masking_iterations(right == 0, even, rows, columns));
          CHECK(walk.back_from == walk.blocks);
        }
        const int row_count = divide_up(size.q, rows);
        for (int begin = 0; begin < size.k; begin += columns) {
          const Range<int> own{begin, begin + columns};
          std::vector<Sees> truth;
          for (int i = 0; i < row_count; ++i) {
            Sees sees =
                look(mask, {i * rows, (i + 1) * rows}, {begin, std::min(begin + columns, size.k)});
            sees.second = sees.second && (i + 1) * rows <= size.q;  // ragged rows need mask code
            truth.push_back(sees);
          }
          check_walk(walk_of(row_blocks(mask, own, rows)), row_count, truth);
        }
      }
    }
  }
}

TEST_CASE("parts of a walk's blocks are walks") {
  const Mask<int> mask{16, 100, 40, 0};
  const auto range = column_blocks<int>(mask, {0, 8}, 8);
  std::vector<int> visited;
  for (int split = 0; split < 3; ++split) {
    const Range<int> part = split_blocks(range.visit, 3, split);
    for (int block = part.begin; block < part.end; ++block) visited.push_back(block);
  }
  REQUIRE(visited.size() == static_cast<std::size_t>(range.visit.size()));
  CHECK(visited.front() == range.visit.begin);
  CHECK(visited.back() == range.visit.end - 1);
}

TEST_CASE("a persistent order has every tile once, sections together, longest first") {
  for (const int section : {1, 2, 3, 5, 100}) {
    for (const bool last_first : {false, true}) {
      const TileOrder order{4, 3, 2, 5, section, last_first};
      std::set<std::tuple<int, int, int>> places;
      std::map<int, std::pair<std::int64_t, std::int64_t>> extent;  // of a section: first, last
      std::map<int, int> rank;
      REQUIRE(order.tiles() == 4 * 3 * 2 * 5);
      for (std::int64_t tile = 0; tile < order.tiles(); ++tile) {
        const TilePlace place = order.place(tile);
        REQUIRE(place.sequence >= 0);
        REQUIRE(place.sequence < 5);
        REQUIRE(place.head < 6);
        REQUIRE(place.block < 4);
        places.insert({place.sequence, place.head, place.block});
        const int own = (place.sequence * 3 + place.head / 2) / section;
        if (extent.count(own) == 0) extent[own] = {tile, tile};
        extent[own].second = tile;
        const int length = last_first ? place.block : 3 - place.block;
        if (rank.count(own) != 0) REQUIRE(length <= rank[own]);
        rank[own] = length;
      }
      CHECK(places.size() == static_cast<std::size_t>(order.tiles()));
      std::int64_t next = 0;
      for (const auto& [own, tiles] : extent) {
        CHECK(tiles.first == next);
        next = tiles.second + 1;
      }
    }
  }
}

TEST_CASE("sections fill the cache") {
  // 4096 keys of 128: 2 MiB of K and V for each head.
  CHECK(heads_in_cache(32 << 20, 4096, 128, 64) == 16);
  CHECK(heads_in_cache(32 << 20, 4096, 128, 8) == 8);
  CHECK(heads_in_cache(32 << 20, 1 << 20, 128, 8) == 1);
  CHECK(heads_in_cache(32 << 20, 0, 128, 8) == 8);
}

TEST_CASE("tiles of packed sequences are found once each") {
  for (const auto& lengths : std::vector<std::vector<int>>{
           {1}, {0, 5, 0, 0, 17, 8, 0}, {8, 8, 8}, {100}, {0, 0, 3}, {7, 0}}) {
    for (const bool last_first : {false, true}) {
      constexpr int kRows = 8;
      constexpr int kHeads = 3;
      std::vector<std::int32_t> cu_seqlens{0};
      for (const int length : lengths) cu_seqlens.push_back(cu_seqlens.back() + length);
      const auto sequences = static_cast<int>(lengths.size());
      std::vector<std::int64_t> first(lengths.size() + 1);
      count_packed_tiles(cu_seqlens.data(), sequences, kRows, kHeads, first.data());
      std::set<std::tuple<int, int, int>> wanted;
      for (int i = 0; i < sequences; ++i) {
        for (int head = 0; head < kHeads; ++head) {
          for (int b = 0; b * kRows < lengths[static_cast<std::size_t>(i)]; ++b) {
            wanted.insert({i, head, b});
          }
        }
      }
      REQUIRE(first.back() == static_cast<std::int64_t>(wanted.size()));
      std::set<std::tuple<int, int, int>> places;
      TilePlace before{-1, 0, 0};
      for (std::int64_t tile = 0; tile < first.back(); ++tile) {
        const TilePlace place = packed_place(first.data(), sequences, kHeads, last_first, tile);
        places.insert({place.sequence, place.head, place.block});
        if (place.sequence == before.sequence) {
          CHECK((last_first ? place.block <= before.block : place.block >= before.block));
        } else {
          CHECK(place.sequence > before.sequence);
        }
        before = place;
      }
      CHECK(places == wanted);
    }
  }
}

TEST_CASE("copies of dQ share the column blocks of a head") {
  CHECK(dq_copies(132, 1, 1, 200).copies == 132);
  CHECK(dq_copies(132, 4, 8, 200).copies == 5);
  CHECK(dq_copies(132, 16, 16, 200).copies == 1);
  CHECK(dq_copies(132, 1, 1, 3).copies == 3);
  CHECK(dq_copies(132, 1, 1, 0).copies == 1);
  CHECK(dq_copies(132, 0, 1, 4).copies == 1);
  for (const int blocks : {0, 1, 2, 7, 64}) {
    for (const int pairs : {1, 5, 40, 200}) {
      const DqCopies copies = dq_copies(132, pairs, 1, blocks);
      std::vector<int> uses(static_cast<std::size_t>(blocks), 0);
      for (int copy = 0; copy < copies.copies; ++copy) {
        for (int i = 0; i < copies.steps(copy); ++i) {
          ++uses.at(static_cast<std::size_t>(copies.column_block(copy, i)));
        }
        CHECK((blocks == 0 || copies.steps(copy) > 0));
      }
      CHECK(std::all_of(uses.begin(), uses.end(), [](int count) { return count == 1; }));
      CHECK(copies.floats(100, 2, 64) == std::int64_t{copies.copies} * 100 * 2 * 64);
    }
  }
}

}  // namespace ashlar::flashattention2::kernel
