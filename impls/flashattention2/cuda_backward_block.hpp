#pragma once
// The work of one thread block of the backward pass: Algorithm 2 of Dao, "FlashAttention-2", arXiv
// 2307.08691, for one column block after the other, row blocks from the last to the first.
// `Machine` is that of cuda_forward_block.hpp.
//
// Of one row block and one column block, with P and dS in 16 bits for the products:
//   S = Q K^T     P = exp(scale S - lse)     dV += P^T dO
//   dP = dO V^T   dS = P o (dP - D)          dQ += dS K       dK += dS^T Q
// P and dS are needed transposed, by other warps than those that have them in registers, so they go
// through shared memory: this is where the warps wait for each other. Q is buffered twice: the next
// tile arrives behind the last four products; that of dO, after dV has used it up, behind two.
// dQ is added to sums in global memory in single precision, by which alone thread blocks meet. In
// any order, or, for the same bits every time, each x of the grid to a copy of its own, where one
// thread adds all numbers of one place.
#include <cmath>
#include <cstdint>

#include "impls/flashattention2/cuda_backward_math.hpp"
#include "impls/flashattention2/cuda_backward_scores.hpp"
#include "impls/flashattention2/cuda_block_copy.hpp"
#include "impls/flashattention2/cuda_forward_block.hpp"
#include "impls/flashattention2/cuda_layouts.hpp"

namespace ashlar::flashattention2::kernel {

template <class Config, class Machine>
class BackwardBlock : public BackwardScores<Config, Machine> {
  using Base = BackwardScores<Config, Machine>;
  using Base::arguments_;
  using Base::column_warp;
  using Base::first_key;
  using Base::first_query;
  using Base::first_row;
  using Base::head_kv;
  using Base::head_of;
  using Base::key_warp;
  using Base::kPartTiles;
  using Base::kScoreTiles;
  using Base::lane;
  using Base::machine_;
  using Base::query_warp;
  using Base::sequence;
  using typename Base::Part;
  using typename Base::RowValues;
  using typename Base::Scores;
  using typename Base::Step;

 public:
  using Base::Base;

  ASHLAR_KERNEL_CODE void run() {
    const int columns = sequence().seqlen_k;
    int block = static_cast<int>(machine_.block().x);
    for (; block * Config::kColumns < columns; block += arguments_.column_stride) {
      column_block(block);
    }
  }

 private:
  static constexpr int kKeyTiles = Config::kKeyWidth / 8;      // of dK and dV
  static constexpr int kQueryTiles = Config::kQueryWidth / 8;  // of dQ
  static constexpr int kQueryRowTiles = Config::kWarpQueries / 16;
  using KeyGradient = float[2][kKeyTiles][4];

  template <int RowTiles, int Tiles>
  static ASHLAR_KERNEL_CODE void clear(float (&tiles)[RowTiles][Tiles][4]) {
    ASHLAR_UNROLL
    for (int m = 0; m < RowTiles; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < Tiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 4; ++i) tiles[m][n][i] = 0;
      }
    }
  }

  ASHLAR_KERNEL_CODE void column_block(int block) {
    clear(key_gradient_);
    clear(value_gradient_);
    const int begin = block * Config::kColumns;
    const auto rows = row_blocks<int>(mask_of<Config::kKind>(arguments_.features, sequence()),
                                      {begin, begin + Config::kColumns}, Config::kRows);
    if (!rows.visit.empty()) {
      load_columns(Config::kKeyOffset, arguments_.k, arguments_.k_strides, block);
      load_columns(Config::kValueOffset, arguments_.v, arguments_.v_strides, block);
      Step step{0, rows.visit.end - 1};
      load_queries(step, 0);
      load_gradients(step);
      const int steps = rows.visit.size() * arguments_.group;
      for (int i = 0; i < steps; ++i) {
        Step next{step.member, step.block - 1};
        if (next.block < rows.visit.begin) next = {step.member + 1, rows.visit.end - 1};
        visit(block, step, next, i % 2, i + 1 < steps, !rows.whole.contains(step.block));
        step = next;
      }
    }
    store_gradients(block);
  }

  /// One row block, whose Q, in buffer `buffer`, and dO are on their way when it begins.
  ASHLAR_KERNEL_CODE void visit(int block, const Step& step, const Step& next, int buffer,
                                bool continues, bool masked) {
    machine_.wait_for_copies();
    machine_.barrier();  // Q and dO are there for all, and all have finished with P and dS
    if (continues) load_queries(next, 1 - buffer);
    const RowValues lse = Base::load_rows(arguments_.lse_log2, step);  // arrives behind Q K^T
    Scores weights;
    multiply_columns(weights, query_offset(buffer), Config::kKeyOffset, 0);
    Base::weigh(weights, lse, block, step, masked);
    const RowValues delta = Base::load_rows(arguments_.delta, step);  // and this behind dO V^T
    ASHLAR_UNROLL
    for (int n = 0; n < kScoreTiles; n += kPartTiles) {
      Part gradients;
      multiply_columns(gradients, Config::kGradientOffset, Config::kValueOffset, n);
      Base::differentiate(weights, gradients, n, lse, delta);
    }
    machine_.barrier();  // P and dS are there for all
    multiply_rows(value_gradient_, Config::kWeightOffset, Config::kGradientOffset);
    machine_.barrier();  // all have finished with dO
    if (continues) load_gradients(next);
    add_query_gradient(step);
    multiply_rows(key_gradient_, Config::kScoreGradientOffset, query_offset(buffer));
  }

  static ASHLAR_KERNEL_CODE int query_offset(int buffer) {
    return Config::kQueryOffset + buffer * Config::kRowBytes;
  }

  /// Columns beyond the end must be zeros: dS is 0 there, but 0 * NaN is NaN.
  ASHLAR_KERNEL_CODE void load_columns(int to, const std::uint16_t* tensor, const Strides& s,
                                       int block) {
    const SequencePlace place = sequence();
    const int column = block * Config::kColumns;
    load_tile<Config::kColumns, Config::kHeadDim, Config::kThreads, true>(
        machine_, to,
        tensor + place.batch * s.batch + head_kv() * s.head + (place.first_k + column) * s.row,
        s.row, place.seqlen_k - column);
  }
  ASHLAR_KERNEL_CODE void load_row_block(int to, const std::uint16_t* tensor, const Strides& s,
                                         const Step& step) {
    const SequencePlace place = sequence();
    const int row = step.block * Config::kRows;
    load_tile<Config::kRows, Config::kHeadDim, Config::kThreads, true>(
        machine_, to,
        tensor + place.batch * s.batch + head_of(step) * s.head + (place.first_q + row) * s.row,
        s.row, place.seqlen_q - row);
  }
  ASHLAR_KERNEL_CODE void load_queries(const Step& step, int buffer) {
    load_row_block(query_offset(buffer), arguments_.q, arguments_.q_strides, step);
  }
  ASHLAR_KERNEL_CODE void load_gradients(const Step& step) {
    load_row_block(Config::kGradientOffset, arguments_.dout, arguments_.dout_strides, step);
  }

  /// S = Q K^T or dP = dO V^T: rows and columns of two shared tiles; Tiles tiles from n8 tile
  /// `first_tile` on.
  template <int Tiles>
  ASHLAR_KERNEL_CODE void multiply_columns(float (&result)[2][Tiles][4], int rows, int columns,
                                           int first_tile) {
    clear(result);
    const LaneRow a_row = lane_row_major(lane());
    const LaneRow b_row = lane_row_minor(lane());
    const int a_lane = rows + swizzled_offset<Config::kRows>(first_row() + a_row.row, a_row.chunk);
    const int b_lane = columns + swizzled_offset<Config::kColumns>(
                                     column_warp() * Config::kWarpColumns + b_row.row, b_row.chunk);
    ASHLAR_UNROLL
    for (int k = 0; k < Config::kHeadDim / 16; ++k) {
      Fragment a[2];
      ASHLAR_UNROLL
      for (int m = 0; m < 2; ++m) {
        a[m] = machine_.load_matrices(fragment_offset<Config::kRows>(a_lane, 16 * m, k));
      }
      ASHLAR_UNROLL
      for (int n = 0; n < Tiles; n += 2) {
        const Fragment b = machine_.load_matrices(
            fragment_offset<Config::kColumns>(b_lane, 8 * (first_tile + n), k));
        multiply_pair(result, n, a, b);
      }
    }
  }

  /// dV += P^T dO or dK += dS^T Q: both tiles have the rows that are summed over.
  ASHLAR_KERNEL_CODE void multiply_rows(KeyGradient& result, int scores, int rows) {
    const LaneRow a_row = lane_row_transposed(lane());
    const LaneRow b_row = lane_row_major(lane());
    const int a_lane = scores + swizzled_offset<Config::kRows>(
                                    a_row.row, first_key() / kChunkElements + a_row.chunk);
    const int b_lane =
        rows + share_lane_offset<Config::kRows, Config::kKeyWidth>(b_row, key_warp());
    ASHLAR_UNROLL
    for (int k = 0; k < Config::kRows / 16; ++k) {
      Fragment a[2];
      ASHLAR_UNROLL
      for (int m = 0; m < 2; ++m) {
        a[m] = machine_.load_matrices_transposed(fragment_offset<Config::kRows>(a_lane, 16 * k, m));
      }
      ASHLAR_UNROLL
      for (int n = 0; n < kKeyTiles; n += 2) {
        const Fragment b = machine_.load_matrices_transposed(
            share_fragment_offset<Config::kRows, Config::kKeyWidth>(b_lane, 16 * k, key_warp(),
                                                                    n / 2));
        multiply_pair(result, n, a, b);
      }
    }
  }

  /// dQ of this row block from this column block, added to the sums.
  ASHLAR_KERNEL_CODE void add_query_gradient(const Step& step) {
    float result[kQueryRowTiles][kQueryTiles][4];
    clear(result);
    const LaneRow row = lane_row_major(lane());
    const int a_lane = Config::kScoreGradientOffset +
                       swizzled_offset<Config::kRows>(first_query() + row.row, row.chunk);
    const int b_lane = Config::kKeyOffset +
                       share_lane_offset<Config::kColumns, Config::kQueryWidth>(row, query_warp());
    ASHLAR_UNROLL
    for (int k = 0; k < Config::kColumns / 16; ++k) {
      Fragment a[kQueryRowTiles];
      ASHLAR_UNROLL
      for (int m = 0; m < kQueryRowTiles; ++m) {
        a[m] = machine_.load_matrices(fragment_offset<Config::kRows>(a_lane, 16 * m, k));
      }
      ASHLAR_UNROLL
      for (int n = 0; n < kQueryTiles; n += 2) {
        const Fragment b = machine_.load_matrices_transposed(
            share_fragment_offset<Config::kColumns, Config::kQueryWidth>(b_lane, 16 * k,
                                                                         query_warp(), n / 2));
        multiply_pair(result, n, a, b);
      }
    }
    const int copy = arguments_.copies > 1 ? static_cast<int>(machine_.block().x) : 0;
    float* const sums =
        arguments_.dq_sums + copy * copy_floats<Config>(arguments_) +
        padded_row<Config>(arguments_, sequence(), head_of(step), step.block) * Config::kHeadDim +
        machine_.thread();
    ASHLAR_UNROLL
    for (int m = 0; m < kQueryRowTiles; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kQueryTiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 4; ++i) {
          machine_.add(sums + query_gradient_offset<Config>(m, n, i), result[m][n][i]);
        }
      }
    }
  }

  template <int RowTiles, int Tiles>
  ASHLAR_KERNEL_CODE void multiply_pair(float (&result)[RowTiles][Tiles][4], int n,
                                        const Fragment (&a)[RowTiles], const Fragment& b) {
    ASHLAR_UNROLL
    for (int m = 0; m < RowTiles; ++m) {
      machine_.multiply_add(result[m][n], a[m], b.word[0], b.word[1]);
      machine_.multiply_add(result[m][n + 1], a[m], b.word[2], b.word[3]);
    }
  }

  /// dK and dV go through the shared tiles of K and V, so that global stores are 16 bytes wide.
  ASHLAR_KERNEL_CODE void store_gradients(int block) {
    machine_.barrier();  // all have finished with K and V
    stage(Config::kKeyOffset, key_gradient_, arguments_.scale);
    stage(Config::kValueOffset, value_gradient_, 1);
    machine_.barrier();
    store_columns(Config::kKeyOffset, arguments_.dk, arguments_.dk_strides, block);
    store_columns(Config::kValueOffset, arguments_.dv, arguments_.dv_strides, block);
    machine_.barrier();  // before the next column block's copies
  }

  ASHLAR_KERNEL_CODE void stage(int to, const KeyGradient& gradient, float factor) {
    ASHLAR_UNROLL
    for (int m = 0; m < 2; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kKeyTiles; ++n) {
        ASHLAR_UNROLL
        for (int i = 0; i < 4; i += 2) {
          const int chunk = key_warp() * kKeyTiles + n;
          machine_.store_pair(
              to + pair_offset<Config::kColumns>(lane(), first_key() + 16 * m, chunk, i),
              machine_.pack(gradient[m][n][i] * factor, gradient[m][n][i + 1] * factor));
        }
      }
    }
  }

  ASHLAR_KERNEL_CODE void store_columns(int from, std::uint16_t* tensor, const Strides& s,
                                        int block) {
    const SequencePlace place = sequence();
    const int column = block * Config::kColumns;
    store_tile<Config::kColumns, Config::kHeadDim, Config::kThreads>(
        machine_, from,
        tensor + place.batch * s.batch + head_kv() * s.head + (place.first_k + column) * s.row,
        s.row, place.seqlen_k - column);
  }

  KeyGradient key_gradient_;
  KeyGradient value_gradient_;
};

}  // namespace ashlar::flashattention2::kernel
