#include "impls/bcd/problem.hpp"

#include <cmath>
#include <cstddef>
#include <limits>

#include "impls/bcd/validate_detail.hpp"

namespace ashlar::bcd {
namespace detail {

void check_lines(Loss loss, const SparseLines& lines, Index expected_lines, Index others,
                 const char* line_name, const char* index_name) {
  if (lines.starts.size() != static_cast<std::size_t>(expected_lines) + 1) {
    refuse_problem(loss, "{} starts of {}s, expected {}; there is one more than {}s",
                   lines.starts.size(), line_name, expected_lines + std::int64_t{1}, line_name);
  }
  if (lines.starts.front() != 0 || lines.entries() < 0 ||
      lines.indices.size() != static_cast<std::size_t>(lines.entries()) ||
      lines.values.size() != lines.indices.size()) {
    refuse_problem(loss, "{}s hold {} indices and {} values, but starts run from {} to {}",
                   line_name, lines.indices.size(), lines.values.size(), lines.starts.front(),
                   lines.entries());
  }
  for (Index line = 0; line < expected_lines; ++line) {
    const std::int64_t begin = lines.starts[line], end = lines.starts[line + 1];
    if (begin > end || end > lines.entries()) {
      refuse_problem(loss, "{} {} starts at entry {} and ends at {}", line_name, line, begin, end);
    }
    Index before = -1;
    for (std::int64_t entry = begin; entry < end; ++entry) {
      const Index index = lines.indices[entry];
      if (index <= before || index >= others) {
        refuse_problem(loss, "{} {} has {} {} after {}; they must rise and be below {}", line_name,
                       line, index_name, index, before, others);
      }
      before = index;
    }
  }
}

namespace {

void check_sizes(const Problem& problem) {
  if (!problem.features) refuse_problem(problem.loss, "there is no feature matrix");
  const FeatureMatrix& features = *problem.features;
  if (features.rows < 1 || features.columns < 1) {
    refuse_problem(problem.loss, "the feature matrix is {} x {}; it needs a row and a column",
                   features.rows, features.columns);
  }
  if (problem.targets.size() != static_cast<std::size_t>(features.rows)) {
    refuse_problem(problem.loss, "{} targets for {} rows", problem.targets.size(), features.rows);
  }
  if (problem.loss != Loss::softmax) return;
  if (problem.classes < 2) {
    refuse_problem(problem.loss, "{} classes; there must be two at least", problem.classes);
  }
  if (features.columns > std::numeric_limits<Index>::max() / problem.classes) {
    refuse_problem(problem.loss, "{} columns x {} classes are 2^31 unknowns or more",
                   features.columns, problem.classes);
  }
}

void check_target(const Problem& problem, Index row) {
  const double target = problem.targets[row];
  switch (problem.loss) {
    case Loss::least_squares:
      if (std::isfinite(target)) return;
      refuse_problem(problem.loss, "the target of row {} is {}; it must be finite", row, target);
    case Loss::logistic:
      if (target == -1 || target == 1) return;
      refuse_problem(problem.loss, "the target of row {} is {}; it must be -1 or 1", row, target);
    case Loss::softmax:
      if (target >= 0 && target < problem.classes && target == std::floor(target)) return;
      refuse_problem(problem.loss, "the target of row {} is {}; it must be a class from 0 to {}",
                     row, target, problem.classes - 1);
    case Loss::quadratic:
      return;
  }
}

void check_rows(const Problem& problem) {
  const SparseLines& rows = problem.features->by_row;
  for (Index row = 0; row < problem.features->rows; ++row) {
    bool empty = true;
    for (std::int64_t entry = rows.starts[row]; entry < rows.starts[row + 1]; ++entry) {
      const double value = rows.values[entry];
      if (!std::isfinite(value)) {
        refuse_problem(problem.loss, "row {}, column {} is {}; it must be finite", row,
                       rows.indices[entry], value);
      }
      empty = empty && value == 0;
    }
    if (empty) {
      refuse_problem(problem.loss,
                     "row {} has no entry but 0, so that its loss is fixed; leave it out", row);
    }
    check_target(problem, row);
  }
}

void check_columns(const Problem& problem) {
  const SparseLines& columns = problem.features->by_column;
  for (Index column = 0; column < problem.features->columns; ++column) {
    double squares = 0;
    bool empty = true;
    for (const double value : columns.values_of(column)) {
      squares += value * value;
      empty = empty && value == 0;
    }
    if (empty) {
      refuse_problem(problem.loss, "column {} has no entry but 0, so that L_i = 0; leave it out",
                     column);
    }
    if (squares < std::numeric_limits<double>::min() || !std::isfinite(squares)) {
      refuse_problem(problem.loss, "the squares of column {} sum to {}; scale the column", column,
                     squares);
    }
  }
}

// Both orientations hold the same entries: walking the rows meets each column's entries in order.
void check_orientations(const Problem& problem) {
  const FeatureMatrix& features = *problem.features;
  std::vector<std::int64_t> next(features.by_column.starts.begin(),
                                 features.by_column.starts.end() - 1);
  for (Index row = 0; row < features.rows; ++row) {
    for (std::int64_t entry = features.by_row.starts[row]; entry < features.by_row.starts[row + 1];
         ++entry) {
      const Index column = features.by_row.indices[entry];
      const std::int64_t place = next[column]++;
      if (place >= features.by_column.starts[column + 1] ||
          features.by_column.indices[place] != row ||
          features.by_column.values[place] != features.by_row.values[entry]) {
        refuse_problem(problem.loss, "row {}, column {} differs between rows and columns", row,
                       column);
      }
    }
  }
  if (features.by_row.entries() != features.by_column.entries()) {
    refuse_problem(problem.loss, "rows hold {} entries and columns {}", features.by_row.entries(),
                   features.by_column.entries());
  }
}

}  // namespace

void check_features(const Problem& problem) {
  check_sizes(problem);
  const FeatureMatrix& features = *problem.features;
  check_lines(problem.loss, features.by_row, features.rows, features.columns, "row", "column");
  check_lines(problem.loss, features.by_column, features.columns, features.rows, "column", "row");
  check_rows(problem);
  check_orientations(problem);
  check_columns(problem);
}

}  // namespace detail

Index Problem::size() const {
  if (loss == Loss::quadratic) return matrix ? matrix->size() : 0;
  return features ? features->columns * (loss == Loss::softmax ? classes : 1) : 0;
}

void validate(const Problem& problem) {
  const double lambda = problem.penalty.lambda;
  if (!(lambda >= 0) || !std::isfinite(lambda)) {
    detail::refuse_problem(problem.loss,
                           "the penalty's lambda is {}; it must be at least 0 and finite", lambda);
  }
  if (problem.loss == Loss::quadratic) {
    detail::check_quadratic(problem);
  } else {
    detail::check_features(problem);
  }
}

std::string_view name_of(Loss loss) {
  switch (loss) {
    case Loss::least_squares:
      return "least squares";
    case Loss::logistic:
      return "logistic";
    case Loss::softmax:
      return "softmax";
    case Loss::quadratic:
      return "quadratic";
  }
  return "unknown";
}

}  // namespace ashlar::bcd
