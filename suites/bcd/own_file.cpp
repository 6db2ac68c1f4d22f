#include "suites/bcd/own_file.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "harness/run/plan.hpp"
#include "impls/bcd/libsvm.hpp"
#include "impls/bcd/optimum_newton.hpp"

namespace ashlar::bcd::suite {

namespace {

namespace fs = std::filesystem;

constexpr const char* kUnreadable = "unreadable";

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Of the content. Nothing where it cannot be read to its end; a pipe could be read once only.
std::optional<std::string> content_hash(const fs::path& file) {
  std::error_code unknown;
  if (!fs::is_regular_file(file, unknown)) return std::nullopt;
  std::ifstream stream(file, std::ios::binary);
  std::uint64_t hash = model::stable_hash("");
  std::vector<char> part(std::size_t{1} << 20);
  while (stream) {
    stream.read(part.data(), static_cast<std::streamsize>(part.size()));
    hash = model::stable_hash({part.data(), static_cast<std::size_t>(stream.gcount())}, hash);
  }
  if (!stream.eof()) return std::nullopt;
  return model::hex(hash);
}

/// Words of keys have neither blanks nor slashes, commas nor signs of equality.
std::string name_of_file(const fs::path& file) {
  constexpr std::size_t kMost = 32;
  std::string stem = file.stem().string().substr(0, kMost);
  for (char& letter : stem) {
    const bool plain = std::isalnum(static_cast<unsigned char>(letter)) != 0;
    if (!plain && letter != '.' && letter != '-') letter = '_';
  }
  const std::string loss = variable(kOwnLossVariable);
  return fmt::format("{}@{}{}", stem, content_hash(file).value_or(kUnreadable),
                     loss.empty() ? "" : "-" + loss);
}

Loss asked_loss(const std::string& word) {
  constexpr std::array<std::pair<const char*, Loss>, 3> kLosses{
      {{"least-squares", Loss::least_squares},
       {"logistic", Loss::logistic},
       {"softmax", Loss::softmax}}};
  for (const auto& [name, loss] : kLosses)
    if (word == name) return loss;
  throw std::invalid_argument(
      fmt::format("{}={}: no such loss{}", kOwnLossVariable, word,
                  model::suggestion(word, {"least-squares", "logistic", "softmax"})));
}

struct OwnFile {
  Problem problem;  // without a penalty
  std::string summary;
};

OwnFile read_own_file() {
  const std::string path = variable(kOwnFileVariable);
  if (own_file_name().find(kUnreadable) != std::string::npos) {
    throw std::invalid_argument(
        fmt::format("{}: cannot be read; check that it is a file, and its permissions", path));
  }
  const LabelledRows rows = read_libsvm(path);
  const std::vector<double>& labels = rows.labels;
  if (std::all_of(labels.begin(), labels.end(), [&](double y) { return y == labels[0]; })) {
    throw std::invalid_argument(
        fmt::format("{}: all labels are {}; there must be two values at least", path, labels[0]));
  }
  const std::string word = variable(kOwnLossVariable);
  const Loss loss = word.empty() ? loss_of_labels(labels) : asked_loss(word);
  LibsvmOptions options;
  options.drop_empty = true;
  LibsvmProblem made = make_problem(rows, path, loss, options);
  // A file that is written while it is read would stand under the name of another.
  if (name_of_file(path) != own_file_name()) {
    throw std::invalid_argument(
        fmt::format("{}: has changed since the run began; run it again", path));
  }
  OwnFile file;
  file.summary = fmt::format(
      "{}: {}, {} rows, {} features, {} entries{}{}", own_file_name(), name_of(loss),
      made.problem.features->rows, made.problem.features->columns,
      made.problem.features->by_row.entries(), made.note.empty() ? "" : "; ", made.note);
  file.problem = std::move(made.problem);
  return file;
}

const OwnFile& own_file() {
  static const OwnFile file = read_own_file();
  return file;
}

double own_critical_lambda(bool nonnegative) {
  static const double kept[] = {critical_lambda(own_file().problem, false),
                                critical_lambda(own_file().problem, true)};
  return kept[nonnegative ? 1 : 0];
}

std::optional<Optimum> optimum_without_penalty(const Problem& problem) {
  constexpr Index kMost = 2000;
  if (std::min(problem.features->rows, problem.size()) > kMost) return std::nullopt;
  try {
    return find_optimum(problem);
  } catch (const std::invalid_argument&) {
  } catch (const std::runtime_error&) {
  }
  if (problem.loss == Loss::least_squares) return std::nullopt;
  try {
    return newton_optimum(problem);
  } catch (const std::invalid_argument&) {
  } catch (const std::runtime_error&) {
  }
  return std::nullopt;
}

}  // namespace

std::string own_file_remedy() {
  return fmt::format(
      "on your own data: set {}=FILE, labels and index:value pairs as LIBSVM has them",
      kOwnFileVariable);
}

const std::string& own_file_name() {
  static const std::string name = [] {
    const std::string path = variable(kOwnFileVariable);
    return path.empty() ? "" : name_of_file(path);
  }();
  return name;
}

std::vector<model::Value> own_file_axis() {
  return {own_file_name().empty() ? "not-set" : own_file_name()};
}

Loss loss_of_labels(const std::vector<double>& labels) {
  constexpr std::size_t kMostClasses = 100;
  std::vector<double> different = labels;
  std::sort(different.begin(), different.end());
  different.erase(std::unique(different.begin(), different.end()), different.end());
  if (different.size() <= 2) return Loss::logistic;
  const bool whole = std::all_of(different.begin(), different.end(),
                                 [](double label) { return label == std::floor(label); });
  const bool few = different.size() <= kMostClasses && 2 * different.size() <= labels.size();
  return whole && few ? Loss::softmax : Loss::least_squares;
}

Problem own_problem(OwnPenalty penalty, double share) {
  Problem problem = own_file().problem;
  if (penalty == OwnPenalty::none) return problem;
  const bool nonnegative = penalty == OwnPenalty::nonnegative;
  problem.penalty = {share * own_critical_lambda(nonnegative), nonnegative};
  return problem;
}

bool has_own_penalty(OwnPenalty penalty) {
  return own_critical_lambda(penalty == OwnPenalty::nonnegative) > 0;
}

std::shared_ptr<const DataSet> own_data_set(OwnPenalty penalty, double share) {
  static std::mutex mutex;
  static std::map<std::pair<OwnPenalty, double>, std::shared_ptr<const DataSet>> known;
  const std::lock_guard lock(mutex);
  const auto [place, is_new] = known.try_emplace({penalty, share});
  if (!is_new) return place->second;
  Problem problem = own_problem(penalty, share);
  if (penalty == OwnPenalty::none) {
    if (const auto optimum = optimum_without_penalty(problem))
      place->second = std::make_shared<const DataSet>(std::move(problem), optimum);
  } else {
    place->second = std::make_shared<const DataSet>(std::move(problem));
  }
  return place->second;
}

void require_own_file() {
  static bool said = false;
  const std::string word = variable(kOwnLossVariable);
  try {
    if (!word.empty()) asked_loss(word);
  } catch (const std::invalid_argument& error) {
    throw run::UsageError(error.what());
  }
  try {
    own_file();
  } catch (const std::invalid_argument& error) {
    throw run::UsageError(fmt::format("{}: {}", kOwnFileVariable, error.what()));
  }
  if (std::exchange(said, true)) return;
  const bool known = own_data_set(OwnPenalty::none, 0) != nullptr;
  fmt::print(stderr, "{}{}\n", own_file().summary,
             known ? "" : "; no optimum is known without a penalty, so own-data has no points");
}

}  // namespace ashlar::bcd::suite
