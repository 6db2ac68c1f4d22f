#pragma once
// Joins the libraries' forward passes to the harness's contract.
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "harness/model/method.hpp"
#include "suites/flashattention2/problem.hpp"

namespace ashlar::flashattention2::suite {

using Method = model::Method<AttentionProblem, AttentionAnswer>;

/// A class that is constructed from AttentionParams (packing, workspace), called, and asked for its
/// bytes.
template <class Forward>
concept ForwardPass = std::constructible_from<Forward, const AttentionParams&> &&
    requires(Forward pass) {
  pass();
  { pass.workspace_bytes() } -> std::convertible_to<std::size_t>;
};

/// A library's forward pass together with the workspace that it is given at every call.
template <class Workspace, class Options, void (*Run)(const AttentionParams&, Workspace&)>
class WithWorkspace {
 public:
  WithWorkspace(const AttentionParams& params, const Options& options)
      : params_(params), workspace_(params, options) {}
  void operator()() { Run(params_, workspace_); }
  std::size_t workspace_bytes() const { return workspace_.bytes(); }

 private:
  AttentionParams params_;
  Workspace workspace_;
};

using Unsupported = std::optional<std::string> (*)(const AttentionParams&);
using WorkspaceBytes = std::size_t (*)(const AttentionParams&);

template <ForwardPass Forward>
class CpuMethod final : public Method {
 public:
  explicit CpuMethod(Unsupported unsupported) : unsupported_(unsupported) {}

  model::Support supports(const AttentionProblem& problem) const override {
    return model::Support::from(unsupported_(forward_params(problem, nullptr)));
  }
  void prepare(const AttentionProblem& problem, AttentionAnswer& answer) override {
    forward_.emplace(forward_params(problem, &answer));
  }
  void execute(const AttentionProblem&, AttentionAnswer&, model::Stream) override { (*forward_)(); }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.workspace_bytes = static_cast<std::int64_t>(forward_->workspace_bytes());
    return outcome;
  }

 private:
  Unsupported unsupported_;
  std::optional<Forward> forward_;
};

/// A class that owns device copies of the tensors: construction copies in, fetch() copies the
/// answer out.
template <class Forward>
class DeviceMethod final : public Method {
 public:
  DeviceMethod(Unsupported unsupported, WorkspaceBytes workspace_bytes)
      : unsupported_(unsupported), workspace_bytes_(workspace_bytes) {}

  model::Support supports(const AttentionProblem& problem) const override {
    return model::Support::from(unsupported_(forward_params(problem, nullptr)));
  }
  void prepare(const AttentionProblem& problem, AttentionAnswer& answer) override {
    const AttentionParams host = forward_params(problem, &answer);
    workspace_ = static_cast<std::int64_t>(workspace_bytes_(host));
    forward_.emplace(host);
  }
  void execute(const AttentionProblem&, AttentionAnswer&, model::Stream stream) override {
    forward_->execute(stream);
  }
  void poison() override {
    if (forward_) forward_->poison();
  }
  void fetch(AttentionAnswer&) override { forward_->fetch(); }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.workspace_bytes = workspace_;
    return outcome;
  }

 private:
  Unsupported unsupported_;
  WorkspaceBytes workspace_bytes_;
  std::optional<std::int64_t> workspace_;  // device memory beside the tensors
  std::optional<Forward> forward_;
};

}  // namespace ashlar::flashattention2::suite
