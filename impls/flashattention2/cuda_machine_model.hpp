#pragma once
// Test support: a CPU model of one thread block, on which the blocks' code runs unchanged. Every
// thread is a fiber. Warps run as far ahead of each other as barriers allow, in rising or falling
// order, and asynchronous copies leave NaN in their destination until their thread waits for them,
// so a missing barrier or wait shows as a wrong answer. Misaligned addresses are errors. Fragment
// layouts are those of the PTX manual for ldmatrix and mma.m16n8k16, written here independently of
// the kernel's index maps.
#include <ucontext.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "impls/core/half.hpp"
#include "impls/flashattention2/cuda_forward_block.hpp"

namespace ashlar::flashattention2::kernel {

class BlockModel;

/// What one thread of the model sees: the Machine of cuda_forward_block.hpp.
template <class Element>
class ModelThread {
 public:
  ModelThread(BlockModel& model, int thread) : model_(model), thread_(thread) {}

  int thread() const { return thread_; }
  GridIndex block() const;
  template <class T>
  T* opaque(T* pointer) const {
    return pointer;
  }
  void copy_async(int to, const void* from, bool valid);
  void commit_copies() { groups_.push_back(copies_.size()); }
  void wait_for_copies() { finish_copies(copies_.size()); }
  template <int Groups>
  void wait_for_copies_but() {
    if (groups_.size() > Groups) finish_copies(groups_[groups_.size() - Groups - 1]);
  }
  void barrier();
  void warp_barrier();
  Fragment load_matrices(int from) { return load(from, false); }
  Fragment load_matrices_transposed(int from) { return load(from, true); }
  void multiply_add(float (&c)[4], const Fragment& a, std::uint32_t b0, std::uint32_t b1);
  float shuffle_xor(float value, int mask);
  float exp2(float value) { return std::exp2(value); }
  float log2(float value) { return std::log2(value); }
  float tanh(float value) { return std::tanh(value); }
  std::uint32_t pack(float low, float high) {
    return core::from_float<Element>(low).bits |
           static_cast<std::uint32_t>(core::from_float<Element>(high).bits) << 16;
  }
  float low(std::uint32_t pair) const {
    return core::to_float(Element{static_cast<std::uint16_t>(pair)});
  }
  float high(std::uint32_t pair) const { return low(pair >> 16); }
  void store_pair(int to, std::uint32_t value) { std::memcpy(shared(to, 4), &value, 4); }
  void store_float(int to, float value) { std::memcpy(shared(to, 4), &value, 4); }
  float load_float(int from) {
    float value = 0;
    std::memcpy(&value, shared(from, 4), 4);
    return value;
  }
  void store_sums(int to, const ThreadSums& sums) { std::memcpy(shared(to, 16), &sums, 16); }
  ThreadSums load_sums(int from) {
    ThreadSums sums;
    std::memcpy(&sums, shared(from, 16), 16);
    return sums;
  }
  Fragment load_chunk(int from) {
    Fragment chunk;
    std::memcpy(&chunk, shared(from, 16), 16);
    return chunk;
  }
  void store_chunk(void* to, const Fragment& value) {
    require_aligned(to);
    std::memcpy(to, &value, 16);
  }
  void store_word(void* to, std::uint32_t value) {
    if (reinterpret_cast<std::uintptr_t>(to) % 4 != 0) {
      throw std::logic_error("a global address is not a multiple of 4");
    }
    std::memcpy(to, &value, 4);
  }
  Fragment fetch_chunk(const void* from) {
    require_aligned(from);
    Fragment chunk;
    std::memcpy(&chunk, from, 16);
    return chunk;
  }
  void add(float* to, float value) { *to += value; }

 private:
  struct Copy {
    int to;
    std::array<unsigned char, kChunkBytes> bytes;
  };

  unsigned char* shared(int offset, int bytes);
  Fragment load(int from, bool transposed);
  /// The first `count` copies arrive.
  void finish_copies(std::size_t count);
  /// Global accesses of 16 bytes fault elsewhere, even copies of none of them.
  static void require_aligned(const void* address) {
    if (reinterpret_cast<std::uintptr_t>(address) % kChunkBytes != 0) {
      throw std::logic_error("a global address is not a multiple of 16");
    }
  }

  BlockModel& model_;
  int thread_;
  std::vector<Copy> copies_;
  std::vector<std::size_t> groups_;  // how many copies there were when each group ended
};

/// Scheduler and shared memory. Warp-wide operations are exchanges: every lane deposits its
/// operand, the last one to arrive lets the warp go on, and each lane computes its own result from
/// all 32.
class BlockModel {
 public:
  struct Operand {
    std::uint32_t word[6];
  };

  BlockModel(int threads, int shared_bytes, const GridIndex& index, bool falling)
      : shared_(static_cast<std::size_t>(shared_bytes), 0xff),
        index_(index),
        falling_(falling),
        fibers_(static_cast<std::size_t>(threads)),
        warps_(static_cast<std::size_t>(threads / kWarpSize)) {}

  virtual ~BlockModel() = default;
  BlockModel(const BlockModel&) = delete;
  BlockModel& operator=(const BlockModel&) = delete;

  const GridIndex& index() const { return index_; }
  std::vector<unsigned char>& shared() { return shared_; }

  /// Runs body(thread) for every thread of the block. Throws std::logic_error on a deadlock.
  void run(const std::function<void(int)>& body) {
    body_ = &body;
    for (std::size_t t = 0; t < fibers_.size(); ++t) start(static_cast<int>(t));
    for (;;) {
      bool moved = false;
      bool left = false;
      for (std::size_t i = 0; i < warps_.size(); ++i) {
        const std::size_t warp = falling_ ? warps_.size() - 1 - i : i;
        while (step(warp)) moved = true;
      }
      for (const Fiber& fiber : fibers_) left = left || !fiber.done;
      if (failure_) std::rethrow_exception(failure_);
      if (!left) return;
      if (!moved && !idle())
        throw std::logic_error("the threads of the block wait for each other forever");
    }
  }

  /// Deposits an operand; returns when the whole warp has deposited. The operands of this exchange
  /// stay readable until the warp's next one but one.
  const std::array<Operand, kWarpSize>& exchange(int thread, const Operand& operand) {
    Warp& warp = warps_[static_cast<std::size_t>(thread / kWarpSize)];
    Fiber& fiber = fibers_[static_cast<std::size_t>(thread)];
    auto& slots = warp.operands[fiber.exchanges++ % 2];
    slots[static_cast<std::size_t>(thread % kWarpSize)] = operand;
    const std::int64_t target = fiber.exchanges * kWarpSize;
    ++warp.arrived;
    while (warp.arrived < target) pause(thread);
    return slots;
  }

  void barrier(int thread) {
    Fiber& fiber = fibers_[static_cast<std::size_t>(thread)];
    const auto target = static_cast<std::int64_t>(fibers_.size()) * ++fiber.barriers;
    ++at_barrier_;
    while (at_barrier_ < target) pause(thread);
  }

 protected:
  /// Lets others run; a thread that waits calls it again and again.
  void pause(int thread) {
    swapcontext(&fibers_[static_cast<std::size_t>(thread)].context, &scheduler_);
  }
  /// Something happened that others may be waiting for.
  void note_event() { ++events_; }
  /// What only happens when nobody can go on without it; false when there is nothing.
  virtual bool idle() { return false; }
  bool falling() const { return falling_; }

 private:
  static constexpr std::size_t kStackBytes = 64 * 1024;

  struct Fiber {
    ucontext_t context{};
    std::unique_ptr<unsigned char[]> stack;
    std::int64_t exchanges = 0;
    std::int64_t barriers = 0;
    bool done = false;
  };
  struct Warp {
    std::array<std::array<Operand, kWarpSize>, 2> operands{};
    std::int64_t arrived = 0;
  };

  void start(int thread) {
    Fiber& fiber = fibers_[static_cast<std::size_t>(thread)];
    fiber.stack = std::make_unique<unsigned char[]>(kStackBytes);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = &scheduler_;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&fiber.context, reinterpret_cast<void (*)()>(&BlockModel::enter), 3,
                static_cast<int>(self >> 32), static_cast<int>(self & 0xffffffffU), thread);
  }

  static void enter(int high, int low, int thread) {
    const std::uintptr_t self = static_cast<std::uintptr_t>(static_cast<std::uint32_t>(high))
                                    << 32 |
                                static_cast<std::uint32_t>(low);
    auto* const model = reinterpret_cast<BlockModel*>(self);
    try {
      (*model->body_)(thread);
    } catch (...) {  // a fiber's stack ends here
      model->failure_ = std::current_exception();
    }
    model->fibers_[static_cast<std::size_t>(thread)].done = true;
  }

  /// Lets every lane of a warp run to its next wait; true when one of them got further.
  bool step(std::size_t warp) {
    const auto progress = [&] {
      std::int64_t sum = warps_[warp].arrived + events_;
      for (std::size_t lane = 0; lane < kWarpSize; ++lane) {
        const Fiber& fiber = fibers_[warp * kWarpSize + lane];
        sum += fiber.barriers + (fiber.done ? 1 : 0);
      }
      return sum;
    };
    const std::int64_t before = progress();
    for (std::size_t lane = 0; lane < kWarpSize; ++lane) {
      Fiber& fiber = fibers_[warp * kWarpSize + lane];
      if (!fiber.done) swapcontext(&scheduler_, &fiber.context);
    }
    return progress() != before;
  }

  std::vector<unsigned char> shared_;
  GridIndex index_;
  bool falling_;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  std::int64_t at_barrier_ = 0;
  std::int64_t events_ = 0;
  ucontext_t scheduler_{};
  const std::function<void(int)>* body_ = nullptr;
  std::exception_ptr failure_;
};

template <class Element>
GridIndex ModelThread<Element>::block() const {
  return model_.index();
}

template <class Element>
unsigned char* ModelThread<Element>::shared(int offset, int bytes) {
  if (offset < 0 || offset + bytes > static_cast<int>(model_.shared().size()) ||
      offset % bytes != 0) {
    throw std::out_of_range("shared address " + std::to_string(offset));
  }
  return model_.shared().data() + offset;
}

template <class Element>
void ModelThread<Element>::copy_async(int to, const void* from, bool valid) {
  require_aligned(from);
  Copy copy{to, {}};
  if (valid) std::memcpy(copy.bytes.data(), from, kChunkBytes);
  copies_.push_back(copy);
  std::memset(shared(to, kChunkBytes), 0xff, kChunkBytes);
}

template <class Element>
void ModelThread<Element>::finish_copies(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(shared(copies_[i].to, kChunkBytes), copies_[i].bytes.data(), kChunkBytes);
  }
  copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<std::size_t> left;
  for (const std::size_t group : groups_) {
    if (group > count) left.push_back(group - count);
  }
  groups_ = std::move(left);
}

template <class Element>
void ModelThread<Element>::barrier() {
  model_.barrier(thread_);
}

template <class Element>
void ModelThread<Element>::warp_barrier() {
  model_.exchange(thread_, {});
}

/// Lane 8 i + r names row r of matrix i; the thread then holds, of each matrix, row lane / 4 and
/// elements 2 (lane % 4) and the next (of the transpose where asked).
template <class Element>
Fragment ModelThread<Element>::load(int from, bool transposed) {
  BlockModel::Operand operand{};
  operand.word[0] = static_cast<std::uint32_t>(from);
  const auto& operands = model_.exchange(thread_, operand);
  const int lane = thread_ % kWarpSize;
  Fragment result{};
  for (int matrix = 0; matrix < 4; ++matrix) {
    std::uint16_t pair[2];
    for (int e = 0; e < 2; ++e) {
      const int row = transposed ? 2 * (lane % 4) + e : lane / 4;
      const int column = transposed ? lane / 4 : 2 * (lane % 4) + e;
      const auto start =
          static_cast<int>(operands[static_cast<unsigned>(8 * matrix + row)].word[0]);
      std::memcpy(&pair[e], shared(start, kChunkBytes) + 2 * column, 2);
    }
    result.word[matrix] = pair[0] | static_cast<std::uint32_t>(pair[1]) << 16;
  }
  model_.exchange(thread_, {});  // nobody writes shared memory before all have read
  return result;
}

/// D = A B + C with A 16x16 (words: rows lane/4 and lane/4+8, then the same 8 columns on), B 16x8
/// (words: rows 2 (lane%4) and the next, then 8 rows on; column lane/4), C and D 16x8.
template <class Element>
void ModelThread<Element>::multiply_add(float (&c)[4], const Fragment& a, std::uint32_t b0,
                                        std::uint32_t b1) {
  const auto& operands =
      model_.exchange(thread_, {{a.word[0], a.word[1], a.word[2], a.word[3], b0, b1}});
  const auto element = [&operands](int lane, int word, int half) {
    const std::uint32_t bits = operands[static_cast<std::size_t>(lane)].word[word];
    return core::to_float(Element{static_cast<std::uint16_t>(half == 0 ? bits : bits >> 16)});
  };
  const int lane = thread_ % kWarpSize;
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + 8 * (i / 2);
    const int column = 2 * (lane % 4) + i % 2;
    float sum = c[i];
    for (int k = 0; k < 16; ++k) {
      const float left = element(row % 8 * 4 + k % 8 / 2, row / 8 + 2 * (k / 8), k % 2);
      const float right = element(column * 4 + k % 8 / 2, 4 + k / 8, k % 2);
      sum += left * right;
    }
    c[i] = sum;
  }
}

template <class Element>
float ModelThread<Element>::shuffle_xor(float value, int mask) {
  BlockModel::Operand operand{};
  std::memcpy(&operand.word[0], &value, 4);
  const auto& operands = model_.exchange(thread_, operand);
  float result = 0;
  const auto other = static_cast<unsigned>(thread_ % kWarpSize) ^ static_cast<unsigned>(mask);
  std::memcpy(&result, &operands[other].word[0], 4);
  return result;
}

}  // namespace ashlar::flashattention2::kernel
