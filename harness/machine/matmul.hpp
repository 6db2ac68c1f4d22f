#pragma once
// The library product that brackets the measured peak.
#include <functional>
#include <optional>
#include <string>

namespace ashlar::machine {

/// "2.6.3"; nullopt where Ashlar was built without oneDNN.
std::optional<std::string> onednn_version();

/// A product of square matrices in single precision by oneDNN on a fixed number of threads.
struct Sgemm {
  double flops = 0;           // of one product
  std::function<void()> run;  // throws std::runtime_error when the library refuses
  /// CPU time so far of the threads that work on it. Asked of each thread: the kernel's sum over a
  /// process lags by milliseconds for threads that are running.
  std::function<double()> team_cpu_s;
};
/// nullopt where Ashlar was built without oneDNN. Matrices have 1024 rows on up to four threads,
/// and grow with the cube root of the threads beyond.
std::optional<Sgemm> make_sgemm(int threads);

}  // namespace ashlar::machine
