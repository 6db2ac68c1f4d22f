#pragma once
// Which tile a thread block of the wgmma forward pass takes next, and the bulk copies that bring
// it. One thread of the block uses its object of this: the producer warp's first, or, where no warp
// is set aside for it, one of those that compute. `Machine` is that of cuda_wgmma_block.hpp.
#include <cstdint>

#include "impls/flashattention2/cuda_wgmma_math.hpp"

namespace ashlar::flashattention2::kernel {

inline constexpr int kNoTile = -1;

template <class Config, class Machine>
class WgmmaLoads {
 public:
  using Maps = typename Machine::Maps;

  ASHLAR_KERNEL_CODE WgmmaLoads(Machine& machine, const WgmmaArguments& arguments, const Maps& maps)
      : machine_(machine), arguments_(arguments), maps_(maps) {}

  /// Takes the next tile, tells the consumers its number and starts the copy of its Q. Waits until
  /// they have done with the last one's. False when there is none left, which they are told too.
  /// (The first K could be asked for before that wait; the producer's 24 registers do not hold what
  /// both need.)
  ASHLAR_KERNEL_CODE bool open_tile() {
    use_ += static_cast<std::uint32_t>(blocks_);
    blocks_ = 0;
    const int tile = next_tile();
    const RingUse use = ring_use(tiles_++, 1);
    machine_.wait(Config::query_ring().empty(0), use.empty_parity);
    const int full = Config::query_ring().full(0);
    if (tile >= arguments_.order.tiles()) {
      machine_.store_word(Config::kTileOffset, kNoTile);
      machine_.arrive(full);
      leave_counters_clean();
      return false;
    }
    machine_.store_word(Config::kTileOffset, tile);
    place_ = arguments_.order.place(tile);
    blocks_ =
        block_range<Config>(place_.block * Config::kRows, arguments_.seqlen_q, arguments_.seqlen_k)
            .end;
    if (blocks_ == 0) {  // nothing to see: the consumers need no Q
      machine_.arrive(full);
      return true;
    }
    machine_.expect(full, Config::kQueryBytes);
    copy(maps_.q, Config::kQueryOffset, full, Config::kRows, place_.block * Config::kRows,
         place_.head);
    return true;
  }

  /// Column blocks of the tile; the first to be loaded is the last of the row.
  ASHLAR_KERNEL_CODE int blocks() const { return blocks_; }

  /// K or V of the i-th column block in the order of the walk; nothing beyond the last one.
  ASHLAR_KERNEL_CODE void load_keys(int i) {
    load(maps_.k, Config::kKeyOffset, Config::key_ring(), i);
  }
  ASHLAR_KERNEL_CODE void load_values(int i) {
    load(maps_.v, Config::kValueOffset, Config::value_ring(), i);
  }

 private:
  /// Under a causal mask tiles differ in length, so whoever is free takes the next; else all are
  /// alike, and every block knows its own.
  ASHLAR_KERNEL_CODE int next_tile() {
    const auto first = static_cast<int>(machine_.block().x);
    if (tiles_ == 0) return first;
    const auto blocks = static_cast<int>(machine_.blocks());
    if constexpr (Config::kCausal) return blocks + machine_.fetch_add(arguments_.next_tile, 1);
    return first + blocks * static_cast<int>(tiles_);
  }

  /// Every block looks for a tile in vain once; who is the last to do so sets the counters back for
  /// the next launch.
  ASHLAR_KERNEL_CODE void leave_counters_clean() {
    if constexpr (Config::kCausal) {
      machine_.device_fence();
      const int before = machine_.fetch_add(arguments_.next_tile + 1, 1);
      if (before != static_cast<int>(machine_.blocks()) - 1) return;
      machine_.device_fence();
      arguments_.next_tile[0] = 0;
      arguments_.next_tile[1] = 0;
    }
  }

  ASHLAR_KERNEL_CODE void load(const typename Machine::TensorMap& map, int offset,
                               const RingBarriers& ring, int i) {
    if (i >= blocks_) return;
    const RingUse use = ring_use(use_ + static_cast<std::uint32_t>(i), Config::kStages);
    machine_.wait(ring.empty(use.stage), use.empty_parity);
    machine_.expect(ring.full(use.stage), Config::kStageBytes);
    copy(map, offset + use.stage * Config::kStageBytes, ring.full(use.stage), Config::kColumns,
         (blocks_ - 1 - i) * Config::kColumns, place_.head / arguments_.order.group);
  }

  /// A tile, panel by panel. Rows beyond the tensor's end arrive as zeros, which V needs: their
  /// weights are 0, but 0 * NaN is NaN.
  ASHLAR_KERNEL_CODE void copy(const typename Machine::TensorMap& map, int to, int barrier,
                               int rows, int row, int head) {
    ASHLAR_UNROLL
    for (int panel = 0; panel < box_plan(Config::kRows, Config::kHeadDim).boxes; ++panel) {
      machine_.copy_box(map, to + panel * rows * kSwizzleRowBytes, barrier,
                        {panel * kBoxElements, row, head, place_.sequence});
    }
  }

  Machine& machine_;
  const WgmmaArguments& arguments_;
  const Maps& maps_;
  std::uint32_t tiles_ = 0;  // that were opened
  std::uint32_t use_ = 0;    // of the rings of K and V, by the tile's first column block
  int blocks_ = 0;
  TilePlace place_;
};

}  // namespace ashlar::flashattention2::kernel
