#pragma once
// Files in the format of LIBSVM, also called svmlight:
//
//   label index:value index:value ...   # comment
//
// one example a line; features count from 1, rise within a line, and those not named are 0. Lines
// without anything but a comment are passed over. A ranking's qid and several labels on a line are
// refused.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "impls/bcd/problem.hpp"

namespace ashlar::bcd {

struct LabelledRows {
  SparseLines rows;                 // feature f of the file is column f - 1; zeros are not stored
  Index columns = 0;                // the highest feature of the file
  std::vector<double> labels;       // as in the file
  std::vector<std::int64_t> lines;  // where each row stands, from 1
};

/// Throws std::invalid_argument "name:line:column: what; remedy".
LabelledRows parse_libsvm(std::string_view text, std::string_view name);
LabelledRows read_libsvm(const std::filesystem::path& file);

struct LibsvmOptions {
  /// Rows and columns without an entry are left out; otherwise they are refused.
  bool drop_empty = false;
  Penalty penalty;
};

struct LibsvmProblem {
  Problem problem;
  std::vector<double> classes;  // the file's label of -1 and 1, or of class 0, 1, ...; else empty
  std::vector<Index> features;  // the file's feature of column i
  std::string note;             // what was made of labels and left out, in words; may be empty
};

/// Least squares takes labels as they are. Logistic: the lower of two labels is -1, the higher 1.
/// Softmax: labels are classes in rising order. The problem has passed validate(). Throws
/// std::invalid_argument, which names the line or feature of the file; also for a quadratic, and
/// for more or fewer labels.
LibsvmProblem make_problem(const LabelledRows& rows, std::string_view name, Loss loss,
                           const LibsvmOptions& options = {});
LibsvmProblem load_libsvm(const std::filesystem::path& file, Loss loss,
                          const LibsvmOptions& options = {});

}  // namespace ashlar::bcd
