#include "baselines/bcd/liblinear.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#ifdef ASHLAR_HAVE_LIBLINEAR
#include <linear.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "impls/core/cuda/library.hpp"
#endif

namespace ashlar::bcd::baselines {

double penalised_logistic(const Problem& problem, LogisticPenalty penalty, double lambda,
                          std::span<const double> x) {
  const SparseLines& rows = problem.features->by_row;
  double value = 0;
  for (Index row = 0; row < rows.lines(); ++row) {
    const auto indices = rows.indices_of(row);
    const auto values = rows.values_of(row);
    double margin = 0;
    for (std::size_t entry = 0; entry < indices.size(); ++entry) {
      margin += values[entry] * x[indices[entry]];
    }
    margin *= problem.targets[row];
    // log(1 + exp(-margin)) without overflow.
    value += std::max(0.0, -margin) + std::log1p(std::exp(-std::abs(margin)));
  }
  for (const double element : x) {
    value +=
        lambda * (penalty == LogisticPenalty::l1 ? std::abs(element) : 0.5 * element * element);
  }
  return value;
}

#ifdef ASHLAR_HAVE_LIBLINEAR

namespace {

struct Functions {
  decltype(&::train) train;
  decltype(&::free_and_destroy_model) free_model;
  decltype(&::set_print_string_function) set_print;
};

struct Library {
  std::optional<std::string> missing;
  std::string version;
  const core::cuda::DynamicLibrary* file = nullptr;  // never deleted, so never closed
  Functions call{};
};

Library open_liblinear() {
  Library opened;
  try {
    opened.file = new core::cuda::DynamicLibrary({"liblinear.so.4"});
    const auto find = [&opened]<class Function>(Function& function, const char* symbol) {
      function = opened.file->template function<Function>(symbol);
    };
    find(opened.call.train, "train");
    find(opened.call.free_model, "free_and_destroy_model");
    find(opened.call.set_print, "set_print_string_function");
    const int version = *opened.file->function<const int*>("liblinear_version");
    opened.version = std::to_string(version / 100) + "." + std::to_string(version % 100);
    if (version != LIBLINEAR_VERSION) {
      opened.missing = "LIBLINEAR is " + opened.version + " here, and Ashlar was built for " +
                       std::to_string(LIBLINEAR_VERSION);
    }
    opened.call.set_print([](const char*) {});
  } catch (const std::runtime_error& error) {
    opened.missing = std::string("no LIBLINEAR: ") + error.what();
  }
  return opened;
}

const Library& liblinear_library() {
  static const Library opened = open_liblinear();
  return opened;
}

class Training final : public Liblinear {
 public:
  Training(const Problem& problem, LogisticPenalty penalty, double lambda)
      : labels_(problem.targets) {
    const SparseLines& rows = problem.features->by_row;
    nodes_.reserve(static_cast<std::size_t>(rows.entries() + rows.lines()));
    for (Index row = 0; row < rows.lines(); ++row) {
      const auto indices = rows.indices_of(row);
      const auto values = rows.values_of(row);
      for (std::size_t entry = 0; entry < indices.size(); ++entry) {
        nodes_.push_back({indices[entry] + 1, values[entry]});  // it counts from 1
      }
      nodes_.push_back({-1, 0});
    }
    feature_node* next = nodes_.data();
    for (Index row = 0; row < rows.lines(); ++row) {
      rows_.push_back(next);
      next += rows.indices_of(row).size() + 1;
    }
    problem_.l = rows.lines();
    problem_.n = problem.features->columns;
    problem_.y = labels_.data();
    problem_.x = rows_.data();
    problem_.bias = -1;  // none
    parameter_.solver_type = penalty == LogisticPenalty::l1 ? L1R_LR : L2R_LR;
    parameter_.C = 1 / lambda;
  }

  void solve(std::span<double> x, double tolerance) override {
    parameter_.eps = tolerance;
    std::srand(1);  // its permutations come from rand(): each training is the same
    model* trained = liblinear_library().call.train(&problem_, &parameter_);
    // Its weights speak for the class that it met first.
    const double sign = trained->label[0] > 0 ? 1 : -1;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = sign * trained->w[i];
    liblinear_library().call.free_model(&trained);
  }

 private:
  std::vector<double> labels_;
  std::vector<feature_node> nodes_;
  std::vector<feature_node*> rows_;
  ::problem problem_{};
  parameter parameter_{};
};

}  // namespace

std::optional<std::string> liblinear_unsupported() { return liblinear_library().missing; }
std::string liblinear_version() { return "LIBLINEAR " + liblinear_library().version; }

static std::unique_ptr<Liblinear> liblinear_of(const Problem& problem, LogisticPenalty penalty,
                                               double lambda) {
  if (liblinear_library().missing) throw std::runtime_error(*liblinear_library().missing);
  return std::make_unique<Training>(problem, penalty, lambda);
}

#else

std::optional<std::string> liblinear_unsupported() { return "built without LIBLINEAR"; }
std::string liblinear_version() { return "none"; }

static std::unique_ptr<Liblinear> liblinear_of(const Problem&, LogisticPenalty, double) {
  throw std::runtime_error("built without LIBLINEAR");
}

#endif

std::unique_ptr<Liblinear> make_liblinear(const Problem& problem, LogisticPenalty penalty,
                                          double lambda) {
  if (problem.loss != Loss::logistic) {
    throw std::invalid_argument("LIBLINEAR is for logistic regression here, not for the loss " +
                                std::string(name_of(problem.loss)));
  }
  if (!(lambda > 0)) {
    throw std::invalid_argument(
        "LIBLINEAR needs lambda > 0: without a penalty there is no minimiser");
  }
  return liblinear_of(problem, penalty, lambda);
}

}  // namespace ashlar::bcd::baselines
