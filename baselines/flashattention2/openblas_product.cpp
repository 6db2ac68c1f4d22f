// OpenBLAS, opened at run time: the binary starts where it is absent, and the baseline says so.
//
// The library picks kernels by the CPU's model when it is loaded, and releases older than a CPU
// take it for one without AVX-512 (Debian 12's takes new AMD chips for Haswell: half the rate). So
// on a CPU with AVX-512 the core type is forced before loading, unless the user has chosen one:
// SkylakeX, the oldest that has what our kernels ask for as well, or Haswell where they may not.
//
// Of Debian's variants the one on OpenMP is taken where it is there: its threads are then those of
// our own loops. Threads of OpenBLAS's own would spin for work on the cores that the softmax needs.
#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <stdexcept>

#include "baselines/flashattention2/product_backends.hpp"
#include "impls/core/cuda/library.hpp"
#include "impls/core/parallel.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::flashattention2::baselines::openblas {
namespace {

// Values of the stable CBLAS interface; its headers are no dependency of the build.
constexpr int kRowMajor = 101;
constexpr int kNotTransposed = 111;
constexpr int kTransposed = 112;

struct Functions {
  void (*multiply)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                   const float* a, int leading_a, const float* b, int leading_b, float beta,
                   float* c, int leading_c);
  void (*set_threads)(int threads);
  int (*threads)();
  int (*parallel)();
  char* (*core_name)();
  char* (*config)();
};

struct Library {
  std::optional<std::string> missing;
  const core::cuda::DynamicLibrary* file = nullptr;  // never deleted, so never closed
  Functions call{};
};

/// Sets the core type while the library is loaded, and for nobody else. What the user has set, and
/// the library's choice on a CPU without AVX-512, stays.
class ScopedCoreType {
 public:
  ScopedCoreType()
      : ours_(core::hardware_isa() >= core::Isa::avx512 && std::getenv(kVariable) == nullptr) {
    const char* type = core::may_use(core::Isa::avx512) ? "SkylakeX" : "Haswell";
    if (ours_) setenv(kVariable, type, 0);
  }
  ~ScopedCoreType() {
    if (ours_) unsetenv(kVariable);
  }
  ScopedCoreType(const ScopedCoreType&) = delete;
  ScopedCoreType& operator=(const ScopedCoreType&) = delete;

 private:
  static constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  bool ours_;
};

Library open() {
  Library opened;
  core::thread_count();  // the default must be known before OpenBLAS speaks to the OpenMP runtime
  try {
    const ScopedCoreType scope;
    opened.file = new core::cuda::DynamicLibrary(
        {"/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0", "libopenblas.so.0"});
    const auto find = [&opened]<class Function>(Function& function, const char* symbol) {
      function = opened.file->template function<Function>(symbol);
    };
    find(opened.call.multiply, "cblas_sgemm");
    find(opened.call.set_threads, "openblas_set_num_threads");
    find(opened.call.threads, "openblas_get_num_threads");
    find(opened.call.parallel, "openblas_get_parallel");
    find(opened.call.core_name, "openblas_get_corename");
    find(opened.call.config, "openblas_get_config");
  } catch (const std::runtime_error& error) {
    opened.missing = std::string("no OpenBLAS: ") + error.what();
  }
  return opened;
}

const Library& library() {
  static const Library opened = open();
  return opened;
}

/// One number for the process. Changing it frees buffers, so two must not do so at once; workers of
/// one loop all want 1 thread, and the first of them changes it before any of them multiplies.
void want_threads(int threads) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (library().call.threads() != threads) library().call.set_threads(threads);
}

/// OpenBLAS on OpenMP gives its buffers to threads of other kinds without a lock: two products at
/// once were seen to mix up their operands. There they take turns.
std::unique_lock<std::mutex> take_turns() {
  static std::mutex mutex;
  constexpr int kOpenMp = 2;  // of openblas_get_parallel()
  const bool unguarded = !core::threads_are_openmp() && library().call.parallel() == kOpenMp;
  return unguarded ? std::unique_lock(mutex) : std::unique_lock<std::mutex>();
}

struct Side {
  int transposed;
  int leading;
};

Side side_of(const MatrixLayout& layout) {
  const bool by_rows = layout.column_stride == 1;
  const core::Index leading = by_rows ? layout.row_stride : layout.column_stride;
  const core::Index least = by_rows ? layout.columns : layout.rows;
  // The step between rows means nothing where there is one.
  return {by_rows ? kNotTransposed : kTransposed, static_cast<int>(std::max(leading, least))};
}

class Product final : public MatrixProduct::Backend {
 public:
  Product(const MatrixLayout& a, const MatrixLayout& b, const MatrixLayout& c, int threads,
          Update update)
      : a_(side_of(a)),
        b_(side_of(b)),
        c_(side_of(c)),
        m_(static_cast<int>(c.rows)),
        n_(static_cast<int>(c.columns)),
        k_(static_cast<int>(a.columns)),
        threads_(threads),
        beta_(update == Update::add ? 1.0f : 0.0f) {}

  std::size_t scratch_bytes() const override { return 0; }

  void multiply(int, const void* a, const void* b, void* c, void*) override {
    want_threads(threads_);
    const auto turn = take_turns();
    library().call.multiply(kRowMajor, a_.transposed, b_.transposed, m_, n_, k_, 1.0f,
                            static_cast<const float*>(a), a_.leading, static_cast<const float*>(b),
                            b_.leading, beta_, static_cast<float*>(c), c_.leading);
  }

 private:
  Side a_;
  Side b_;
  Side c_;
  int m_;
  int n_;
  int k_;
  int threads_;
  float beta_;
};

}  // namespace

std::optional<std::string> unsupported(core::DType dtype) {
  if (dtype != core::DType::f32) {
    return "OpenBLAS multiplies f32 here, not " + std::string(name_of(dtype));
  }
  return library().missing;
}

std::optional<std::string> kernel() {
  if (library().missing) return std::nullopt;
  // "OpenBLAS 0.3.21 DYNAMIC_ARCH ...": name and version.
  const std::string config = library().call.config();
  const std::size_t version = config.find(' ') + 1;
  constexpr const char* kParallel[] = {"serial", "threads of its own", "OpenMP"};
  const int parallel = library().call.parallel();
  return std::string(library().call.core_name()) + " (" +
         config.substr(0, config.find(' ', version)) + ", " +
         (parallel >= 0 && parallel < 3 ? kParallel[parallel] : "unknown threads") + ")";
}

std::unique_ptr<MatrixProduct::Backend> make(const MatrixLayout& a, const MatrixLayout& b,
                                             const MatrixLayout& c, const ProductPlan& plan,
                                             Update update) {
  if (library().missing) throw std::runtime_error(*library().missing);
  return std::make_unique<Product>(a, b, c, plan.threads, update);
}

}  // namespace ashlar::flashattention2::baselines::openblas
