#pragma once
// What runs of a batch on a GPU share, read and write, for both sides: host memory in tests.
// Internal.
#include <cstdint>

#include "impls/bcd/rule.hpp"
#include "impls/core/cuda/host_device.hpp"

namespace ashlar::bcd::kernel {

constexpr int kMostThreads = 256;  // of a block
constexpr int kGroups = 16;        // into which a block's threads are summed
constexpr int kDigits = 256;       // of one pass over the bits of scores
constexpr int kPasses = 9;
constexpr int kSliceShift = 5;  // of slices as wide as a warp

/// SparseLines.
struct BatchLines {
  const std::int64_t* starts = nullptr;
  const Index* indices = nullptr;
  const double* values = nullptr;
};

/// Lines by falling length, 2^shift of them side by side, a slice: entry e of the line at `place`
/// is at starts[place >> shift] + (e << shift) and behind that the place within the slice, so that
/// neighbouring threads read neighbouring memory, each its own line in its own order. Where they
/// share a line, as classes of a feature do, slices are single lines.
struct SlicedLines {
  int shift = kSliceShift;
  const std::int64_t* starts = nullptr;  // of slices
  const Index* lines = nullptr;          // by place
  const Index* lengths = nullptr;        // by place
  const Index* indices = nullptr;
  const double* values = nullptr;
};

/// Shared by all runs.
struct BatchProblem {
  Loss loss = Loss::least_squares;
  Index size = 0;                     // coordinates
  Index rows = 0;                     // of A; 0 for a quadratic
  Index classes = 1;                  // of softmax: coordinate i is class i % classes of a column
  double bound = 1;                   // H is so many times A'A, but for what classes share
  double slope = 0;                   // lambda where x >= 0
  double lambda = 0;                  // of a signed penalty
  SlicedLines sliced;                 // columns of A; M without its diagonal
  BatchLines columns;                 // the same by index
  BatchLines by_row;                  // of A
  const double* targets = nullptr;    // y; c of a quadratic
  const double* diagonal = nullptr;   // of a quadratic's M
  const double* lipschitz = nullptr;  // L_i
  const double* row_sums = nullptr;   // D_i; null where no rule asks
  double optimum_value = 0;
  // Of a known minimiser, else null:
  const double* optimum_x = nullptr;
  const double* optimum_gradient = nullptr;
  const double* optimum_scores = nullptr;  // A x*; of least squares
};

struct BatchEnd {
  std::int64_t iterations = 0;
  std::int32_t converged = 0;
  std::int32_t diverged = 0;  // a score was not a number, or a block's quadratic had no minimum
};

/// One run: a rule with what the host knows of it beforehand, and where its answers go.
struct BatchRun {
  Selection selection = Selection::gs;
  Update update = Update::lipschitz_block;
  bool variable = true;
  bool squares = true;   // fixed blocks are scored by 2-norms
  Index block_size = 0;  // of variable blocks
  // Of a fixed partition:
  Index blocks = 0;
  const std::int64_t* block_starts = nullptr;  // blocks + 1, into members
  const Index* members = nullptr;
  const double* constants = nullptr;  // L_b; null where nothing asks
  // Of a selection that does not look at x, one block per iteration: places of fixed blocks, or
  // coordinates from schedule_starts on.
  const std::int64_t* schedule_starts = nullptr;
  const Index* schedule = nullptr;
  // Of the quadratic norm: W_b of invert_root() for fixed blocks, 1 / lambda_max(H) for variable
  // ones.
  const Index* block_of = nullptr;  // by member
  const std::int64_t* root_starts = nullptr;
  const double* roots = nullptr;
  double threshold_step = 0;

  std::int64_t iterations = 0;
  std::int64_t least_iterations = 0;
  double tolerance = 0;
  Index refresh_every = 100;

  double* x = nullptr;
  double* gap = nullptr;         // iterations + 1
  Index* block_sizes = nullptr;  // iterations + 1
  BatchEnd* end = nullptr;
};

/// A score and where it was found.
struct Best {
  double score = 0;
  Index place = 0;
};

/// Of a pass over digits: the bin in which the last of the wanted scores lies.
struct DigitFound {
  std::int32_t bin = 0;
  std::uint32_t before = 0;  // scores in better bins
  std::uint32_t inside = 0;
};

/// Scores above the threshold, and equal to it.
struct TopCount {
  std::uint32_t above = 0;
  std::uint32_t equal = 0;
};

/// Of a block; in shared memory on a GPU.
struct BlockMemory {
  Best parts[kMostThreads];
  Best groups[kGroups];
  TopCount counts[kMostThreads];
  TopCount group_counts[kGroups];
  std::uint32_t digit_sums[kGroups];
  DigitFound found;
};

/// Numbers of the iteration under way.
struct BatchScalars {
  double constant = 0;  // L_b
  double square = 0;    // ||g_b||^2
  double estimate = 0;
  double enough = 0;  // sum of the block's L_i
  double slope = 0;   // along a direction
  double largest_diagonal = 0;
  double pivot_ratio = 0;     // the square of the least over the largest
  double tau = 0;             // of a reflection
  double inverse = 0;         // 1 / its first component
  std::uint32_t classes = 0;  // in the block
  double low = 0;             // brackets an eigenvalue
  double high = 0;
  std::int32_t solved = 0;
  std::uint32_t ticket = 0;  // the team's next run in the queue
  std::uint32_t above[64] = {};
};

enum class ActiveSetAction : std::int32_t { newton, done, failed };

/// Of the method for x_b >= 0, beside its vectors.
struct ActiveSetState {
  ActiveSetAction action = ActiveSetAction::newton;
  std::int32_t steps = 0;
  std::int32_t free = 0;     // coordinates that may move
  std::int32_t stepped = 0;  // a step was just made ...
  std::int32_t kept = 0;     // ... and no coordinate met its bound
  std::int32_t stalled = 0;  // within one set a step hardly helps any more
  double before = 0;         // violation before the step
};

/// What a team's memory is made for: the largest of its runs.
struct TeamSizes {
  Index size = 0;
  Index rows = 0;
  Index classes = 1;
  Index most_block = 0;
  Index most_matrix = 0;   // of blocks whose matrix is looked at
  bool estimates = false;  // of L_i
  bool inverses = false;   // a second matrix is needed
  bool searches = false;   // along Newton directions
  bool active_sets = false;
  bool thresholds = false;  // hard thresholding
  int blocks = 1;
};

/// A k x k matrix and k-vectors, near where they are worked on: shared memory where they fit.
struct NearMemory {
  double* matrix = nullptr;   // column after column
  double* right = nullptr;    // a right side, then its solution
  double* forward = nullptr;  // half solved
  double* pivots = nullptr;
  double* diagonal = nullptr;  // of a tridiagonal matrix
  double* beside = nullptr;    // squares beside it
};
ASHLAR_HOST_DEVICE std::int64_t near_numbers(Index k) {
  return static_cast<std::int64_t>(k) * k + 5 * static_cast<std::int64_t>(k);
}
ASHLAR_HOST_DEVICE NearMemory near_memory(double* base, Index k) {
  NearMemory near;
  near.matrix = base;
  double* const vectors = base + static_cast<std::int64_t>(k) * k;
  near.right = vectors;
  near.forward = vectors + k;
  near.pivots = vectors + 2 * k;
  near.diagonal = vectors + 3 * k;
  near.beside = vectors + 4 * k;
  return near;
}

/// Of a team, in global memory. Of softmax there are `classes` scores, moves and slopes in a row:
/// score_place() and slope_place() of cuda_batch_softmax.hpp say where.
struct TeamMemory {
  double* scores = nullptr;  // z = A x
  double* slopes = nullptr;  // of the losses at z
  double* losses = nullptr;  // at z, by rows
  double* moved = nullptr;   // A_b d
  double* gradient = nullptr;
  double* ranks = nullptr;  // scores of coordinates
  double* estimates = nullptr;
  Index* block = nullptr;
  double* block_gradient = nullptr;
  double* step = nullptr;
  double* vectors = nullptr;    // a second matrix: eigenvectors, or a factor
  double* rotations = nullptr;  // cosines and sines
  Best* totals = nullptr;       // of blocks, for two reductions in turn
  TopCount* block_counts = nullptr;
  std::int64_t* bounds = nullptr;  // by block and member: the block's rows in the member's column
  std::uint32_t* digits = nullptr;
  BatchScalars* scalars = nullptr;
  double* curvatures = nullptr;  // of the losses at z; see row_weight()
  double* direction = nullptr;   // of the block
  ActiveSetState* active = nullptr;
  double* work = nullptr;
  Index* members = nullptr;
  double* thought = nullptr;  // of all coordinates: where hard thresholding is
  double* product = nullptr;
  Index* support = nullptr;
  double* centred = nullptr;  // A v less each row's mean, where slopes would be
  std::uint32_t* class_counts = nullptr;
  NearMemory near;
  Index most_block = 0;
};

/// A launch: `count` runs in the order of `order`, taken from a queue by as many teams as there
/// are.
struct BatchLaunch {
  BatchProblem problem;
  const BatchRun* runs = nullptr;
  const Index* order = nullptr;
  std::uint32_t count = 0;
  std::uint32_t* queue = nullptr;     // 0 at the start
  unsigned char* memories = nullptr;  // of teams, aligned to 16 bytes
  std::int64_t memory_bytes = 0;      // of each, a multiple of 16
  TeamSizes sizes;
  bool near_is_shared = false;  // matrices are in the block's shared memory
  bool in_clusters = false;     // teams of several blocks are clusters, else the grid
};

/// Cuts memory into arrays, each aligned to 16 bytes.
class Carver {
 public:
  ASHLAR_HOST_DEVICE explicit Carver(std::uintptr_t base) : base_(base) {}
  template <class T>
  ASHLAR_HOST_DEVICE T* take(std::int64_t count) {
    T* const taken = reinterpret_cast<T*>(base_ + used_);
    used_ += (static_cast<std::uintptr_t>(count) * sizeof(T) + 15) / 16 * 16;
    return taken;
  }
  ASHLAR_HOST_DEVICE std::int64_t used() const { return static_cast<std::int64_t>(used_); }

 private:
  std::uintptr_t base_;
  std::uintptr_t used_ = 0;
};

/// `near` stays as it is where it is set.
ASHLAR_HOST_DEVICE std::int64_t carve(const TeamSizes& sizes, std::uintptr_t base,
                                      TeamMemory& memory) {
  Carver carver(base);
  const bool several = sizes.classes > 1;
  const std::int64_t scores = static_cast<std::int64_t>(sizes.rows) * sizes.classes;
  const std::int64_t k = sizes.most_matrix;
  memory.most_block = sizes.most_block;
  memory.scores = carver.take<double>(scores);
  memory.slopes = carver.take<double>(scores);
  memory.losses = carver.take<double>(sizes.rows);
  memory.moved = carver.take<double>(scores);
  memory.gradient = carver.take<double>(sizes.size);
  memory.ranks = carver.take<double>(sizes.size);
  memory.estimates = carver.take<double>(sizes.estimates ? sizes.size : 0);
  memory.block = carver.take<Index>(sizes.most_block);
  memory.block_gradient = carver.take<double>(sizes.most_block);
  memory.step = carver.take<double>(sizes.most_block);
  memory.vectors = carver.take<double>(sizes.inverses ? k * k : 0);
  memory.rotations = carver.take<double>(sizes.inverses ? k + 2 : 0);
  memory.totals = carver.take<Best>(std::int64_t{2} * sizes.blocks);
  memory.block_counts = carver.take<TopCount>(sizes.blocks);
  memory.bounds = carver.take<std::int64_t>(std::int64_t{2} * sizes.blocks * sizes.most_block);
  memory.digits = carver.take<std::uint32_t>(kPasses * kDigits);
  memory.scalars = carver.take<BatchScalars>(1);
  memory.curvatures = carver.take<double>(sizes.searches ? scores + (several ? sizes.rows : 0) : 0);
  memory.direction = carver.take<double>(sizes.searches ? k : 0);
  memory.active = carver.take<ActiveSetState>(1);
  memory.work = carver.take<double>(sizes.active_sets ? 4 * k : 0);
  memory.members = carver.take<Index>(sizes.active_sets ? 2 * k : 0);
  memory.thought = carver.take<double>(sizes.thresholds ? sizes.size : 0);
  memory.product = carver.take<double>(sizes.thresholds ? sizes.size : 0);
  memory.support = carver.take<Index>(sizes.thresholds ? sizes.most_block : 0);
  memory.centred = carver.take<double>(sizes.thresholds && several ? scores : 0);
  memory.class_counts = carver.take<std::uint32_t>(several ? sizes.classes : 0);
  if (memory.near.matrix == nullptr) {
    memory.near =
        near_memory(carver.take<double>(near_numbers(sizes.most_matrix)), sizes.most_matrix);
  }
  return carver.used();
}

}  // namespace ashlar::bcd::kernel
