#pragma once
// The data sets of the suite by name, each with its optimum: made once per process and shared by
// all rules that run on it.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "harness/model/value.hpp"
#include "impls/bcd/mersenne.hpp"
#include "impls/bcd/shared_constants.hpp"
#include "impls/bcd/solve.hpp"

namespace ashlar::bcd::suite {

struct DataSet {
  /// The optimum is found where it is not known.
  explicit DataSet(Problem made, std::optional<Optimum> known = std::nullopt);

  Problem problem;
  Optimum optimum;
  std::shared_ptr<SharedConstants> constants;
  /// Where the published code stood in its stream when it had made or read the data.
  Mersenne published_draws{1};
};

/// "A" and "E" are the analogues A' and E' of the paper's unpublished files; "A-l1" is A' with x >=
/// 0 and the paper's lambda; "digits" is a real graph of label propagation. B, C, D and A' are the
/// same for every seed. The last few are kept. Throws std::invalid_argument for another name, or
/// where a file is missing.
std::shared_ptr<const DataSet> data_set(const std::string& name, std::uint64_t seed);

/// Of a problem without a penalty: from this lambda on 0 is the minimiser; 0 where it is one for
/// every lambda.
double critical_lambda(const Problem& problem, bool nonnegative);

/// Whether another seed gives other data.
bool data_varies(const std::string& name);

struct RuleProblem {
  std::shared_ptr<const DataSet> data;
  Index block_size = 0;  // 0: the rule's blocks have their own
  std::uint64_t seed = 0;
};

/// Of axes `data` and, where there is one, `block`.
RuleProblem make_rule_problem(const model::Point& point, std::uint64_t seed);

}  // namespace ashlar::bcd::suite
