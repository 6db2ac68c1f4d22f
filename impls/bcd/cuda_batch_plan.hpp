#pragma once
// What the host prepares for a batch on a GPU: the problem in the layout of cuda_batch_state.hpp,
// partitions with their constants, the blocks of selections that do not look at x. Internal.
#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "impls/bcd/cuda_batch.hpp"
#include "impls/bcd/cuda_batch_state.hpp"

namespace ashlar::bcd {

/// cuda_batch_unsupported() without a look at the device.
std::optional<std::string> batch_rule_unsupported(const Problem& problem, const Rule& rule);

/// Arrays one after the other, to be copied in one piece; known by their offsets, as the piece is
/// here and on the device.
class BatchBytes {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  template <class T>
  std::size_t add(std::span<const T> values) {
    const std::size_t offset = reserve(values.size_bytes());
    const auto* from = reinterpret_cast<const std::byte*>(values.data());
    std::copy(from, from + values.size_bytes(),
              bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    return offset;
  }
  template <class T>
  std::size_t add(const std::vector<T>& values) {
    return add(std::span<const T>(values));
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::size_t reserve(std::size_t bytes) {
    const std::size_t offset = bytes_.size();
    bytes_.resize(offset + (bytes + 15) / 16 * 16);
    return offset;
  }

  std::vector<std::byte> bytes_;
};

class BatchPlan {
 public:
  /// Throws as make_cuda_batch(), but for the device.
  BatchPlan(const Problem& problem, std::span<const Rule> rules, const Optimum& optimum,
            const BatchOptions& options);

  std::size_t count() const { return runs_.size(); }
  const std::vector<std::byte>& inputs() const { return inputs_.bytes(); }
  std::size_t output_bytes() const;
  kernel::TeamSizes sizes(int blocks) const;

  // With `inputs` and `outputs` at these places.
  kernel::BatchProblem problem(const std::byte* inputs) const;
  std::vector<kernel::BatchRun> runs(const std::byte* inputs, std::byte* outputs) const;
  /// Runs by falling cost, so that a queue of them ends evenly.
  std::vector<Index> by_cost() const;

  std::size_t x_offset(std::size_t run) const;
  std::size_t trace_offset(std::size_t run) const;
  std::size_t trace_bytes() const;
  /// From the trace_bytes() at trace_offset().
  BatchTrace trace(const std::byte* outputs) const;

 private:
  struct LineOffsets {
    std::size_t starts = BatchBytes::kNone;
    std::size_t indices = BatchBytes::kNone;
    std::size_t values = BatchBytes::kNone;
  };
  struct Fixed {
    Blocks blocks;
    std::size_t starts = BatchBytes::kNone;
    std::size_t members = BatchBytes::kNone;
    std::size_t constants = BatchBytes::kNone;
    std::size_t block_of = BatchBytes::kNone;
    std::size_t root_starts = BatchBytes::kNone;
    std::size_t roots = BatchBytes::kNone;
  };
  using FixedKey = std::tuple<Partition, Index, Scan, Ties>;
  struct RunPlan {
    kernel::BatchRun run;
    const Fixed* fixed = nullptr;
    std::size_t schedule_starts = BatchBytes::kNone;
    std::size_t schedule = BatchBytes::kNone;
    double cost = 0;
  };

  void add_problem(const Optimum& optimum, bool row_sums, Objective& objective);
  LineOffsets add_lines(const SparseLines& lines);
  void add_slices(const SparseLines& lines);
  const Fixed& fixed(const Rule& rule, Objective& objective);
  void add_roots(Fixed& fixed, Objective& objective);
  void add_run(const Rule& rule, const BatchOptions& options, Objective& objective);
  void add_schedule(const Rule& rule, RunPlan& run, Objective& objective);

  const Problem& problem_;
  BatchBytes inputs_;
  kernel::BatchProblem shared_;  // without pointers
  LineOffsets columns_, by_row_, sliced_;
  std::size_t sliced_lines_ = BatchBytes::kNone;
  std::size_t sliced_lengths_ = BatchBytes::kNone;
  std::size_t targets_ = BatchBytes::kNone;
  std::size_t diagonal_ = BatchBytes::kNone;
  std::size_t lipschitz_ = BatchBytes::kNone;
  std::size_t row_sums_ = BatchBytes::kNone;
  std::size_t optimum_x_ = BatchBytes::kNone;
  std::size_t optimum_gradient_ = BatchBytes::kNone;
  std::size_t optimum_scores_ = BatchBytes::kNone;
  std::map<FixedKey, Fixed> fixed_;
  std::vector<RunPlan> runs_;
  kernel::TeamSizes sizes_;
  std::int64_t iterations_ = 0;
};

}  // namespace ashlar::bcd
