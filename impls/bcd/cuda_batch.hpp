#pragma once
// Many runs on one problem in one launch on a GPU: each by a team of thread blocks, from x = 0 to
// its last iteration, with the problem's matrix uploaded once and shared. An iteration is a
// sequence of phases between the team's barriers (cuda_batch_run.hpp); blocks and iterates are the
// reference's but for rounding, of every loss; blocks that are parts of a graph have kernels of
// their own (cuda_forest.hpp, lattice_cuda.hpp). No CUDA types, so that every build reads this
// header; without CUDA cuda_batch_unsupported() says so.
//
// Source: ours; the methods are those of Nutini, Laradji, Schmidt, JMLR 23 (2022).
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "impls/bcd/shared_constants.hpp"
#include "impls/bcd/solve.hpp"

namespace ashlar::bcd {

/// Who works on one run.
enum class BatchTeam : std::uint8_t {
  automatic,  // the largest of these with which all runs are under way at once
  block,      // one thread block
  cluster,    // a cluster of them (compute capability 9.0)
  grid,       // all that the device holds, one run after the other
};

struct BatchOptions {
  std::int64_t iterations = 100;      // of each run
  double tolerance = 0;               // a run stops where its gap is below ...
  std::int64_t least_iterations = 6;  // ... after at least so many iterations
  Index refresh_every = 100;          // moves, until A x is computed from x anew
  BatchTeam team = BatchTeam::automatic;
  int cluster_blocks = 8;  // 2, 4 or 8
  /// Of this problem, from another use of it; made where null.
  std::shared_ptr<SharedConstants> constants = nullptr;
};

/// Of one run. Line 0 is the start, as in Trace.
struct BatchTrace {
  std::vector<double> gap;
  std::vector<Index> block_size;
  bool converged = false;
  /// A score was not a number, or a block's quadratic had no minimum: the run has ended before it.
  bool diverged = false;

  std::int64_t iterations() const { return static_cast<std::int64_t>(gap.size()) - 1; }
};

/// Why this binary on this machine does not run the rule in a batch: "not built", "no device: ...",
/// or what of the rule has no form there. Nothing when it does. The rule must pass validate().
std::optional<std::string> cuda_batch_unsupported(const Problem& problem, const Rule& rule);

/// Each run() does all of it anew.
class CudaBatch {
 public:
  virtual ~CudaBatch() = default;
  /// Waits for the device.
  virtual void run() = 0;
  /// run() on `stream` (a cudaStream_t; null is the default stream), without waiting. Throws
  /// std::runtime_error when the launch fails.
  virtual void launch(void* stream) = 0;
  /// Fills all answers with 0xFF bytes.
  virtual void poison() = 0;
  /// x of run `run` (0 .. rules - 1), of the problem's size. Waits for the device.
  virtual void x(std::size_t run, std::span<double> out) const = 0;
  virtual BatchTrace trace(std::size_t run) const = 0;
  /// What the launch is made of.
  virtual BatchTeam team() const = 0;
  virtual int blocks_of_team() const = 0;
  virtual int teams() const = 0;
};

/// One run per rule. The optimum is what gaps are measured against; Optimum{} gives values of f.
/// Throws std::invalid_argument for what validate() and cuda_batch_unsupported() name, no rules or
/// options out of range, std::bad_alloc when the device's memory is short.
std::unique_ptr<CudaBatch> make_cuda_batch(const Problem& problem, std::span<const Rule> rules,
                                           const Optimum& optimum,
                                           const BatchOptions& options = {});

}  // namespace ashlar::bcd
