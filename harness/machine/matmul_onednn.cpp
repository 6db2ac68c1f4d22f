#include <omp.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <vector>

#include "harness/machine/matmul.hpp"

namespace ashlar::machine {
namespace {

struct Matrices {
  explicit Matrices(std::size_t elements) : a(elements), b(elements), c(elements) {
    // Small and of both signs, so that sums stay normal numbers.
    for (std::size_t i = 0; i < elements; ++i) {
      a[i] = 0.01F * static_cast<float>(static_cast<int>(i % 13) - 6);
      b[i] = 0.01F * static_cast<float>(static_cast<int>(i % 11) - 5);
    }
  }
  std::vector<float> a;
  std::vector<float> b;
  std::vector<float> c;
};

/// The team size of the calling thread's next parallel regions, restored at the end.
class OpenMpThreads {
 public:
  explicit OpenMpThreads(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~OpenMpThreads() { omp_set_num_threads(before_); }
  OpenMpThreads(const OpenMpThreads&) = delete;
  OpenMpThreads& operator=(const OpenMpThreads&) = delete;

 private:
  int before_;
};

}  // namespace

std::optional<std::string> onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' +
         std::to_string(version->patch);
}

std::optional<Sgemm> make_sgemm(int threads) {
  const double growth = std::cbrt(std::max(1.0, threads / 4.0));
  const auto n = static_cast<dnnl::memory::dim>(std::lround(8 * growth)) * 64;
  auto matrices = std::make_shared<Matrices>(static_cast<std::size_t>(n * n));
  const double size = static_cast<double>(n);
  Sgemm sgemm;
  sgemm.flops = 2 * size * size * size;
  sgemm.run = [n, threads, matrices] {
    const OpenMpThreads team(threads);
    const auto status = dnnl::sgemm('N', 'N', n, n, n, 1.0F, matrices->a.data(), n,
                                    matrices->b.data(), n, 0.0F, matrices->c.data(), n);
    if (status != dnnl::status::success) {
      throw std::runtime_error("calibration: oneDNN refused a matrix product");
    }
  };
  sgemm.team_cpu_s = [threads] {
    double seconds = 0;
#pragma omp parallel num_threads(threads) reduction(+ : seconds)
    {
      timespec now{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
      seconds += static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
    }
    return seconds;
  };
  return sgemm;
}

}  // namespace ashlar::machine
