#pragma once
// The work of one thread block of the wgmma forward pass: Shah et al., "FlashAttention-3", arXiv
// 2407.08608, Algorithms 1 and 2, for the tiles that the block takes one after the other.
//
// Two or three warpgroups compute, 64 rows of a tile each: S = Q K^T with both operands in shared
// memory, O += P V with P in registers, where the accumulators of S, packed, are P's fragments. K
// and V come from the copy engine through rings of two buffers; mbarriers say when a buffer is full
// and when all warps have done with it. Every step of the walk along the column blocks is
//
//   O += P V of the block before | S = Q K^T of this one | softmax of S, which gives the next P
//
// and the rungs of the ladder differ only in what waits for what:
//
//   plain        each of the three waits for the one before it; one of the threads that compute
//                also starts the copies, one block ahead
//   specialised  the same, but the copies are started by a warp of their own, as far ahead as
//                there are buffers, across tiles too; its warpgroup gives its registers away
//   ping_pong    the two products are started together, and only in a warpgroup's turn: while it
//                computes its softmax, the next one's products run
//   overlapped   the softmax does not wait for O += P V, which is started behind S = Q K^T
//
// A step's two products need the accumulators of S and O and the fragments of P at the same time:
// 196 of 240 registers at head size 128, 128 of 160 at 64. O is stored from registers: four lanes
// that share a row trade words, so that each has 16 bytes of one place. It takes no shared memory,
// of which the rings leave none, and Q's buffer is free for the next tile before the last product.
//
// `Machine` supplies the instructions; beside shuffle_xor, exp2, log2, pack and store_chunk of
// cuda_forward_block.hpp:
//
//   thread(), block(), blocks()                number of thread blocks: the grid is a line
//   uint32 shuffle_word_xor(uint32, int)
//   uint32 address(int offset)                 as matrix descriptors want it
//   store_word(int to, int), load_word(int)    shared
//   init(int barrier, int count)               mbarriers lie in shared memory as well
//   share_barriers()                           once, by the thread that made them
//   arrive(barrier), expect(barrier, bytes)    expect: arrives, and the phase lacks so many bytes
//   wait(barrier, parity)
//   copy_box(map, int to, barrier, {element, row, head, sequence})
//   barrier(), warp_barrier()                  all threads of the block; of the warp
//   sync_pair(int id), arrive_pair(int id)     a named barrier of two warpgroups
//   begin_products(float (&)[M])               before the first product into these accumulators
//   multiply_shared<N>(float (&)[N / 2], a, b, bool accumulate)   descriptors: C += A B^T
//   multiply_registers<N>(float (&)[N / 2], Fragment, b)          C += A B
//   commit_products(), wait_products<Groups>(float (&)[M])        all but the last groups
//   settle(float or uint32 (&)[M])             neither read nor written on the other side of here
//   give_registers<N>(), take_registers<N>()   setmaxnreg
//   int fetch_add(int*, int), device_fence()   global
#include <cstdint>

#include "impls/flashattention2/cuda_wgmma_loads.hpp"
#include "impls/flashattention2/cuda_wgmma_softmax.hpp"

namespace ashlar::flashattention2::kernel {

template <class Config, class Machine>
class WgmmaBlock {
 public:
  using Maps = typename Machine::Maps;

  ASHLAR_KERNEL_CODE WgmmaBlock(Machine& machine, const WgmmaArguments& arguments, const Maps& maps)
      : machine_(machine), arguments_(arguments), loads_(machine, arguments, maps) {}

  ASHLAR_KERNEL_CODE void run() {
    if (machine_.thread() == 0) make_barriers();
    machine_.barrier();
    if constexpr (Config::kSpecialised) {
      if (machine_.thread() < kWarpgroupSize) {
        machine_.template give_registers<Config::kProducerRegisters>();
        if (machine_.thread() == kLoader) produce();
      } else {
        machine_.template take_registers<Config::kConsumerRegisters>();
        consume();
      }
    } else {
      consume();
    }
  }

 private:
  using Softmax = WgmmaSoftmax<Config, Machine>;
  using Scores = typename Softmax::Scores;
  using Output = typename Softmax::Output;
  using Weights = typename Softmax::Weights;
  static constexpr int kLoader =
      Config::kSpecialised ? 0 : (Config::kConsumers - 1) * kWarpgroupSize;

  ASHLAR_KERNEL_CODE void make_barriers() {
    make_ring(Config::query_ring());
    make_ring(Config::key_ring());
    make_ring(Config::value_ring());
    machine_.share_barriers();
  }
  /// Who loads arrives at `full`, one lane of each warp that computes at `empty`.
  ASHLAR_KERNEL_CODE void make_ring(const RingBarriers& ring) {
    for (int stage = 0; stage < ring.stages; ++stage) {
      machine_.init(ring.full(stage), 1);
      machine_.init(ring.empty(stage), Config::kConsumerWarps);
    }
  }

  /// In the order of need. Under overlap a step takes K of its block and V of the block before,
  /// whose buffer is free later than K's.
  ASHLAR_KERNEL_CODE void produce() {
    constexpr int kAhead = Config::kOverlap ? 1 : 0;  // K before V, in column blocks
    while (loads_.open_tile()) {
      if (Config::kOverlap) loads_.load_keys(0);
      for (int i = 0; i < loads_.blocks(); ++i) {
        loads_.load_keys(i + kAhead);
        loads_.load_values(i);
      }
    }
  }
  /// Without a warp for it, the first thread of the last warpgroup loads: where turns are taken,
  /// the others have done with a buffer before it has. With two buffers of each, K is one block
  /// ahead of S = Q K^T, and V is that of this block, which the next step takes. The thread waits
  /// for all to have done with the buffers, itself too, so this is called behind end_step().
  ASHLAR_KERNEL_CODE void load_first() {
    if constexpr (!Config::kSpecialised) {
      if (machine_.thread() == kLoader && loads_.open_tile()) {
        loads_.load_keys(0);
        loads_.load_values(0);
        loads_.load_keys(1);
      }
      machine_.warp_barrier();
    }
  }
  ASHLAR_KERNEL_CODE void load_ahead(int i) {
    if constexpr (!Config::kSpecialised) {
      if (machine_.thread() == kLoader) {
        loads_.load_values(i);
        loads_.load_keys(i + 1);
      }
      machine_.warp_barrier();
    }
  }

  ASHLAR_KERNEL_CODE int consumer() const {
    return machine_.thread() - (Config::kSpecialised ? kWarpgroupSize : 0);
  }
  ASHLAR_KERNEL_CODE int warpgroup() const { return consumer() / kWarpgroupSize; }

  ASHLAR_KERNEL_CODE void consume() {
    // As if the last warpgroup had passed the turn to the first one, which takes it back at the
    // end.
    if (Config::kTurns && warpgroup() == Config::kConsumers - 1) pass_turn();
    for (std::uint32_t t = 0;; ++t) {
      load_first();
      machine_.wait(Config::query_ring().full(0), ring_use(t, 1).full_parity);
      const int tile = machine_.load_word(Config::kTileOffset);
      if (tile == kNoTile) break;
      compute(arguments_.order.place(tile));
    }
    if (Config::kTurns && warpgroup() == 0) take_turn();
  }

  ASHLAR_KERNEL_CODE void take_turn() {
    if constexpr (Config::kTurns) machine_.sync_pair(1 + warpgroup());
  }
  ASHLAR_KERNEL_CODE void pass_turn() {
    if constexpr (Config::kTurns) {
      machine_.arrive_pair(1 + (warpgroup() + 1) % Config::kConsumers);
    }
  }

  ASHLAR_KERNEL_CODE void wait_full(const RingBarriers& ring, int i) {
    const RingUse use = ring_use(use_ + static_cast<std::uint32_t>(i), Config::kStages);
    machine_.wait(ring.full(use.stage), use.full_parity);
  }
  ASHLAR_KERNEL_CODE void release(const RingBarriers& ring, int stage) {
    if (machine_.thread() % kWarpSize == 0) machine_.arrive(ring.empty(stage));
  }
  ASHLAR_KERNEL_CODE int stage_of(int i) const {
    return ring_use(use_ + static_cast<std::uint32_t>(i), Config::kStages).stage;
  }
  /// Q is free with the last of its products.
  ASHLAR_KERNEL_CODE void release_keys(int i, int blocks) {
    release(Config::key_ring(), stage_of(i));
    if (i == blocks - 1) release(Config::query_ring(), 0);
  }
  ASHLAR_KERNEL_CODE void release_values(int i) { release(Config::value_ring(), stage_of(i)); }

  /// Starts S = Q K^T, unscaled.
  ASHLAR_KERNEL_CODE void multiply_keys(Scores& scores, int i) {
    const std::uint64_t rows = depth_major_descriptor(
        machine_.address(Config::kQueryOffset + warpgroup() * kWarpgroupRows * kSwizzleRowBytes));
    const std::uint64_t keys = depth_major_descriptor(
        machine_.address(Config::kKeyOffset + stage_of(i) * Config::kStageBytes));
    machine_.begin_products(scores);
    ASHLAR_UNROLL
    for (int k = 0; k < Config::kHeadDim / 16; ++k) {
      machine_.template multiply_shared<Config::kColumns>(
          scores, advanced(rows, depth_step_offset(k, Config::kRows)),
          advanced(keys, depth_step_offset(k, Config::kColumns)), k > 0);
    }
    machine_.commit_products();
  }

  /// Starts O += P V.
  ASHLAR_KERNEL_CODE void multiply_values(Output& out, Weights& weights, int i) {
    const std::uint64_t values = width_major_descriptor(
        machine_.address(Config::kValueOffset + stage_of(i) * Config::kStageBytes),
        Config::kColumns);
    ASHLAR_UNROLL
    for (int k = 0; k < Softmax::kSteps; ++k) machine_.settle(weights[k].word);
    machine_.begin_products(out);
    ASHLAR_UNROLL
    for (int k = 0; k < Softmax::kSteps; ++k) {
      machine_.template multiply_registers<Config::kHeadDim>(
          out, weights[k], advanced(values, k * kWidthMajorStepBytes));
    }
    machine_.commit_products();
  }

  struct Place {
    int sequence;
    int head;
    int row;        // the first of this thread's two
    int blocks;     // column blocks that something of the tile sees
    int whole_end;  // those before are visible as a whole
  };

  ASHLAR_KERNEL_CODE void compute(const TilePlace& tile) {
    const ColumnBlocks columns =
        block_range<Config>(tile.block * Config::kRows, arguments_.seqlen_q, arguments_.seqlen_k);
    const Place place{
        tile.sequence, tile.head,
        tile.block * Config::kRows + warpgroup() * kWarpgroupRows + wgmma_row(consumer(), 0),
        columns.end, columns.whole_end};
    Softmax softmax(machine_, arguments_.scale_log2);
    Output out;
    ASHLAR_UNROLL
    for (int i = 0; i < Config::kHeadDim / 2; ++i) out[i] = 0;
    if (place.blocks == 0) {
      machine_.warp_barrier();  // all lanes have read the tile's number, which goes with Q
      release(Config::query_ring(), 0);
    } else {
      walk(place, softmax, out);
    }
    store(place, softmax, out);
    use_ += static_cast<std::uint32_t>(place.blocks);
  }

  ASHLAR_KERNEL_CODE void walk(const Place& place, Softmax& softmax, Output& out) {
    Scores scores;
    Weights weights;
    wait_full(Config::key_ring(), 0);
    take_turn();
    multiply_keys(scores, 0);
    pass_turn();
    machine_.template wait_products<0>(scores);
    release_keys(0, place.blocks);
    soften(place, softmax, scores, 0);
    ASHLAR_NO_UNROLL
    for (int i = 1; i < place.blocks; ++i) {
      end_step(softmax, out, scores, weights, i - 1);
      load_ahead(i);
      step(place, softmax, out, scores, weights, i);
    }
    end_step(softmax, out, scores, weights, place.blocks - 1);
    wait_full(Config::value_ring(), place.blocks - 1);
    multiply_values(out, weights, place.blocks - 1);
    machine_.template wait_products<0>(out);
    release_values(place.blocks - 1);
  }

  /// What follows the softmax of column block i: O and P under the new maxima. Where products run
  /// under the softmax, O += P V of the block before is waited for here, at the top of the loop:
  /// inside of one basic block ptxas moves the wait up, in front of the softmax.
  ASHLAR_KERNEL_CODE void end_step(Softmax& softmax, Output& out, Scores& scores, Weights& weights,
                                   int i) {
    if constexpr (Config::kOverlap) {
      machine_.template wait_products<0>(out);
      machine_.settle(scores);
      if (i > 0) release_values(i - 1);
    }
    softmax.shrink(out);
    softmax.pack(scores, weights);
  }

  ASHLAR_KERNEL_CODE void soften(const Place& place, Softmax& softmax, Scores& scores, int i) {
    const int block = place.blocks - 1 - i;
    if (block >= place.whole_end) {
      Softmax::mask(scores, consumer(), block * Config::kColumns, place.row, arguments_.seqlen_q,
                    arguments_.seqlen_k);
    }
    softmax.soften(scores);
  }

  /// The products of column block i - 1 with V and of i with Q, and the softmax of i.
  ASHLAR_KERNEL_CODE void step(const Place& place, Softmax& softmax, Output& out, Scores& scores,
                               Weights& weights, int i) {
    if constexpr (Config::kTurns) {
      wait_full(Config::key_ring(), i);
      wait_full(Config::value_ring(), i - 1);
      take_turn();
      if constexpr (Config::kOverlap) {
        multiply_keys(scores, i);
        multiply_values(out, weights, i - 1);
        pass_turn();
        machine_.template wait_products<1>(scores);
        release_keys(i, place.blocks);
        soften(place, softmax, scores, i);
      } else {
        multiply_values(out, weights, i - 1);
        multiply_keys(scores, i);
        pass_turn();
        machine_.template wait_products<0>(scores);
        machine_.settle(out);
        release_values(i - 1);
        release_keys(i, place.blocks);
        soften(place, softmax, scores, i);
      }
    } else {
      wait_full(Config::value_ring(), i - 1);
      multiply_values(out, weights, i - 1);
      machine_.template wait_products<0>(out);
      release_values(i - 1);
      wait_full(Config::key_ring(), i);
      multiply_keys(scores, i);
      machine_.template wait_products<0>(scores);
      release_keys(i, place.blocks);
      soften(place, softmax, scores, i);
    }
  }

  ASHLAR_KERNEL_CODE void store(const Place& place, Softmax& softmax, const Output& out) {
    const int lane = machine_.thread() % kWarpSize;
    ASHLAR_UNROLL
    for (int r = 0; r < 2; ++r) {
      const int row = place.row + 8 * r;
      const typename Softmax::RowEnd end = softmax.end(r);
      const Strides& s = arguments_.out_strides;
      std::uint16_t* const to = arguments_.out + place.sequence * s.batch + place.head * s.head +
                                row * s.row + lane % 4 * kChunkElements;
      ASHLAR_UNROLL
      for (int group = 0; group < Config::kHeadDim / 32; ++group) {
        Fragment words;
        ASHLAR_UNROLL
        for (int t = 0; t < 4; ++t) {
          const float* const pair = &out[4 * (4 * group + t) + 2 * r];
          words.word[t] = machine_.pack(pair[0] * end.factor, pair[1] * end.factor);
        }
        trade(words, lane);
        if (row < arguments_.seqlen_q) machine_.store_chunk(to + 32 * group, words);
      }
      if (lane % 4 == 0 && row < arguments_.seqlen_q) {
        const Strides& l = arguments_.lse_strides;
        arguments_.lse[place.sequence * l.batch + place.head * l.head + row * l.row] = end.lse;
      }
    }
  }

  /// Transposes words among four lanes: word j of lane i becomes word i of lane j.
  ASHLAR_KERNEL_CODE void trade(Fragment& words, int lane) {
    trade<1>(words, (lane & 1) != 0);
    trade<2>(words, (lane & 2) != 0);
  }
  template <int Bit>
  ASHLAR_KERNEL_CODE void trade(Fragment& words, bool upper) {
    ASHLAR_UNROLL
    for (int i = 0; i < 4; ++i) {
      if ((i & Bit) != 0) continue;
      const std::uint32_t got =
          machine_.shuffle_word_xor(upper ? words.word[i] : words.word[i | Bit], Bit);
      words.word[i] = upper ? got : words.word[i];
      words.word[i | Bit] = upper ? words.word[i | Bit] : got;
    }
  }

  Machine& machine_;
  const WgmmaArguments& arguments_;
  WgmmaLoads<Config, Machine> loads_;
  std::uint32_t use_ = 0;  // of the rings of K and V, by the tile's first column block
};

}  // namespace ashlar::flashattention2::kernel
