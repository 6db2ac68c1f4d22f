#include <algorithm>
#include <cstdint>
#include <vector>

#include "impls/bcd/lattice_factors.hpp"
#include "impls/bcd/lattice_kernels.hpp"
#include "impls/bcd/lattice_sweep.hpp"
#include "impls/bcd/lattice_team.hpp"
#include "impls/core/aligned_buffer.hpp"
#include "impls/core/range.hpp"

namespace ashlar::bcd {
namespace {

constexpr std::int64_t kVectorsOfShare = 8;  // at least: less is not worth a meeting

class CombSweeps final : public LatticeSolver {
 public:
  CombSweeps(const LatticeProblem& problem, int threads)
      : shape_(problem.rows, problem.columns),
        pairs_of_factors_(ToothFactors::kClasses * ToothFactors::kClasses * 2 * sizeof(double)) {
    const std::int64_t vectors = shape_.width / PlaneShape::kVector;
    shares_ = std::clamp<std::int64_t>(vectors / kVectorsOfShare, 1, threads);
    fill_factor_pairs();
    planes_.shape = shape_;
    planes_.factor_pairs = pairs_of_factors_.as<double>();
    for (int comb = 0; comb < 2; ++comb) {
      values_[comb] = core::AlignedBuffer(static_cast<std::size_t>(shape_.size()) * sizeof(double));
      planes_.plane[comb] = values_[comb].as<double>();
      const CombFactors factors = comb_factors(problem, comb);
      spine_[comb] = factors.spine;
      set_pairs(comb, factors);
    }
    for (Index row : {Index{0}, problem.rows - 1}) {
      for (Index c = 0; c < problem.columns; ++c) {
        const auto node = static_cast<std::size_t>(problem.node(row, c));
        spine_labelled_[row == 0 ? 0 : 1].push_back(problem.labelled[node]);
      }
    }
    messages_.resize(static_cast<std::size_t>(problem.columns));
    set_values(start_state(problem).values);
  }

  void set_values(std::span<const double> values) override {
    for_each_place(shape_, [&](std::size_t node, int plane, std::size_t place) {
      planes_.plane[plane][place] = values[node];
    });
    half_ = 0;
  }
  void get_values(std::span<double> values) const override {
    for_each_place(shape_, [&](std::size_t node, int plane, std::size_t place) {
      values[node] = planes_.plane[plane][place];
    });
  }
  double bytes_per_half_sweep() const override {
    return 0.5 * shape_.rows * static_cast<double>(shape_.columns) * (4 * sizeof(double) + 2);
  }

  void run(std::int64_t half_sweeps) override {
    if (half_sweeps <= 0) return;
    const core::Range range("comb half sweeps", half_sweeps);
    run_shares(shares_, [&](std::int64_t begin, std::int64_t end, SharePoint::Member member) {
      run_shares_of(begin, end, member, half_sweeps);
    });
    half_ = static_cast<int>((half_ + half_sweeps) % 2);
  }

 private:
  void fill_factor_pairs() {
    const ToothFactors factors;
    double* pair = pairs_of_factors_.as<double>();
    for (const double second : factors.of) {
      for (const double first : factors.of) {
        *pair++ = first;
        *pair++ = second;
      }
    }
  }

  void set_pairs(int comb, const CombFactors& factors) {
    const Index pairs = shape_.width / 2;
    pairs_[comb] = core::AlignedBuffer(static_cast<std::size_t>(shape_.rows) *
                                       static_cast<std::size_t>(pairs) * sizeof(std::uint16_t));
    auto* const out = pairs_[comb].as<std::uint16_t>();
    for (Index row = 0; row < shape_.rows; ++row) {
      for (Index tooth = 0; tooth < factors.teeth; ++tooth) {
        const int of_class =
            factors
                .classes[static_cast<std::size_t>(row) * static_cast<std::size_t>(factors.teeth) +
                         static_cast<std::size_t>(tooth)];
        const int part = tooth % 2 == 0 ? of_class : of_class * ToothFactors::kClasses;
        std::uint16_t& pair = out[std::int64_t{row} * pairs + tooth / 2];
        pair = static_cast<std::uint16_t>(pair + part);
      }
    }
    planes_.pairs[comb] = out;
  }

  kernel::Teeth teeth_of(std::int64_t share) const {
    const std::int64_t vectors = shape_.width / PlaneShape::kVector;
    const auto at = [&](std::int64_t s) {
      return static_cast<Index>(vectors * s / shares_) * PlaneShape::kVector;
    };
    return {at(share), at(share + 1)};
  }
  /// The vector of a share's teeth of `comb` whose neighbours are partly another share's: odd
  /// columns have one to the right, even columns one to the left. Empty at the lattice's edge.
  kernel::Teeth seam_of(std::int64_t share, int comb) const {
    const kernel::Teeth teeth = teeth_of(share);
    if (comb == 1 && share + 1 < shares_) return {teeth.end - PlaneShape::kVector, teeth.end};
    if (comb == 0 && share > 0) return {teeth.begin, teeth.begin + PlaneShape::kVector};
    return {teeth.begin, teeth.begin};
  }
  kernel::Teeth without_seam(std::int64_t share, int comb) const {
    kernel::Teeth teeth = teeth_of(share);
    const kernel::Teeth seam = seam_of(share, comb);
    if (seam.begin == seam.end) return teeth;
    (comb == 1 ? teeth.end : teeth.begin) = comb == 1 ? seam.begin : seam.end;
    return teeth;
  }

  void run_shares_of(std::int64_t begin, std::int64_t end, SharePoint::Member& member,
                     std::int64_t half_sweeps) {
    for (std::int64_t s = begin; s < end; ++s) kernel::eliminate_teeth(planes_, half_, teeth_of(s));
    for (std::int64_t i = 0; i < half_sweeps; ++i) {
      const int comb = static_cast<int>((half_ + i) % 2);
      member.meet();
      if (begin == 0) solve_spine(comb);
      member.meet();
      if (i + 1 == half_sweeps) {
        for (std::int64_t s = begin; s < end; ++s)
          kernel::substitute_teeth(planes_, comb, teeth_of(s));
        return;
      }
      for (std::int64_t s = begin; s < end; ++s)
        kernel::substitute_and_eliminate(planes_, comb, teeth_of(s), without_seam(s, 1 - comb));
      member.meet();
      for (std::int64_t s = begin; s < end; ++s)
        kernel::eliminate_teeth(planes_, 1 - comb, seam_of(s, 1 - comb));
    }
  }

  /// From left to right and back. The vertical neighbour of a spine node is the first of its tooth,
  /// as a message, or a node of the other comb.
  void solve_spine(int comb) {
    const Index rows = shape_.rows;
    if (comb == 1 && rows == 1) return;  // all of it is white
    const Index row = comb == 0 ? 0 : rows - 1;
    const Index next = comb == 0 ? 1 : rows - 2;
    const std::vector<double>& factors = spine_[comb];
    double before = 0;
    for (Index c = 0; c < shape_.columns; ++c) {
      const auto place = static_cast<std::size_t>(c);
      const double* const plane = planes_.plane[c % 2];
      const double own = plane[shape_.at(row, c / 2)];
      const double below = plane[shape_.at(next, c / 2)];
      const double message = spine_labelled_[comb][place] != 0 ? own : below * factors[place];
      before = before * factors[place] + message;
      messages_[place] = before;
    }
    double parent = 0;
    for (Index c = shape_.columns - 1; c >= 0; --c) {
      const auto place = static_cast<std::size_t>(c);
      parent = messages_[place] + factors[place] * parent;
      planes_.plane[c % 2][shape_.at(row, c / 2)] = parent;
    }
  }

  PlaneShape shape_;
  std::int64_t shares_ = 1;
  core::AlignedBuffer pairs_of_factors_;
  core::AlignedBuffer values_[2];
  core::AlignedBuffer pairs_[2];
  kernel::CombPlanes planes_;
  std::vector<double> spine_[2];
  std::vector<std::uint8_t> spine_labelled_[2];
  std::vector<double> messages_;
  int half_ = 0;
};

}  // namespace

std::unique_ptr<LatticeSolver> make_comb_sweeps(const LatticeProblem& problem, int threads) {
  return std::make_unique<CombSweeps>(problem, threads);
}

}  // namespace ashlar::bcd
