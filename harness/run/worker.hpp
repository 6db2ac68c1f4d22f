#pragma once
// The serving side of the worker protocol: one process that makes a point's problem, verifies
// implementations, and takes samples when asked. docs/worker-protocol.md has the messages.
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "harness/measure/sample.hpp"
#include "harness/model/suite.hpp"
#include "harness/trace/range.hpp"

namespace ashlar::run {

/// What a worker needs of the program around it, so that this folder links no calibration and no
/// device code.
struct WorkerServices {
  std::function<model::Json(int threads)> calibrate;
  std::function<std::unique_ptr<measure::Timer>(const model::ImplementationOptions&)> make_timer;
  /// Why there is no GPU; nothing where there is one. Asked in mode gpu only, since looking makes a
  /// context on the device.
  std::function<std::optional<std::string>()> no_device;
};

/// Whether an implementation takes a point: its share of the budget first, then what it says itself
/// (asked only when `problem` is there).
model::Support support_of(const model::Experiment& experiment,
                          const model::Implementation& implementation, const model::Point& point,
                          model::Mode mode, const void* problem);

class Worker {
 public:
  Worker(const model::Registry& registry, WorkerServices services)
      : registry_(registry), services_(std::move(services)) {}

  /// Serves standard input until it ends. Standard output carries the protocol alone: what
  /// implementations print goes to standard error. Returns the process's exit code.
  int serve();
  /// One request, one answer; never throws.
  model::Json handle(const model::Json& request);

 private:
  struct Bound {
    const model::Implementation* implementation = nullptr;
    std::unique_ptr<model::Trial> trial;
    std::unique_ptr<measure::Timer> timer;
  };

  model::Json dispatch(const model::Json& request);
  model::Json hello(const model::Json& request);
  model::Json open(const model::Json& request);
  model::Json open_without_device(const std::string& reason) const;
  model::Json oracle(const model::Json& request);
  model::Json verify(const model::Json& request);
  model::Json verify_again(const model::Implementation& wanted, const model::Json& request);
  model::Json check(const model::Json& request);
  model::Json sample(const model::Json& request);
  model::Json count(const model::Json& request);
  model::Json profile(const model::Json& request);
  model::Json study(const model::Json& request);
  model::Json close();

  const model::Experiment& experiment() const;
  const model::Implementation& implementation(const model::Json& request) const;
  Bound& bind(const model::Implementation& implementation);
  void rotate(Bound& bound);
  const model::Expected& expected(const model::Json& request);
  model::Json checked(const std::vector<model::TensorView>& answer, const model::Json& request);

  const model::Registry& registry_;
  WorkerServices services_;
  const model::Experiment* experiment_ = nullptr;
  model::Mode mode_ = model::Mode::quick;
  model::Point point_;
  std::uint64_t seed_ = 0;
  std::shared_ptr<const void> problem_;
  std::int64_t problem_bytes_ = 0;
  std::int64_t cold_bytes_ = 0;  // 0: hot caches
  std::vector<std::shared_ptr<const void>> problem_copies_;
  std::optional<model::Expected> expected_;
  std::optional<model::Expected> yardstick_;
  std::unordered_map<std::string, Bound> bound_;
  std::optional<trace::Range> suite_range_;
  std::optional<trace::Range> point_range_;
};

}  // namespace ashlar::run
