#pragma once
// Teams of threads as loops on a CPU, for tests of what runs on a GPU: each phase is run for every
// thread in turn, in an order that a test chooses. Phases in which threads depend on each other
// give other numbers in another order.
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "impls/bcd/cuda_batch_team.hpp"
#include "impls/core/random.hpp"

namespace ashlar::bcd::testing {

enum class ThreadOrder { forward, backward, shuffled };

class HostTeam {
 public:
  HostTeam(int blocks, int threads, ThreadOrder order)
      : order_(order), locals_(std::make_shared<std::vector<kernel::BlockMemory>>(blocks)) {
    for (int block = 0; block < blocks; ++block) {
      for (int thread = 0; thread < threads; ++thread) {
        workers_.push_back({block, blocks, thread, threads, &(*locals_)[block]});
      }
    }
  }

  template <class Phase>
  void each(const Phase& phase) {
    for (const std::size_t worker : turns()) phase(workers_[worker]);
    check_reads();
    ++phases_;
  }
  template <class Phase>
  void each_block(const Phase& phase) {
    each(phase);
  }
  template <class Body>
  void first_block(const Body& body) {
    HostTeam first = *this;
    first.workers_.resize(static_cast<std::size_t>(workers_.front().threads));
    for (kernel::Worker& worker : first.workers_) worker.blocks = 1;
    body(first);
    check_reads();
  }
  template <class T>
  T read(const T* pointer) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(pointer);
    reads_.emplace_back(bytes, std::vector<unsigned char>(bytes, bytes + sizeof(T)));
    return *pointer;
  }
  int blocks() const { return workers_.front().blocks; }
  int turn() { return turn_ ^= 1; }
  kernel::BlockMemory& local() { return locals_->front(); }
  std::int64_t phases() const { return phases_; }

 private:
  std::vector<std::size_t> turns() {
    std::vector<std::size_t> turns(workers_.size());
    std::iota(turns.begin(), turns.end(), std::size_t{0});
    if (order_ == ThreadOrder::backward) return {turns.rbegin(), turns.rend()};
    if (order_ == ThreadOrder::forward) return turns;
    for (std::size_t last = turns.size(); last > 1; --last) {
      const double draw = core::random_element(core::Distribution::uniform, 7, 0, draws_++);
      std::swap(turns[last - 1], turns[static_cast<std::size_t>(draw * static_cast<double>(last))]);
    }
    return turns;
  }
  /// A slow thread may read after a fast one has begun with the next phase.
  void check_reads() {
    for (const auto& [pointer, bytes] : reads_) {
      if (std::memcmp(pointer, bytes.data(), bytes.size()) != 0)
        throw std::logic_error("a number by which threads go on was written in the next phase");
    }
    reads_.clear();
  }

  ThreadOrder order_;
  std::shared_ptr<std::vector<kernel::BlockMemory>> locals_;
  std::vector<kernel::Worker> workers_;
  std::vector<std::pair<const unsigned char*, std::vector<unsigned char>>> reads_;
  int turn_ = 0;
  std::uint64_t draws_ = 0;
  std::int64_t phases_ = 0;
};

}  // namespace ashlar::bcd::testing
