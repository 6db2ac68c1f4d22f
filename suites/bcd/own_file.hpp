#pragma once
// A user's own data: the file, in LIBSVM's format, that the environment variable ASHLAR_BCD_DATA
// names.
#include <memory>
#include <string>
#include <vector>

#include "harness/model/value.hpp"
#include "suites/bcd/problem.hpp"

namespace ashlar::bcd::suite {

inline constexpr const char* kOwnFileVariable = "ASHLAR_BCD_DATA";
inline constexpr const char* kOwnLossVariable = "ASHLAR_BCD_LOSS";

/// How to get the experiments on one's own data, in words that follow others.
std::string own_file_remedy();

/// One name of the file for as long as its content is the same: "STEM@HASH", with "-LOSS" where
/// ASHLAR_BCD_LOSS chooses it. What stands in cases, so that results of different files are never
/// mixed. Empty where the variable is not set; "unreadable" where the file is. Read once per
/// process.
const std::string& own_file_name();
/// The name as the values of an axis; "not-set" where there is none.
std::vector<model::Value> own_file_axis();

/// By labels: two different ones, logistic; more, but whole numbers, at most 100 different and each
/// on two rows on average, softmax; else least squares.
Loss loss_of_labels(const std::vector<double>& labels);

enum class OwnPenalty { none, l1, nonnegative };

/// The file as a problem, with lambda as a share of the smallest at which x = 0 is the minimiser.
/// Features and rows that have no value but 0 are left out. Throws std::invalid_argument, one line
/// that names the file, the line and what to do.
Problem own_problem(OwnPenalty penalty, double share);
/// Whether a lambda above 0 has a minimiser other than 0.
bool has_own_penalty(OwnPenalty penalty);

/// The problem with its optimum; nothing where none is known: without a penalty, where rows are not
/// independent and a search does not converge, or neither rows nor coordinates are below 2000.
std::shared_ptr<const DataSet> own_data_set(OwnPenalty penalty, double share);

/// What is wrong with the file and with the variables that name it becomes a run::UsageError, at
/// the start of a run; what was made of it is printed to standard error, once.
void require_own_file();

}  // namespace ashlar::bcd::suite
