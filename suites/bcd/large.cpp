// Experiment "large": iterations on a problem that no figure has, large enough for a whole device:
// scattered features, many more columns than rows.
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "impls/core/random.hpp"
#include "suites/bcd/experiments.hpp"
#include "suites/bcd/ten_iterations.hpp"

namespace ashlar::bcd::suite {

namespace {

constexpr Index kLargeRows = 16384;
constexpr Index kPerColumn = 64;  // entries
constexpr double kWeightShare = 0.01;
constexpr double kPenaltyShare = 0.1;  // of the least lambda at which x = 0

double element(core::Distribution distribution, std::uint64_t seed, std::uint32_t stream,
               std::int64_t i) {
  return core::random_element(distribution, seed, stream, static_cast<std::uint64_t>(i));
}

/// Entries N(1, 1) times 10 N(0, 1) of their column, as those of A; one in each of kPerColumn bands
/// of rows.
SparseLines scattered_columns(Index columns, std::uint64_t seed) {
  constexpr Index kBand = kLargeRows / kPerColumn;
  SparseLines lines;
  const std::int64_t entries = std::int64_t{columns} * kPerColumn;
  lines.indices.resize(static_cast<std::size_t>(entries));
  lines.values.resize(static_cast<std::size_t>(entries));
  lines.starts.push_back(0);
  for (Index j = 0; j < columns; ++j) {
    const double scale = 10 * element(core::Distribution::normal, seed, 0, j);
    for (Index band = 0; band < kPerColumn; ++band) {
      const std::int64_t e = std::int64_t{j} * kPerColumn + band;
      const double within = element(core::Distribution::uniform, seed, 1, e);
      lines.indices[e] = band * kBand + static_cast<Index>(within * kBand);
      lines.values[e] = scale * (1 + element(core::Distribution::normal, seed, 2, e));
    }
    lines.starts.push_back(std::int64_t{j + 1} * kPerColumn);
  }
  return lines;
}

/// y = A w + N(0, 1), where a few weights are N(0, 1).
std::vector<double> noisy_targets(const SparseLines& columns, std::uint64_t seed) {
  std::vector<double> targets(kLargeRows);
  for (Index r = 0; r < kLargeRows; ++r)
    targets[r] = element(core::Distribution::normal, seed, 3, r);
  for (Index j = 0; j < columns.lines(); ++j) {
    if (element(core::Distribution::uniform, seed, 4, j) >= kWeightShare) continue;
    const double weight = element(core::Distribution::normal, seed, 5, j);
    const auto rows = columns.indices_of(j);
    const auto values = columns.values_of(j);
    for (std::size_t e = 0; e < rows.size(); ++e) targets[rows[e]] += weight * values[e];
  }
  return targets;
}

Problem large_problem(Index columns, std::uint64_t seed) {
  auto features = std::make_shared<FeatureMatrix>();
  features->rows = kLargeRows;
  features->columns = columns;
  features->by_column = scattered_columns(columns, seed);
  features->by_row = transposed(features->by_column, kLargeRows);
  Problem problem;
  problem.targets = noisy_targets(features->by_column, seed);
  problem.features = std::move(features);
  return problem;
}

IterationProblem make_large(const Point& point, std::uint64_t seed) {
  Problem made = large_problem(static_cast<Index>(point.integer("columns")), seed);
  Rule rule;
  rule.partition = Partition::variable;
  rule.block_size = static_cast<Index>(point.integer("block"));
  if (point.word("rule") == "pn-vb") {
    made.penalty = {.lambda = kPenaltyShare * critical_lambda(made, true), .nonnegative = true};
    rule.selection = Selection::gsq_nonnegative;
    rule.update = Update::projected_newton;
  } else {
    rule.selection = Selection::gsd;
    rule.update = Update::matrix;
  }
  // Values of f, not gaps: nobody asks for the optimum.
  return {{std::make_shared<DataSet>(std::move(made), Optimum{}), rule.block_size, seed}, rule};
}

/// A whole gradient per iteration.
Work large_work(const Point& point) {
  const double entries = point.number("columns") * kPerColumn;
  return {kIterations * 2 * entries, kIterations * 12 * entries, "f32"};
}

}  // namespace

void declare_large(model::Suite& suite) {
  suite.experiment<IterationProblem, Iterate>("large")
      .about("Ten iterations on 16384 rows and many columns")
      .axis("columns", {65536, 262144}, "coordinates")
      .in(Mode::quick, {})
      .in(Mode::full, {65536})
      .axis("block", {32, 128, 512}, "coordinates")
      .in(Mode::quick, {})
      .in(Mode::full, {128})
      .axis("rule", {"gsd-vb", "pn-vb"})
      .problem(make_large)
      .work(large_work)
      .oracle("the reference's iterate", reference_iterate, iterate_tolerance)
      .add(Tier::reference, "reference", [] { return make_iterations(reference_parts); })
      .add(Tier::optimized, "optimized", [] { return make_iterations(optimized_parts); })
      .add(Tier::cuda, "cuda-batch", make_device_iterations,
           {.about = "a batch of one run", .device = Device::cuda})
      .control("one-iteration-less", stops_early)
      .control("another-selection", another_selection)
      .baselines({"reference"})
      .figure({"time", "time", "block", {"columns", "rule"}, {}, "Ten iterations, many columns"});
}

}  // namespace ashlar::bcd::suite
