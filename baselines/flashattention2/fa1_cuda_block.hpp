#pragma once
// FlashAttention-1's schedule on the tensor-core code of FlashAttention-2 (impls/flashattention2/
// cuda_forward_block.hpp), for one thread block, which has one head (Dao et al., arXiv 2205.14135,
// Algorithm 1; Dao, arXiv 2307.08691, sections 2.3 and 3).
//
// What is isolated. The outer loop goes over column blocks, whose K and V are loaded once; the
// inner one over the row blocks that see something of it. At each of these visits
//   Q_i, O_i, m_i and l_i are read from global memory;
//   S = Q_i K_j^T;  m' = max(m_i, rowmax S);  P = exp(S - m');  l' = e^(m_i - m') l_i + rowsum P
//   O_i = (l_i e^(m_i - m') O_i + P V_j) / l'
//   and O_i, m_i and l_i are written back, O in single precision, as in the authors' kernels.
// There is one thread block per head, and no other parallelism. Tiles, copies, fragments, masks and
// the split of rows among warps are those of ForwardBlock: its three products and its softmax are
// called as they stand. So warps do not split columns here, which FlashAttention-1 did as well;
// what that costs is another ablation (impls/flashattention2/cuda_split_keys_block.hpp). The
// weights are taken from m' and not first from the block's own maximum, which saves a scaling of
// P V, and the visit that ends a row writes the output at once.
//
// O, m and l lie in memory in the order of the accumulators: a thread reads what it has written,
// 16 bytes beside those of its neighbours. They are read once S is there, as the registers of O are
// not free before. The next Q arrives behind softmax and P V.
//
// FlashAttention-1's backward pass has the loops of FlashAttention-2's (column blocks outside, row
// blocks inside) in one thread block per head. So that one is BackwardBlock in a grid of heads.
// Nobody else adds to its dQ: the additions in memory meet no contention, and in one order. They
// return nothing to wait for, which is kinder than to read dQ and write it back.
#include <cstdint>

#include "impls/flashattention2/cuda_forward_block.hpp"
#include "impls/flashattention2/cuda_in_turn.hpp"

namespace ashlar::flashattention2::baselines {

struct Fa1CudaArguments {
  kernel::ForwardArguments forward;
  /// [sequences][heads_q][row blocks][Fa1CudaState<Config>::kSums][threads]; need not be set.
  kernel::ThreadSums* state = nullptr;
};

/// Row sums and maxima are in shared memory, since the loops take registers as well.
template <int HeadDim, kernel::PassKind Kind>
struct Fa1CudaConfig : kernel::ForwardConfig<HeadDim, Kind> {
  using Base = kernel::ForwardConfig<HeadDim, Kind>;
  static constexpr bool kSumsInShared = true;
  static constexpr bool kMaximaInShared = true;
  static constexpr int kMaximaOffset = Base::kSumsOffset + 16 * Base::kThreads;
  static constexpr int kSharedBytes = kMaximaOffset + 16 * Base::kThreads;
};

/// What a row block leaves in memory: its tiles of O, and maximum and sum of every thread's rows.
template <class Config>
struct Fa1CudaState {
  static constexpr int kTiles = Config::kRowTiles * Config::kHeadDim / 8;
  static constexpr int kMaxima = kTiles;
  static constexpr int kRowSums = kTiles + 1;
  static constexpr int kSums = kTiles + 2;
  static_assert(2 * Config::kRowTiles == 4);  // rows of a thread, as many as ThreadSums has
};

template <class Config, class Machine>
class Fa1CudaBlock : public kernel::ForwardBlock<Config, kernel::InTurn<Machine>> {
 public:
  using MachineInTurn = kernel::InTurn<Machine>;

 private:
  using Base = kernel::ForwardBlock<Config, MachineInTurn>;
  using State = Fa1CudaState<Config>;
  using Base::arguments_;
  using Base::kOutTiles;
  using Base::kRowTiles;
  using Base::kThreadRows;
  using Base::machine_;
  using Base::out_;

 public:
  ASHLAR_KERNEL_CODE Fa1CudaBlock(MachineInTurn& machine, const Fa1CudaArguments& arguments)
      : Base(machine, arguments.forward), fa1_arguments_(arguments) {}

  ASHLAR_KERNEL_CODE void run() {
    for (int turn = 0; turn < arguments_.row_blocks; ++turn) answer_blind_rows(turn);
    const int columns = arguments_.seqlen_k;
    for (int block = 0; block * Config::kColumns < columns; ++block) column_block(block);
  }

 private:
  /// Row blocks that see nothing are in no column block's loop.
  ASHLAR_KERNEL_CODE void answer_blind_rows(int turn) {
    machine_.take(turn);
    const kernel::BlockPlace place = Base::place();
    if (visible_to(Config::kRows - 1) > 0) return;
    Base::clear();
    conclude(place);
  }

  /// The row blocks that see something of a column block come first in their grid's order: a causal
  /// mask hides from the first rows, and that order is from the last ones on.
  ASHLAR_KERNEL_CODE int turns_of(int block) const {
    if constexpr (Config::kKind == kernel::PassKind::full) return arguments_.row_blocks;
    const int first =
        block * Config::kColumns - arguments_.seqlen_k + arguments_.seqlen_q;  // row that sees some
    return arguments_.row_blocks - (first > 0 ? first / Config::kRows : 0);
  }

  ASHLAR_KERNEL_CODE void column_block(int block) {
    machine_.barrier();  // all have finished with K, V and Q
    Base::template load_keys<true>(block);
    Base::template load_values<true>(block);
    machine_.take(0);
    Base::load_queries(Base::place());
    for (int turn = 0; turn < turns_of(block); ++turn) visit(block, turn);
  }

  /// One row block, whose Q is on its way when it begins.
  ASHLAR_KERNEL_CODE void visit(int block, int turn) {
    machine_.take(turn);
    machine_.wait_for_copies();
    machine_.barrier();  // Q, and K and V, are there for all
    typename Base::Scores scores;
    Base::multiply_keys(scores);
    machine_.barrier();  // all have finished with Q
    if (turn + 1 < turns_of(block)) {
      machine_.take(turn + 1);
      Base::load_queries(Base::place());
      machine_.take(turn);
    }
    const int end = (block + 1) * Config::kColumns;
    if (block >= kernel::columns_of<Config>(arguments_, Base::place()).whole_end) {
      Base::mask(scores, block);
    }
    if (block == 0) {
      Base::clear();
    } else {
      resume();
    }
    typename Base::Weights weights;
    Base::soften(scores, weights, block);
    Base::multiply_values(weights);
    if (end >= visible_to(Config::kRows - 1)) {
      conclude(Base::place());
    } else {
      suspend();
    }
  }

  /// How many columns a row of the row block sees; of those that do not exist, the last row.
  ASHLAR_KERNEL_CODE int visible_to(int row) const {
    const int last = arguments_.seqlen_q - 1;
    row += Base::place().row_begin;
    return kernel::visible_columns<Config::kCausal>(row < last ? row : last, arguments_.seqlen_q,
                                                    arguments_.seqlen_k);
  }

  /// This thread's part of the row block's state.
  ASHLAR_KERNEL_CODE kernel::ThreadSums* state() const {
    const kernel::BlockPlace place = Base::place();
    const std::int64_t head =
        std::int64_t{place.sequence.id} * arguments_.group * arguments_.heads_kv + place.head;
    const std::int64_t block = head * arguments_.row_blocks + place.row_begin / Config::kRows;
    return fa1_arguments_.state + block * State::kSums * Config::kThreads + machine_.thread();
  }

  /// O, not normalised again, m and l from memory. Of the four lanes of a row one takes l.
  ASHLAR_KERNEL_CODE void resume() {
    const kernel::ThreadSums* const from = state();
    kernel::ThreadSums sums = from[State::kRowSums * Config::kThreads];
    ASHLAR_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; ++n) {
        const kernel::ThreadSums tile = from[(m * kOutTiles + n) * Config::kThreads];
        ASHLAR_UNROLL
        for (int i = 0; i < 4; ++i) out_[m][n][i] = tile.row[i] * sums.row[2 * m + i / 2];
      }
    }
    const bool first = machine_.thread() % 4 == 0;
    ASHLAR_UNROLL
    for (int r = 0; r < kThreadRows; ++r) {
      if (!first) sums.row[r] = 0;
    }
    Base::keep_sums(sums);
    Base::keep_maxima(from[State::kMaxima * Config::kThreads]);
  }

  /// Normalised, and back to memory.
  ASHLAR_KERNEL_CODE void suspend() {
    kernel::ThreadSums* const to = state();
    kernel::ThreadSums sums = Base::sums();
    kernel::ThreadSums factor;
    ASHLAR_UNROLL
    for (int r = 0; r < kThreadRows; ++r) {
      sums.row[r] += machine_.shuffle_xor(sums.row[r], 1);
      sums.row[r] += machine_.shuffle_xor(sums.row[r], 2);
      factor.row[r] = kernel::final_factor(sums.row[r]);
    }
    to[State::kMaxima * Config::kThreads] = Base::maxima();
    to[State::kRowSums * Config::kThreads] = sums;
    ASHLAR_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; ++n) {
        kernel::ThreadSums tile;
        ASHLAR_UNROLL
        for (int i = 0; i < 4; ++i) tile.row[i] = out_[m][n][i] * factor.row[2 * m + i / 2];
        to[(m * kOutTiles + n) * Config::kThreads] = tile;
      }
    }
  }

  /// The answer of a row block. By words, since the place where ForwardBlock makes rows of them is
  /// waiting for the next Q; it is once per row.
  ASHLAR_KERNEL_CODE void conclude(const kernel::BlockPlace& place) {
    Base::normalise(place);
    const int thread = machine_.thread();
    const kernel::Strides& s = arguments_.out_strides;
    std::uint16_t* const out = arguments_.out + place.sequence.batch * s.batch +
                               place.head * s.head + place.row_begin * s.row +
                               kernel::accumulator_column(thread % kernel::kWarpSize, 0);
    ASHLAR_UNROLL
    for (int r = 0; r < kThreadRows; ++r) {
      const int row = Base::row_of(thread, r);
      if (place.row_begin + row >= place.sequence.seqlen_q) continue;
      ASHLAR_UNROLL
      for (int n = 0; n < kOutTiles; ++n) {
        const float* const pair = &out_[r / 2][n][2 * (r % 2)];
        machine_.store_word(out + row * s.row + 8 * n, machine_.pack(pair[0], pair[1]));
      }
    }
  }

  const Fa1CudaArguments& fa1_arguments_;
};

}  // namespace ashlar::flashattention2::baselines
