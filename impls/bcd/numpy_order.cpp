#include "impls/bcd/numpy_order.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <numeric>
#include <utility>

namespace ashlar::bcd {
namespace {

class ArgSort {
 public:
  explicit ArgSort(std::span<const double> keys) : keys_(keys), order_(keys.size()) {
    std::iota(order_.begin(), order_.end(), 0);
  }

  std::vector<Index> sorted() {
    if (order_.empty()) return {};
    struct Range {
      std::ptrdiff_t first, last;
      int depth;
    };
    std::vector<Range> open{
        {0, std::ssize(order_) - 1, 2 * (static_cast<int>(std::bit_width(order_.size())) - 1)}};
    while (!open.empty()) {
      auto [first, last, depth] = open.back();
      open.pop_back();
      while (last - first >= kInsertion && depth >= 0) {
        const std::ptrdiff_t pivot = part(first, last);
        --depth;
        if (pivot - first < last - pivot) {
          open.push_back({pivot + 1, last, depth});
          last = pivot - 1;
        } else {
          open.push_back({first, pivot - 1, depth});
          first = pivot + 1;
        }
      }
      if (last - first >= kInsertion) {
        sort_by_index_too(first, last);
      } else {
        insert(first, last);
      }
    }
    return std::move(order_);
  }

 private:
  static constexpr std::ptrdiff_t kInsertion = 16;

  double key(std::ptrdiff_t place) const { return keys_[order_[place]]; }
  void swap(std::ptrdiff_t one, std::ptrdiff_t other) { std::swap(order_[one], order_[other]); }
  void put_in_order(std::ptrdiff_t one, std::ptrdiff_t other) {
    if (key(other) < key(one)) swap(one, other);
  }

  /// Where the pivot comes to lie: smaller or equal keys before it, larger or equal ones behind.
  std::ptrdiff_t part(std::ptrdiff_t first, std::ptrdiff_t last) {
    const std::ptrdiff_t middle = first + (last - first) / 2;
    put_in_order(first, middle);
    put_in_order(middle, last);
    put_in_order(first, middle);
    const double pivot = key(middle);
    swap(middle, last - 1);
    std::ptrdiff_t low = first;
    std::ptrdiff_t high = last - 1;
    while (true) {
      while (key(++low) < pivot) continue;
      while (pivot < key(--high)) continue;
      if (low >= high) break;
      swap(low, high);
    }
    swap(low, last - 1);
    return low;
  }

  void insert(std::ptrdiff_t first, std::ptrdiff_t last) {
    for (std::ptrdiff_t place = first + 1; place <= last; ++place) {
      for (std::ptrdiff_t to = place; to > first && key(to) < key(to - 1); --to) swap(to, to - 1);
    }
  }

  void sort_by_index_too(std::ptrdiff_t first, std::ptrdiff_t last) {
    std::sort(order_.begin() + first, order_.begin() + last + 1, [&](Index one, Index other) {
      return keys_[one] < keys_[other] || (keys_[one] == keys_[other] && one < other);
    });
  }

  std::span<const double> keys_;
  std::vector<Index> order_;
};

}  // namespace

std::vector<Index> numpy_order(std::span<const double> keys) { return ArgSort(keys).sorted(); }

}  // namespace ashlar::bcd
