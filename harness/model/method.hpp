#pragma once
// The contract of an implementation. A suite's implementations derive from Method<Problem, Answer>,
// or are plain functions void(const Problem&, Answer&), which are wrapped.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/tensor.hpp"

namespace ashlar::model {

/// Yes, or why not; the reason shows in the tables.
struct Support {
  bool yes = true;
  std::string reason;

  Support() = default;
  static Support no(std::string why) {
    Support support;
    support.yes = false;
    support.reason = std::move(why);
    return support;
  }
  /// From the libraries' convention: no value means supported.
  static Support from(std::optional<std::string> why_not) {
    return why_not ? no(*std::move(why_not)) : Support();
  }
};

/// Columns of one length; the first is the abscissa.
struct Curve {
  std::string name;
  std::vector<std::pair<std::string, std::vector<double>>> columns;
};

/// What an implementation says beside its answer.
struct Outcome {
  std::map<std::string, double> metrics;   // qualities, e.g. an objective
  std::map<std::string, double> counters;  // exact counts, e.g. bytes exchanged
  std::vector<Curve> curves;
  std::optional<std::int64_t> workspace_bytes;  // allocated by prepare() beyond inputs and outputs
};

/// A CUDA stream as an opaque handle, or null on the CPU.
using Stream = void*;

template <class Problem, class Answer>
class Method {
 public:
  virtual ~Method() = default;
  /// Asked before anything else; must be cheap.
  virtual Support supports(const Problem&) const { return {}; }
  /// Packing and workspace. Not timed; its cost is recorded apart.
  virtual void prepare(const Problem&, Answer&) {}
  /// The timed part. On a device: launches on `stream` and may return early.
  virtual void execute(const Problem&, Answer&, Stream stream) = 0;
  /// Before each execution, untimed: restores what a method that works in place has changed.
  virtual void reset(const Problem&, Answer&) {}
  /// True where reset() does something: executions are then timed one by one, never in batches.
  virtual bool in_place() const { return false; }
  /// Before verification, untimed: fills device outputs with 0xFF bytes (host outputs are filled by
  /// the harness).
  virtual void poison() {}
  /// Before verification, untimed: brings the answer to the host.
  virtual void fetch(Answer&) {}
  virtual Outcome outcome() const { return {}; }
};

/// What the harness calls: one implementation bound to one problem.
class Trial {
 public:
  virtual ~Trial() = default;
  virtual void prepare() = 0;
  virtual void execute(Stream stream) = 0;
  virtual void reset() = 0;
  virtual bool in_place() const = 0;
  virtual void poison() = 0;
  virtual void fetch() = 0;
  virtual std::vector<TensorView> answer() = 0;
  virtual Outcome outcome() const = 0;
};

namespace detail {

template <class Problem, class Answer>
class MethodTrial final : public Trial {
 public:
  MethodTrial(std::shared_ptr<const Problem> problem,
              std::unique_ptr<Method<Problem, Answer>> method)
      : problem_(std::move(problem)), method_(std::move(method)), answer_(*problem_) {}
  void prepare() override { method_->prepare(*problem_, answer_); }
  void execute(Stream stream) override { method_->execute(*problem_, answer_, stream); }
  void reset() override { method_->reset(*problem_, answer_); }
  bool in_place() const override { return method_->in_place(); }
  void poison() override {
    for (const TensorView& tensor : answer_.tensors()) model::poison(tensor);
    method_->poison();
  }
  void fetch() override { method_->fetch(answer_); }
  std::vector<TensorView> answer() override { return answer_.tensors(); }
  Outcome outcome() const override { return method_->outcome(); }

 private:
  std::shared_ptr<const Problem> problem_;
  std::unique_ptr<Method<Problem, Answer>> method_;
  Answer answer_;
};

template <class Problem, class Answer, class Function>
class FunctionMethod final : public Method<Problem, Answer> {
 public:
  explicit FunctionMethod(Function function) : function_(std::move(function)) {}
  void execute(const Problem& problem, Answer& answer, Stream) override {
    function_(problem, answer);
  }

 private:
  Function function_;
};

}  // namespace detail

}  // namespace ashlar::model
