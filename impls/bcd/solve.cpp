#include "impls/bcd/solve.hpp"

#include <algorithm>
#include <chrono>

#include "impls/core/range.hpp"

namespace ashlar::bcd {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Whether the support is that of the optimum, kept up to date block by block.
class SupportWatch {
 public:
  SupportWatch(std::span<const double> x, const Optimum& optimum) : optimum_(optimum) {
    if (optimum.x.empty()) return;
    differs_.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) look(x, static_cast<Index>(i));
  }

  void look(std::span<const double> x, Block block) {
    if (optimum_.x.empty()) return;
    for (const Index i : block) look(x, i);
  }
  void end_of_iteration(std::int64_t iteration) {
    if (differing_ != 0) last_other_ = iteration;
  }
  /// -1 where it is not the optimal support now, or there is none to compare with.
  std::int64_t identified_after() const {
    return optimum_.x.empty() || differing_ != 0 ? -1 : last_other_ + 1;
  }

 private:
  void look(std::span<const double> x, Index i) {
    const bool differs = (x[i] != 0) != (optimum_.x[i] != 0);
    differing_ += static_cast<std::int64_t>(differs) - static_cast<std::int64_t>(differs_[i]);
    differs_[i] = differs;
  }

  const Optimum& optimum_;
  std::vector<bool> differs_;
  std::int64_t differing_ = 0;
  std::int64_t last_other_ = -1;
};

void keep(Trace& trace, double gap, Block block, double select_s, double update_s,
          const Traffic& traffic) {
  trace.gap.push_back(gap);
  trace.block_size.push_back(static_cast<Index>(block.size()));
  trace.select_seconds.push_back(select_s);
  trace.update_seconds.push_back(update_s);
  trace.flops.push_back(traffic.flops);
  trace.bytes.push_back(traffic.bytes);
}

}  // namespace

Block next_block(Parts& parts) {
  const auto estimates = parts.update->estimates();
  return parts.selection->select(*parts.objective,
                                 estimates ? *estimates : parts.objective->lipschitz());
}

void iterate(Parts& parts, std::int64_t iterations) {
  for (std::int64_t k = 0; k < iterations; ++k)
    parts.update->update(*parts.objective, next_block(parts));
}

Trace solve(Parts& parts, const Optimum& optimum, const SolveOptions& options) {
  Objective& objective = *parts.objective;
  Trace trace;
  SupportWatch watch(objective.x(), optimum);
  double gap = objective.gap(optimum);
  // What looking at the gap itself reads is no part of the method.
  Traffic spent;
  const auto add = [&spent](const Traffic& before, const Traffic& after) {
    spent.flops += after.flops - before.flops;
    spent.bytes += after.bytes - before.bytes;
  };
  keep(trace, gap, {}, 0, 0, spent);
  watch.end_of_iteration(0);
  double seconds = 0;
  for (std::int64_t k = 1; k <= options.iterations; ++k) {
    const Traffic before = objective.traffic();
    const auto began = Clock::now();
    const Block block = next_block(parts);
    const double select_s = seconds_since(began);
    const auto selected = Clock::now();
    parts.update->update(objective, block);
    const double update_s = seconds_since(selected);
    add(before, objective.traffic());
    seconds += select_s + update_s;
    {
      const core::Range range("objective");
      gap = objective.gap(optimum);
    }
    watch.look(objective.x(), block);
    watch.end_of_iteration(k);
    keep(trace, gap, block, select_s, update_s, spent);
    trace.converged = gap < options.tolerance && k >= options.least_iterations;
    if (trace.converged || block.empty()) break;
    if (options.seconds > 0 && seconds >= options.seconds) break;
  }
  trace.identified_after = watch.identified_after();
  const auto x = objective.x();
  trace.support = std::count_if(x.begin(), x.end(), [](double value) { return value != 0; });
  return trace;
}

Parts make_parts(const Problem& problem, const Rule& rule) {
  return make_parts(make_reference_objective(problem), rule);
}

Parts make_parts(std::unique_ptr<Objective> objective, const Rule& rule) {
  validate(rule, objective->problem());
  Parts parts;
  parts.objective = std::move(objective);
  parts.blocks = std::make_unique<const Blocks>(make_blocks(rule, *parts.objective));
  parts.selection = make_selection(rule, *parts.blocks, *parts.objective);
  parts.update = make_update(rule, *parts.objective);
  return parts;
}

}  // namespace ashlar::bcd
