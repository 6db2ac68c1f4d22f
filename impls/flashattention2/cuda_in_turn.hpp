#pragma once
// One thread block that takes the places of several in turn, for kernels without parallelism over
// the sequence: a grid of (query heads per K/V head, K/V heads, sequences), a block per head, whose
// code believes that it is a block of the grid of row blocks (cuda_forward_math.hpp).
#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"

namespace ashlar::flashattention2::kernel {

/// `Machine` of cuda_forward_block.hpp, at a place that changes.
template <class Machine>
class InTurn : public Machine {
 public:
  using Machine::Machine;

  /// Which of a head's row blocks comes next, in the order of the grid of row blocks.
  ASHLAR_KERNEL_CODE void take(int turn) { turn_ = static_cast<unsigned>(turn); }
  ASHLAR_KERNEL_CODE TurnIndex block() const {
    const GridIndex index = Machine::block();
    return {turn_, index.x, index.y, index.z};
  }

 private:
  unsigned turn_ = 0;
};

}  // namespace ashlar::flashattention2::kernel
