#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "impls/bcd/libsvm.hpp"

namespace ashlar::bcd {
namespace {

template <class... Args>
[[noreturn]] void refuse_file(std::string_view name, fmt::format_string<Args...> text,
                              Args&&... args) {
  throw std::invalid_argument(
      fmt::format("{}: {}", name, fmt::format(text, std::forward<Args>(args)...)));
}

// The features that have an entry.
std::vector<Index> used_columns(const LabelledRows& rows) {
  std::vector<Index> used = rows.rows.indices;
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  return used;
}

void refuse_empty(const LabelledRows& rows, const std::vector<Index>& used, std::string_view name) {
  for (Index row = 0; row < rows.rows.lines(); ++row) {
    if (!rows.rows.indices_of(row).empty()) continue;
    refuse_file(
        name, "line {} has no value but 0, so that its loss is fixed; remove it, or set drop_empty",
        rows.lines[row]);
  }
  for (Index column = 0; column < rows.columns; ++column) {
    if (static_cast<std::size_t>(column) < used.size() && used[column] == column) continue;
    refuse_file(name, "feature {} has no value but 0; renumber the features, or set drop_empty",
                column + 1);
  }
}

// Columns are renumbered, rows without an entry left out, along with their labels.
SparseLines kept_rows(const LabelledRows& rows, const std::vector<Index>& used,
                      std::vector<double>& labels) {
  SparseLines kept;
  kept.starts.push_back(0);
  kept.values = rows.rows.values;
  for (const Index column : rows.rows.indices) {
    const auto place = std::lower_bound(used.begin(), used.end(), column);
    kept.indices.push_back(static_cast<Index>(place - used.begin()));
  }
  for (Index row = 0; row < rows.rows.lines(); ++row) {
    if (rows.rows.indices_of(row).empty()) continue;
    kept.starts.push_back(rows.rows.starts[row + 1]);
    labels.push_back(rows.labels[row]);
  }
  return kept;
}

std::vector<double> distinct(std::vector<double> labels) {
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

void map_labels(LibsvmProblem& made, std::string_view name) {
  Problem& problem = made.problem;
  if (problem.loss == Loss::least_squares) return;
  made.classes = distinct(problem.targets);
  const std::size_t count = made.classes.size();
  if (problem.loss == Loss::logistic && count != 2) {
    refuse_file(name, "{} different labels, logistic loss takes two; use softmax, or relabel",
                count);
  }
  if (count < 2) {
    refuse_file(name, "all labels are {}; there must be two classes at least", made.classes[0]);
  }
  for (double& target : problem.targets) {
    const auto place = std::lower_bound(made.classes.begin(), made.classes.end(), target);
    target = static_cast<double>(place - made.classes.begin());
    if (problem.loss == Loss::logistic) target = 2 * target - 1;
  }
  if (problem.loss == Loss::logistic) {
    if (made.classes == std::vector<double>{-1, 1}) return;
    made.note = fmt::format("label {} is taken as -1, {} as 1", made.classes[0], made.classes[1]);
    return;
  }
  problem.classes = static_cast<Index>(count);
  if (made.classes.front() == 0 && made.classes.back() == static_cast<double>(count - 1)) return;
  constexpr std::size_t kNamed = 8;
  made.note = fmt::format(
      "labels {}{} are taken as classes 0 to {}",
      fmt::join(made.classes.begin(), made.classes.begin() + std::min(count, kNamed), ", "),
      count > kNamed ? fmt::format(", ... {}", made.classes.back()) : "", count - 1);
}

}  // namespace

LibsvmProblem make_problem(const LabelledRows& rows, std::string_view name, Loss loss,
                           const LibsvmOptions& options) {
  if (loss == Loss::quadratic) {
    refuse_file(name, "a quadratic has no examples; choose least squares, logistic or softmax");
  }
  const std::vector<Index> used = used_columns(rows);
  if (used.empty()) refuse_file(name, "no line has a value but 0; there is nothing to fit");
  if (!options.drop_empty) refuse_empty(rows, used, name);

  LibsvmProblem made;
  made.problem.loss = loss;
  made.problem.penalty = options.penalty;
  SparseLines kept = kept_rows(rows, used, made.problem.targets);
  const Index rows_dropped = rows.rows.lines() - kept.lines();
  const auto columns_dropped = rows.columns - static_cast<Index>(used.size());
  made.problem.features = std::make_shared<FeatureMatrix>(
      features_from_rows(static_cast<Index>(used.size()), std::move(kept)));
  for (const Index column : used) made.features.push_back(column + 1);
  map_labels(made, name);
  if (rows_dropped + columns_dropped > 0) {
    made.note += fmt::format("{}left out as they have no value but 0: {} lines, {} features",
                             made.note.empty() ? "" : "; ", rows_dropped, columns_dropped);
  }
  try {
    validate(made.problem);
  } catch (const std::invalid_argument& error) {
    refuse_file(name, "{}", error.what());
  }
  return made;
}

LibsvmProblem load_libsvm(const std::filesystem::path& file, Loss loss,
                          const LibsvmOptions& options) {
  return make_problem(read_libsvm(file), file.string(), loss, options);
}

}  // namespace ashlar::bcd
