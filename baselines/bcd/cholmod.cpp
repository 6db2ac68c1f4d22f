// CHOLMOD, opened at run time: linked, it would bring a BLAS into every program, before anybody
// could say how that one shall be set up. Only its structures come from its headers, so the release
// that is opened must be that of the headers.
#include "baselines/bcd/quadratic_backends.hpp"

#include <algorithm>
#include <stdexcept>

#ifdef ASHLAR_HAVE_CHOLMOD
#include <cholmod.h>

#include <utility>
#include <vector>

#include "impls/core/cuda/library.hpp"
#endif

namespace ashlar::bcd::baselines::cholmod {

#ifdef ASHLAR_HAVE_CHOLMOD

namespace {

struct Functions {
  decltype(&::cholmod_version) version;
  decltype(&::cholmod_start) start;
  decltype(&::cholmod_finish) finish;
  decltype(&::cholmod_analyze) analyze;
  decltype(&::cholmod_factorize) factorize;
  decltype(&::cholmod_solve) solve;
  decltype(&::cholmod_free_factor) free_factor;
  decltype(&::cholmod_free_dense) free_dense;
};

struct Library {
  std::optional<std::string> missing;
  std::string version;
  const core::cuda::DynamicLibrary* file = nullptr;  // never deleted, so never closed
  Functions call{};
};

std::string cholmod_release(const int (&numbers)[3]) {
  return std::to_string(numbers[0]) + "." + std::to_string(numbers[1]) + "." +
         std::to_string(numbers[2]);
}

Library open_cholmod() {
  Library opened;
  const std::string file = "libcholmod.so." + std::to_string(CHOLMOD_MAIN_VERSION);
  try {
    opened.file = new core::cuda::DynamicLibrary({file.c_str()});
    const auto find = [&opened]<class Function>(Function& function, const char* symbol) {
      function = opened.file->template function<Function>(symbol);
    };
    find(opened.call.version, "cholmod_version");
    find(opened.call.start, "cholmod_start");
    find(opened.call.finish, "cholmod_finish");
    find(opened.call.analyze, "cholmod_analyze");
    find(opened.call.factorize, "cholmod_factorize");
    find(opened.call.solve, "cholmod_solve");
    find(opened.call.free_factor, "cholmod_free_factor");
    find(opened.call.free_dense, "cholmod_free_dense");
  } catch (const std::runtime_error& error) {
    opened.missing = std::string("no CHOLMOD: ") + error.what();
    return opened;
  }
  int numbers[3] = {};
  opened.call.version(numbers);
  opened.version = cholmod_release(numbers);
  const std::string built =
      cholmod_release({CHOLMOD_MAIN_VERSION, CHOLMOD_SUB_VERSION, CHOLMOD_SUBSUB_VERSION});
  if (opened.version != built) {
    opened.missing = "CHOLMOD is " + opened.version + " here, and Ashlar was built for " + built;
  }
  return opened;
}

const Library& cholmod_library() {
  static const Library opened = open_cholmod();
  return opened;
}

/// CHOLMOD's settings and workspace of one peer.
class Session {
 public:
  explicit Session(bool supernodal) {
    cholmod_library().call.start(&common_);
    common_.supernodal = supernodal ? CHOLMOD_SUPERNODAL : CHOLMOD_SIMPLICIAL;
    common_.print = 0;  // it would report errors on standard output
  }
  ~Session() { cholmod_library().call.finish(&common_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  cholmod_common* common() { return &common_; }
  void require(bool done, const char* what) const {
    if (done && common_.status == CHOLMOD_OK) return;
    const char* why = common_.status == CHOLMOD_NOT_POSDEF ? ": the matrix is not positive definite"
                      : common_.status == CHOLMOD_OUT_OF_MEMORY ? ": out of memory"
                                                                : "";
    throw std::runtime_error(std::string("CHOLMOD's ") + what + " failed" + why);
  }

 private:
  cholmod_common common_{};
};

class CholmodPeer final : public QuadraticPeer {
 public:
  CholmodPeer(const Problem& problem, bool supernodal)
      : session_(supernodal), lower_(lower_triangle(*problem.matrix)), right_(problem.linear) {
    starts_.assign(lower_.starts.begin(), lower_.starts.end());
    const auto size = static_cast<std::size_t>(problem.matrix->size());
    matrix_.nrow = matrix_.ncol = size;
    matrix_.nzmax = lower_.values.size();
    matrix_.p = starts_.data();
    matrix_.i = lower_.indices.data();
    matrix_.x = lower_.values.data();
    matrix_.stype = -1;  // the lower triangle is what is stored
    matrix_.itype = CHOLMOD_INT;
    matrix_.xtype = CHOLMOD_REAL;
    matrix_.dtype = CHOLMOD_DOUBLE;
    matrix_.sorted = matrix_.packed = 1;
    side_.nrow = side_.d = side_.nzmax = size;
    side_.ncol = 1;
    side_.x = right_.data();
    side_.xtype = CHOLMOD_REAL;
    side_.dtype = CHOLMOD_DOUBLE;
  }

  QuadraticOutcome solve(std::span<double> x, double) override {
    const Functions& call = cholmod_library().call;
    cholmod_common* common = session_.common();
    const auto free_factor = [&](cholmod_factor* made) { call.free_factor(&made, common); };
    const auto free_dense = [&](cholmod_dense* made) { call.free_dense(&made, common); };
    const std::unique_ptr<cholmod_factor, decltype(free_factor)> factor(
        call.analyze(&matrix_, common), free_factor);
    session_.require(factor != nullptr, "analysis");
    const auto entries = static_cast<std::int64_t>(common->lnz);
    session_.require(call.factorize(&matrix_, factor.get(), common) != 0, "factorisation");
    const std::unique_ptr<cholmod_dense, decltype(free_dense)> solution(
        call.solve(CHOLMOD_A, factor.get(), &side_, common), free_dense);
    session_.require(solution != nullptr, "solution");
    const double* found = static_cast<const double*>(solution->x);
    std::copy(found, found + x.size(), x.begin());
    return {.factor_entries = entries};
  }

 private:
  Session session_;
  SparseLines lower_;
  std::vector<int> starts_;
  std::vector<double> right_;
  cholmod_sparse matrix_{};
  cholmod_dense side_{};
};

}  // namespace

std::optional<std::string> unsupported() { return cholmod_library().missing; }
std::string version() { return "CHOLMOD " + cholmod_library().version; }

std::unique_ptr<QuadraticPeer> make(const Problem& problem, bool supernodal) {
  if (cholmod_library().missing) throw std::runtime_error(*cholmod_library().missing);
  return std::make_unique<CholmodPeer>(problem, supernodal);
}

#else

std::optional<std::string> unsupported() { return "built without CHOLMOD"; }
std::string version() { return "none"; }

std::unique_ptr<QuadraticPeer> make(const Problem&, bool) {
  throw std::runtime_error("built without CHOLMOD");
}

#endif

}  // namespace ashlar::bcd::baselines::cholmod
