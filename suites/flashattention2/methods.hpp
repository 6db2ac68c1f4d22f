#pragma once
// Joins the libraries' passes to the harness's contract.
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/method.hpp"
#include "harness/model/suite.hpp"
#include "impls/core/cuda/allocations.hpp"
#include "suites/flashattention2/problem.hpp"

namespace ashlar::flashattention2::suite {

/// A class that is constructed from AttentionParams, or from these and the problem's own options
/// (packing, workspace), called, and asked for its bytes. It may have counters() too.
template <class Pass, class Problem>
concept AttentionPass =
    (std::constructible_from<Pass, const AttentionParams&> ||
     std::constructible_from<Pass, const AttentionParams&, const Problem&>)&&requires(Pass pass) {
  pass();
  { pass.workspace_bytes() } -> std::convertible_to<std::size_t>;
};

/// A library's pass together with the workspace that it is given at every call.
template <class Workspace, class Options, void (*Run)(const AttentionParams&, Workspace&)>
class WithWorkspace {
 public:
  WithWorkspace(const AttentionParams& params, const Options& options)
      : params_(params), workspace_(params, options) {}
  void operator()() { Run(params_, workspace_); }
  std::size_t workspace_bytes() const { return workspace_.bytes(); }
  const Workspace& workspace() const { return workspace_; }

 private:
  AttentionParams params_;
  Workspace workspace_;
};

/// The forward pass and then the backward pass of one family.
template <class Forward, class Backward>
class BothPasses {
 public:
  explicit BothPasses(const AttentionParams& params) : forward_(params), backward_(params) {}
  void operator()() {
    forward_();
    backward_();
  }
  std::size_t workspace_bytes() const {
    return forward_.workspace_bytes() + backward_.workspace_bytes();
  }

 private:
  Forward forward_;
  Backward backward_;
};

using Unsupported = std::optional<std::string> (*)(const AttentionParams&);
using WorkspaceBytes = std::size_t (*)(const AttentionParams&);

/// Of kernels that keep everything on chip.
inline std::size_t no_workspace(const AttentionParams&) { return 0; }

/// The first reason of several.
template <Unsupported... All>
std::optional<std::string> any_unsupported(const AttentionParams& params) {
  std::optional<std::string> reason;
  static_cast<void>(((reason = All(params)) || ...));
  return reason;
}

template <class Problem, class Answer, AttentionPass<Problem> Pass>
class CpuMethod final : public model::Method<Problem, Answer> {
 public:
  explicit CpuMethod(Unsupported unsupported) : unsupported_(unsupported) {}

  model::Support supports(const Problem& problem) const override {
    return model::Support::from(unsupported_(params_of(problem, static_cast<Answer*>(nullptr))));
  }
  void prepare(const Problem& problem, Answer& answer) override {
    if constexpr (std::constructible_from<Pass, const AttentionParams&, const Problem&>) {
      pass_.emplace(params_of(problem, &answer), problem);
    } else {
      pass_.emplace(params_of(problem, &answer));
    }
  }
  void execute(const Problem&, Answer&, model::Stream) override { (*pass_)(); }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.workspace_bytes = static_cast<std::int64_t>(pass_->workspace_bytes());
    if constexpr (requires { pass_->counters(); }) outcome.counters = pass_->counters();
    return outcome;
  }

 private:
  Unsupported unsupported_;
  std::optional<Pass> pass_;
};

/// Device memory that a pass asks for beside its inputs and outputs, counted while it is made and
/// while it executes first. The one number per row that the forward pass saves for the backward
/// pass counts too where it is no input, as its cost is what the paper speaks of.
class DeviceBytes {
 public:
  template <class Make>
  void making(const Make& make) {
    const core::cuda::AllocationCount count;
    make();
    held_ = count.held_bytes();
    most_ = count.peak_bytes();
    executed_ = false;
  }
  template <class Execute>
  void executing(const Execute& execute) {
    if (executed_) return execute();
    const core::cuda::AllocationCount count;
    execute();
    most_ = std::max(most_, held_ + count.peak_bytes());
    executed_ = true;
  }
  std::ptrdiff_t most() const { return most_; }

 private:
  std::ptrdiff_t held_ = 0;
  std::ptrdiff_t most_ = 0;
  bool executed_ = false;
};

/// A class that owns device copies of the tensors: construction copies in, fetch() copies the
/// answer out. Where it tells its problem, device_bytes is counted.
template <class Problem, class Answer, class Pass>
class DeviceMethod final : public model::Method<Problem, Answer> {
 public:
  DeviceMethod(Unsupported unsupported, WorkspaceBytes workspace_bytes)
      : unsupported_(unsupported), workspace_bytes_(workspace_bytes) {}

  model::Support supports(const Problem& problem) const override {
    return model::Support::from(unsupported_(params_of(problem, static_cast<Answer*>(nullptr))));
  }
  void prepare(const Problem& problem, Answer& answer) override {
    const AttentionParams host = params_of(problem, &answer);
    workspace_ = static_cast<std::int64_t>(workspace_bytes_(host));
    pass_.reset();
    bytes_.making([&] {
      if constexpr (std::constructible_from<Pass, const AttentionParams&, const Problem&>) {
        pass_.emplace(host, problem);
      } else {
        pass_.emplace(host);
      }
    });
    if constexpr (std::derived_from<Answer, AttentionAnswer>)
      saved_bytes_ = static_cast<std::ptrdiff_t>(sizeof(float)) * answer.lse.size();
  }
  void execute(const Problem&, Answer&, model::Stream stream) override {
    bytes_.executing([&] { pass_->execute(stream); });
  }
  void poison() override {
    if (pass_) pass_->poison();
  }
  void fetch(Answer&) override { pass_->fetch(); }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.workspace_bytes = workspace_;
    if constexpr (requires { pass_->problem().tensor_bytes(); }) {
      const auto tensors = static_cast<std::ptrdiff_t>(pass_->problem().tensor_bytes());
      outcome.counters["device_bytes"] =
          static_cast<double>(bytes_.most() - tensors + saved_bytes_);
    }
    return outcome;
  }

 private:
  Unsupported unsupported_;
  WorkspaceBytes workspace_bytes_;
  DeviceBytes bytes_;
  std::ptrdiff_t saved_bytes_ = 0;         // of lse, where it is no input
  std::optional<std::int64_t> workspace_;  // device memory beside the tensors
  std::optional<Pass> pass_;
};

/// The command of PyTorch's attention as a peer. Backends flash and math, on a GPU ("cuda") also
/// cudnn and efficient; passes forward, backward and both.
inline std::vector<std::string> torch_command(const std::string& backend, const std::string& passes,
                                              const std::string& device = "cpu") {
  return {"python3", "baselines/flashattention2/torch_attention.py", backend, passes, device};
}

/// PyTorch's attention on a GPU, each of its kernels by itself.
template <class Builder>
void add_torch_cuda(Builder& experiment, const std::string& passes) {
  const std::pair<const char*, const char*> kernels[] = {
      {"flash", "PyTorch's FlashAttention-2"},
      {"cudnn", "cuDNN's fused kernel, through PyTorch"},
      {"efficient", "PyTorch's memory-efficient kernel, of xformers"},
      {"math", "PyTorch's unfused attention"}};
  for (const auto& [backend, about] : kernels) {
    experiment.external(model::Tier::peer, std::string("torch-") + backend + "-cuda",
                        torch_command(backend, passes, "cuda"),
                        {.about = about, .device = model::Device::cuda});
  }
}

/// What `add` takes, for every kind of problem and answer.
template <class Pass>
auto forward_method(Unsupported unsupported) {
  return [unsupported] {
    return std::make_unique<CpuMethod<AttentionProblem, AttentionAnswer, Pass>>(unsupported);
  };
}
template <class Pass>
auto tiled_method(Unsupported unsupported) {
  return [unsupported] {
    return std::make_unique<CpuMethod<TiledProblem, AttentionAnswer, Pass>>(unsupported);
  };
}
template <class Pass>
auto backward_method(Unsupported unsupported) {
  return [unsupported] {
    return std::make_unique<CpuMethod<GradientProblem, GradientAnswer, Pass>>(unsupported);
  };
}
template <class Pass>
auto both_method(Unsupported unsupported) {
  return [unsupported] {
    return std::make_unique<CpuMethod<GradientProblem, BothAnswer, Pass>>(unsupported);
  };
}
template <class Problem, class Answer, class Pass>
auto device_method(Unsupported unsupported, WorkspaceBytes workspace_bytes) {
  return [=] {
    return std::make_unique<DeviceMethod<Problem, Answer, Pass>>(unsupported, workspace_bytes);
  };
}
template <class Pass>
auto forward_device_method(Unsupported unsupported, WorkspaceBytes workspace_bytes) {
  return device_method<AttentionProblem, AttentionAnswer, Pass>(unsupported, workspace_bytes);
}

}  // namespace ashlar::flashattention2::suite
