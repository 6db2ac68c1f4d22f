#include <algorithm>
#include <cstdint>
#include <vector>

#include "impls/bcd/lattice_kernels.hpp"
#include "impls/bcd/lattice_sweep.hpp"
#include "impls/bcd/lattice_team.hpp"
#include "impls/core/aligned_buffer.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

constexpr Index kRowsOfShare = 16;  // at least: less is not worth a meeting

class ColourSweeps final : public LatticeSolver {
 public:
  ColourSweeps(const LatticeProblem& problem, int threads)
      : shape_(problem.rows, problem.columns),
        shares_(std::clamp<std::int64_t>(problem.rows / kRowsOfShare, 1, threads)) {
    planes_.shape = shape_;
    const auto width = static_cast<std::size_t>(shape_.width);
    for (int plane = 0; plane < 2; ++plane) {
      values_[plane] =
          core::AlignedBuffer(static_cast<std::size_t>(shape_.size()) * sizeof(double));
      planes_.plane[plane] = values_[plane].as<double>();
      labelled_[plane] = core::AlignedBuffer(static_cast<std::size_t>(shape_.rows) * width);
      inverse_[plane] = core::AlignedBuffer(2 * width * sizeof(double));
      set_labelled(problem, plane);
      set_inverse(problem, plane);
    }
    set_values(start_state(problem).values);
  }

  void set_values(std::span<const double> values) override {
    for_each_place(shape_, [&](std::size_t node, int plane, std::size_t place) {
      planes_.plane[plane][place] = values[node];
    });
    colour_ = 0;
  }
  void get_values(std::span<double> values) const override {
    for_each_place(shape_, [&](std::size_t node, int plane, std::size_t place) {
      values[node] = planes_.plane[plane][place];
    });
  }
  double bytes_per_half_sweep() const override {
    return 0.5 * shape_.rows * static_cast<double>(shape_.columns) * (2 * sizeof(double) + 1);
  }

  void run(std::int64_t half_sweeps) override {
    if (half_sweeps <= 0) return;
    const core::Range range("red-black half sweeps", half_sweeps);
    run_shares(shares_, [&](std::int64_t begin, std::int64_t end, SharePoint::Member member) {
      run_shares_of(begin, end, member, half_sweeps);
    });
    colour_ = static_cast<int>((colour_ + half_sweeps) % 2);
  }

 private:
  void set_labelled(const LatticeProblem& problem, int plane) {
    auto* const out = labelled_[plane].as<std::uint8_t>();
    std::fill(out, out + labelled_[plane].bytes(), std::uint8_t{0xff});
    for (Index c = plane; c < shape_.columns; c += 2) {
      for (Index r = 0; r < shape_.rows; ++r) {
        const bool label = problem.labelled[static_cast<std::size_t>(problem.node(r, c))] != 0;
        out[std::int64_t{r} * shape_.width + c / 2] = label ? 0xff : 0;
      }
    }
    planes_.labelled[plane] = out;
  }
  void set_inverse(const LatticeProblem& problem, int plane) {
    double* const inner = inverse_[plane].as<double>();
    double* const border = inner + shape_.width;
    for (Index c = plane; c < shape_.columns; c += 2) {
      const Index within = std::min<Index>(1, shape_.rows - 1);
      // A lone node has no neighbours; it is labelled.
      inner[c / 2] = 1.0 / std::max(1, problem.degree(within, c));
      border[c / 2] = 1.0 / std::max(1, problem.degree(0, c));
    }
    planes_.inner[plane] = inner;
    planes_.border[plane] = border;
  }

  Index first_row(std::int64_t share) const {
    return static_cast<Index>(shape_.rows * share / shares_);
  }

  void run_shares_of(std::int64_t begin, std::int64_t end, SharePoint::Member& member,
                     std::int64_t half_sweeps) {
    std::int64_t left = half_sweeps;
    for (; left >= 2; left -= 2) {
      for (std::int64_t s = begin; s < end; ++s) both_colours(s);
      member.meet();
      for (std::int64_t s = begin; s < end; ++s) seams(s);
      member.meet();
    }
    if (left == 0) return;
    for (std::int64_t s = begin; s < end; ++s) {
      for (Index r = first_row(s); r < first_row(s + 1); ++r)
        kernel::colour_row(planes_, colour_, r);
    }
  }

  /// One colour, and the other a row behind it; but for the rows at seams, which need both sides.
  void both_colours(std::int64_t share) {
    const Index begin = first_row(share);
    const Index end = first_row(share + 1);
    const Index first = share == 0 ? begin : begin + 1;
    for (Index r = begin; r < end; ++r) {
      kernel::colour_row(planes_, colour_, r);
      if (r > first) kernel::colour_row(planes_, 1 - colour_, r - 1);
    }
    if (share + 1 == shares_) kernel::colour_row(planes_, 1 - colour_, end - 1);
  }
  void seams(std::int64_t share) {
    if (share > 0) kernel::colour_row(planes_, 1 - colour_, first_row(share));
    if (share + 1 < shares_) kernel::colour_row(planes_, 1 - colour_, first_row(share + 1) - 1);
  }

  PlaneShape shape_;
  std::int64_t shares_;
  core::AlignedBuffer values_[2];
  core::AlignedBuffer labelled_[2];
  core::AlignedBuffer inverse_[2];
  kernel::ColourPlanes planes_;
  int colour_ = 0;
};

}  // namespace

std::unique_ptr<LatticeSolver> make_colour_sweeps(const LatticeProblem& problem, int threads) {
  return std::make_unique<ColourSweeps>(problem, threads);
}

}  // namespace ashlar::bcd
