#pragma once
// Threads that go through many short phases together. Internal.
#include <atomic>
#include <cstdint>
#include <thread>

#include "impls/core/parallel.hpp"

namespace ashlar::bcd {

/// A meeting point for `shares` shares of the work, however many threads have them: a runtime may
/// grant fewer than asked for, and a thread with several shares counts for all of them.
class SharePoint {
 public:
  explicit SharePoint(std::int64_t shares) : shares_(shares) {}

  /// Of one thread.
  class Member {
   public:
    Member(SharePoint& point, std::int64_t own) : point_(point), own_(own) {}
    /// Returns when all shares have got here.
    void meet() {
      awaited_ += point_.shares_;
      if (own_ == point_.shares_) return;
      point_.arrived_.fetch_add(own_, std::memory_order_acq_rel);
      constexpr int kSpins = 20'000;  // then others may need this CPU to get here
      for (int spin = 0; point_.arrived_.load(std::memory_order_acquire) < awaited_; ++spin) {
        if (spin >= kSpins) std::this_thread::yield();
      }
    }

   private:
    SharePoint& point_;
    std::int64_t own_;
    std::int64_t awaited_ = 0;
  };

 private:
  std::int64_t shares_;
  std::atomic<std::int64_t> arrived_{0};
};

/// Calls body(begin, end, member) in each thread, for its shares.
template <class Body>
void run_shares(std::int64_t shares, const Body& body) {
  SharePoint point(shares);
  core::parallel_for_static(
      shares,
      [&](std::int64_t begin, std::int64_t end, int) {
        body(begin, end, SharePoint::Member(point, end - begin));
      },
      static_cast<int>(shares));
}

}  // namespace ashlar::bcd
