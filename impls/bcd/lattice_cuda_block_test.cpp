// What thread blocks do on a GPU, done by loops on the CPU: every thread's part of a phase, every
// item of a grid.
#include "impls/bcd/lattice_cuda_block.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/bcd/lattice_factors.hpp"
#include "impls/bcd/lattice_reference.hpp"
#include "impls/bcd/test_lattices.hpp"

namespace ashlar::bcd {
namespace lattice_cuda_block_test {
namespace {

using namespace test;

constexpr int kThreads = 96;  // more than a row of a tile, fewer than a part of the spine

std::size_t element(Index place) { return static_cast<std::size_t>(place); }

template <class Real>
class HostDevice {
 public:
  explicit HostDevice(const LatticeProblem& problem)
      : shape_(problem.rows, problem.columns),
        tile_(std::make_unique<kernel::CombWorkspace<Real>>()),
        spine_workspace_(std::make_unique<kernel::SpineWorkspace<Real>>()) {
    const ToothFactors factors;
    factors_.assign(std::begin(factors.of), std::end(factors.of));
    combs_.shape = colours_.shape = shape_;
    combs_.factors = factors_.data();
    std::copy(factors_.begin(), factors_.end(), tile_->factor);
    for (int plane = 0; plane < 2; ++plane) {
      values_[plane].resize(static_cast<std::size_t>(shape_.size()));
      combs_.plane[plane] = colours_.plane[plane] = values_[plane].data();
      if (problem.rows >= 2 && problem.columns >= 2) {
        const CombFactors of_comb = comb_factors(problem, plane);
        classes_[plane] = of_comb.classes;
        spine_[plane].assign(of_comb.spine.begin(), of_comb.spine.end());
        combs_.classes[plane] = classes_[plane].data();
        combs_.spine[plane] = spine_[plane].data();
      }
      labelled_[plane].assign(
          static_cast<std::size_t>(shape_.rows) * static_cast<std::size_t>(shape_.width), 0xff);
      colours_.labelled[plane] = labelled_[plane].data();
    }
    for (Index c = 0; c < problem.columns; ++c) {
      for (Index r = 0; r < problem.rows; ++r) {
        if (problem.labelled[static_cast<std::size_t>(problem.node(r, c))] == 0)
          labelled_[c % 2].at(element(r * shape_.width + c / 2)) = 0;
      }
    }
  }

  void set(const std::vector<double>& values) {
    for_each_place(shape_, [&](std::size_t node, int plane, std::size_t place) {
      values_[plane][place] = static_cast<Real>(values[node]);
    });
  }
  std::vector<double> get() const {
    std::vector<double> values(element(shape_.rows * shape_.columns));
    for_each_place(shape_, [&](std::size_t node, int plane, std::size_t place) {
      values[node] = static_cast<double>(values_[plane][place]);
    });
    return values;
  }

  /// Looks at no more than so many nodes beyond a tile's own.
  void cut_halo(Index halo) { halo_ = halo; }

  /// Items of a phase are independent: they may run in either order.
  void half_sweep(LatticePartition partition, int half, bool backwards) {
    if (partition == LatticePartition::red_black) {
      in_order(shape_.rows * shape_.width, backwards, [&](Index i) {
        kernel::update_colour(colours_, half, i / shape_.width, i % shape_.width);
      });
      return;
    }
    const kernel::CombTiling<Real> tiling(shape_, half);
    in_order(tiling.first_items(), backwards, [&](Index item) {
      if (item < tiling.spine_parts) {
        spine_item(half, item);
      } else {
        tile_item(half, tiling.tile(item, false));
      }
    });
    in_order(tiling.second_items(), backwards,
             [&](Index item) { tile_item(half, tiling.tile(item, true)); });
  }

 private:
  template <class Body>
  static void in_order(Index count, bool backwards, const Body& body) {
    for (Index i = 0; i < count; ++i) body(backwards ? count - 1 - i : i);
  }
  void tile_item(int comb, kernel::CombTile tile) {
    tile.low = std::max(tile.low, tile.first - halo_);
    tile.high = std::min(tile.high, tile.end + halo_);
    std::fill(std::begin(tile_->message), std::end(tile_->message), Real(NAN));
    for (int t = 0; t < kThreads; ++t) kernel::load_tile(combs_, comb, tile, *tile_, t, kThreads);
    for (int lane = 0; lane < kernel::kTileTeeth; ++lane)
      kernel::solve_tile_lane(combs_, comb, tile, *tile_, lane);
    for (int t = 0; t < kThreads; ++t) kernel::store_tile(combs_, comb, tile, *tile_, t, kThreads);
  }
  void spine_item(int comb, Index item) {
    const kernel::SpinePart part = kernel::spine_part<Real>(shape_, item);
    for (int t = 0; t < kThreads; ++t)
      kernel::load_spine(combs_, comb, part, *spine_workspace_, t, kThreads);
    kernel::solve_spine(part, *spine_workspace_);
    for (int t = 0; t < kThreads; ++t)
      kernel::store_spine(combs_, comb, part, *spine_workspace_, t, kThreads);
  }

  PlaneShape shape_;
  Index halo_ = kernel::CombTiling<Real>::kHalo;
  std::unique_ptr<kernel::CombWorkspace<Real>> tile_;
  std::unique_ptr<kernel::SpineWorkspace<Real>> spine_workspace_;
  std::vector<Real> factors_, values_[2], spine_[2];
  std::vector<std::uint8_t> classes_[2], labelled_[2];
  kernel::CombArguments<Real> combs_;
  kernel::ColourArguments<Real> colours_;
};

// Tiles have 128 rows and 32 teeth, parts of the spine 152 columns in double precision.
constexpr LatticeSize kSizes[] = {{2, 2},    {2, 17},   {3, 3},    {3, 66},  {17, 2},  {42, 5},
                                  {130, 63}, {131, 64}, {260, 65}, {300, 9}, {5, 310}, {171, 153}};

template <class Real>
void check_sizes(double tolerance) {
  for (const LatticeSize& size : kSizes) {
    for (const LatticeProblem& problem : lattices(size)) {
      for (const LatticePartition partition : kLatticePartitions) {
        INFO(shown(problem) << " " << name_of(partition));
        std::vector<double> expected = random_values(problem, 5);
        HostDevice<Real> device(problem);
        device.set(expected);
        for (int i = 0; i < 3; ++i) {
          reference_half_sweep(problem, partition, i % 2, expected);
          device.half_sweep(partition, i % 2, i == 1);
        }
        CHECK(largest_difference(device.get(), expected) < tolerance);
      }
    }
  }
}

}  // namespace

TEST_CASE("tiles and parts of the spine are the whole to rounding") {
  check_sizes<double>(1e-12 * 40);
  check_sizes<float>(2e-5);  // of values up to 40
}

TEST_CASE("tiles with less of a halo are wrong, and found") {
  const LatticeProblem problem = listed(300, 8, {0}, {40.0});
  const std::vector<double> start = random_values(problem, 2);
  std::vector<double> expected = start;
  reference_half_sweep(problem, LatticePartition::combs, 0, expected);
  const auto off_with = [&](Index halo) {
    HostDevice<double> device(problem);
    device.cut_halo(halo);
    device.set(start);
    device.half_sweep(LatticePartition::combs, 0, false);
    return largest_difference(device.get(), expected);
  };
  CHECK(off_with(kernel::CombTiling<double>::kHalo) < 1e-12 * 40);
  CHECK(off_with(0) > 1e-2);
  CHECK(off_with(5) > 1e-4);
  CHECK(off_with(10) > 1e-7);
  // The reach of a value: the largest factor to the power of the halo.
  const ToothFactors factors;
  const double slowest = factors.of[ToothFactors::last(3)];
  CHECK(std::pow(slowest, kernel::ReachOf<double>::kHalo) < 0x1p-54);
  CHECK(std::pow(slowest, kernel::ReachOf<float>::kHalo) < 0x1p-25);
}

TEST_CASE("tiles hold each tooth node once") {
  for (const LatticeSize& size : kSizes) {
    const PlaneShape shape(size.rows, size.columns);
    for (const int comb : {0, 1}) {
      const kernel::CombTiling<double> tiling(shape, comb);
      std::vector<int> seen(element(size.rows * (shape.teeth(comb) + 31)));
      const auto count = [&](const kernel::CombTile& tile, bool second) {
        for (Index d = tile.first; d < tile.end; ++d) {
          for (Index k = tile.tooth; k < std::min(tile.tooth + 32, shape.teeth(comb)); ++k)
            ++seen[element(d * shape.teeth(comb) + k)];
        }
        CHECK((tile.low == 1) == second);
        CHECK(tile.high - tile.low <= kernel::CombTiling<double>::kMostRows);
      };
      for (Index i = tiling.spine_parts; i < tiling.first_items(); ++i)
        count(tiling.tile(i, false), false);
      for (Index i = 0; i < tiling.second_items(); ++i) count(tiling.tile(i, true), true);
      int wrong = 0;
      for (Index d = 0; d < size.rows; ++d) {
        const int expected = d >= 1 && d < size.rows - 1 ? 1 : 0;
        for (Index k = 0; k < shape.teeth(comb); ++k)
          wrong += seen[element(d * shape.teeth(comb) + k)] != expected;
      }
      CHECK(wrong == 0);
    }
  }
}

}  // namespace lattice_cuda_block_test
}  // namespace ashlar::bcd
