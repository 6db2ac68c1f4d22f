#pragma once
// The forward pass without parallelism over the sequence (the second of the paper's three ideas:
// Dao, arXiv 2307.08691, section 3.2): one thread block per head, as in FlashAttention-1. It takes
// the row blocks of its head in turn, each with the code of ForwardBlock as it stands, so that a
// comparison with that kernel sees how many thread blocks there are, and nothing else.
#include "impls/flashattention2/cuda_forward_block.hpp"
#include "impls/flashattention2/cuda_in_turn.hpp"

namespace ashlar::flashattention2::kernel {

/// Row sums and maxima are in shared memory, since the loop takes registers as well.
template <int HeadDim, PassKind Kind>
struct HeadsOnlyConfig : ForwardConfig<HeadDim, Kind> {
  using Base = ForwardConfig<HeadDim, Kind>;
  static constexpr bool kSumsInShared = HeadDim == 128;
  static constexpr bool kMaximaInShared = true;
  static constexpr int kMaximaOffset = Base::kSumsOffset + 16 * Base::kThreads;
  static constexpr int kSharedBytes = kMaximaOffset + 16 * Base::kThreads;
};

template <class Config, class Machine>
class HeadsOnlyBlock {
 public:
  using MachineInTurn = InTurn<Machine>;

  ASHLAR_KERNEL_CODE HeadsOnlyBlock(MachineInTurn& machine, const ForwardArguments& arguments)
      : machine_(machine), arguments_(arguments) {}

  ASHLAR_KERNEL_CODE void run() {
    for (int turn = 0; turn < arguments_.row_blocks; ++turn) {
      machine_.take(turn);
      ForwardBlock<Config, MachineInTurn> block(machine_, arguments_);
      block.run();
      machine_.barrier();  // all have finished with shared memory
    }
  }

 private:
  MachineInTurn& machine_;
  const ForwardArguments& arguments_;
};

}  // namespace ashlar::flashattention2::kernel
