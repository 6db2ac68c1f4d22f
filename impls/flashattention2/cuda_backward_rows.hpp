#pragma once
// What comes before and after the products of the backward pass, row by row: the statistics that
// the products read (Algorithm 2 of Dao, arXiv 2307.08691, line 4), and dq from its sums. Thread
// blocks of kRowThreads threads, a grid of (row blocks of the longest sequence, query heads,
// sequences). `Machine` is that of cuda_forward_block.hpp.
#include <cstdint>

#include "impls/flashattention2/cuda_backward_math.hpp"
#include "impls/flashattention2/cuda_forward_block.hpp"

namespace ashlar::flashattention2::kernel {

inline constexpr int kRowThreads = 256;

/// The part that both have in common: the row block, and which rows and elements a thread has.
template <class Config, class Machine>
class RowsBlock {
 public:
  ASHLAR_KERNEL_CODE RowsBlock(Machine& machine, const BackwardArguments& arguments)
      : machine_(machine),
        arguments_(arguments),
        sequence_(sequence_place<Config>(arguments, static_cast<int>(machine.block().z))) {}

 protected:
  static constexpr int kRowChunks = Config::kHeadDim / kChunkElements;
  // A power of two, so that all threads of a row are in one warp; those beyond its chunks idle.
  static constexpr int kRowLanes = padded_head_dim(Config::kHeadDim) / kChunkElements;
  static constexpr int kRowsPerPass = kRowThreads / kRowLanes;
  static constexpr int kPasses = Config::kRows / kRowsPerPass;

  ASHLAR_KERNEL_CODE int block() const { return static_cast<int>(machine_.block().x); }
  ASHLAR_KERNEL_CODE int head() const { return static_cast<int>(machine_.block().y); }
  /// Whether the sequence has this row block at all: the grid is that of the longest.
  ASHLAR_KERNEL_CODE bool exists() const { return block() * Config::kRows < sequence_.seqlen_q; }
  ASHLAR_KERNEL_CODE int row_of(int pass) const {
    return machine_.thread() / kRowLanes + pass * kRowsPerPass;
  }
  ASHLAR_KERNEL_CODE int chunk() const { return machine_.thread() % kRowLanes; }
  ASHLAR_KERNEL_CODE bool idle() const { return kRowLanes > kRowChunks && chunk() >= kRowChunks; }
  ASHLAR_KERNEL_CODE bool inside(int row) const {
    return block() * Config::kRows + row < sequence_.seqlen_q;
  }
  ASHLAR_KERNEL_CODE std::int64_t first_padded_row() const {
    return padded_row<Config>(arguments_, sequence_, head(), block());
  }
  /// Row `row` of the block in a tensor.
  ASHLAR_KERNEL_CODE std::int64_t place(const Strides& s, int row) const {
    return sequence_.batch * s.batch + head() * s.head +
           (sequence_.first_q + block() * Config::kRows + row) * s.row;
  }

  Machine& machine_;
  const BackwardArguments& arguments_;
  SequencePlace sequence_;
};

/// D = <dO, O> of every row, and lse in log2 units; 0 and +infinity for rows that pad.
template <class Config, class Machine>
class StatisticsBlock : public RowsBlock<Config, Machine> {
  using Base = RowsBlock<Config, Machine>;
  using Base::arguments_;
  using Base::machine_;

 public:
  using Base::Base;

  ASHLAR_KERNEL_CODE void run() {
    if (!Base::exists()) return;
    ASHLAR_UNROLL
    for (int pass = 0; pass < Base::kPasses; ++pass) {
      const int row = Base::row_of(pass);
      float sum = Base::inside(row) && !Base::idle() ? product(row) : 0.0F;
      ASHLAR_UNROLL
      for (int lanes = 1; lanes < Base::kRowLanes; lanes *= 2) {
        sum += machine_.shuffle_xor(sum, lanes);
      }
      if (Base::chunk() != 0) continue;
      const std::int64_t at = Base::first_padded_row() + row;
      arguments_.delta[at] = sum;
      arguments_.lse_log2[at] = Base::inside(row) ? lse(row) : INFINITY;
    }
  }

 private:
  /// This thread's part of D.
  ASHLAR_KERNEL_CODE float product(int row) {
    const std::int64_t element = Base::chunk() * kChunkElements;
    const Fragment dout =
        machine_.fetch_chunk(arguments_.dout + Base::place(arguments_.dout_strides, row) + element);
    const Fragment out =
        machine_.fetch_chunk(arguments_.out + Base::place(arguments_.out_strides, row) + element);
    float sum = 0;
    ASHLAR_UNROLL
    for (int i = 0; i < 4; ++i) {
      sum = fmaf(machine_.low(dout.word[i]), machine_.low(out.word[i]), sum);
      sum = fmaf(machine_.high(dout.word[i]), machine_.high(out.word[i]), sum);
    }
    return sum;
  }
  ASHLAR_KERNEL_CODE float lse(int row) const {
    constexpr float kLog2E = 1.44269504F;
    return arguments_.lse[Base::place(arguments_.lse_strides, row)] * kLog2E;
  }
};

/// dq = scale * the sums of all copies, in their order.
template <class Config, class Machine>
class QueryGradientBlock : public RowsBlock<Config, Machine> {
  using Base = RowsBlock<Config, Machine>;
  using Base::arguments_;
  using Base::machine_;

 public:
  using Base::Base;

  ASHLAR_KERNEL_CODE void run() {
    if (!Base::exists()) return;
    const std::int64_t step = copy_floats<Config>(arguments_);
    ASHLAR_UNROLL
    for (int pass = 0; pass < Base::kPasses; ++pass) {
      const int row = Base::row_of(pass);
      if (!Base::inside(row) || Base::idle()) continue;
      float sums[kChunkElements] = {};
      for (int copy = 0; copy < arguments_.copies; ++copy) {
        const float* const from =
            arguments_.dq_sums + copy * step + Base::first_padded_row() * Config::kHeadDim;
        ASHLAR_UNROLL
        for (int i = 0; i < kChunkElements; ++i) {
          sums[i] += from[query_gradient_place<Config>(row, Base::chunk() * kChunkElements + i)];
        }
      }
      Fragment chunk;
      ASHLAR_UNROLL
      for (int i = 0; i < 4; ++i) {
        chunk.word[i] =
            machine_.pack(sums[2 * i] * arguments_.scale, sums[2 * i + 1] * arguments_.scale);
      }
      machine_.store_chunk(
          arguments_.dq + Base::place(arguments_.dq_strides, row) + Base::chunk() * kChunkElements,
          chunk);
    }
  }
};

}  // namespace ashlar::flashattention2::kernel
