#include "baselines/flashattention2/cudnn_attention.hpp"

#include <limits>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "baselines/flashattention2/cudnn_attention_graph.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"

namespace ashlar::flashattention2::baselines {
namespace cudnn {
namespace {

enum class Pass { forward, backward };

/// One for the process, never destroyed: plans hang on it, and it on threads of its own.
Handle& the_handle() {
  static Handle* const handle = new Handle;
  return *handle;
}

/// A plan, or why there is none.
struct Planned {
  std::optional<Descriptor> plan;
  std::string refusal;
  std::size_t workspace_bytes = 0;
};

Planned plan(const AttentionParams& params, Pass pass) {
  Planned made;
  try {
    Graph graph = pass == Pass::forward ? forward_graph(params) : backward_graph(params);
    made.plan = make_plan(graph.finish(&the_handle()), the_handle());
    made.workspace_bytes =
        static_cast<std::size_t>(made.plan->integer(Attribute::execution_plan_workspace_size));
  } catch (const std::runtime_error& error) {
    made.refusal = error.what();
  }
  return made;
}

/// Made once: it takes a compiler's time.
const Planned& planned(const AttentionParams& params, Pass pass) {
  static std::map<std::vector<std::int64_t>, Planned> all;
  std::vector<std::int64_t> key = layout_key(params, pass == Pass::backward);
  const auto found = all.find(key);
  if (found != all.end()) return found->second;
  return all.emplace(std::move(key), plan(params, pass)).first->second;
}

std::optional<std::string> library_unsupported() {
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  if (!device.available) return device.reason;
  return missing();
}

std::optional<std::string> refusal(const AttentionParams& params, Pass pass) {
  const Planned& made = planned(params, pass);
  if (made.plan) return std::nullopt;
  return made.refusal;
}

const AttentionParams& accepted(const AttentionParams& params,
                                std::optional<std::string> (*unsupported)(const AttentionParams&)) {
  if (const auto reason = unsupported(params)) {
    throw std::invalid_argument("cuDNN attention: " + *reason);
  }
  return params;
}

}  // namespace

/// A plan with the addresses that it works on. Neither copied nor moved: the plan reads numbers of
/// this object when it is executed.
class Execution {
 public:
  Execution(const AttentionParams& device, Pass pass)
      : plan_(*planned(device, pass).plan),
        scale_(device.scale),
        workspace_(planned(device, pass).workspace_bytes) {
    give(kQueries, device.q.data);
    give(kKeys, device.k.data);
    give(kValues, device.v.data);
    give(kOut, device.out.data);
    give(kLse, device.lse.data);
    give(kScale, &scale_);
    if (device.causal) give(kHidden, &hidden_);
    if (pass == Pass::backward) {
      delta_ = core::cuda::DeviceBuffer(delta_bytes(device));
      dq_sums_ = core::cuda::DeviceBuffer(dq_sums_bytes(device));
      give(kOne, &one_);
      give(kDelta, delta_.data());
      give(kDqSums, dq_sums_.data());
      give(kDout, device.dout.data);
      give(kDq, device.dq.data);
      give(kDk, device.dk.data);
      give(kDv, device.dv.data);
    }
    void* const workspace = workspace_.data();
    pack_.set_addresses(Attribute::variant_pack_data_pointers, addresses_)
        .set_all(Attribute::variant_pack_unique_ids, std::span<const std::int64_t>(numbers_))
        .set_addresses(Attribute::variant_pack_workspace, {&workspace, 1})
        .finalize();
  }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  void operator()(void* stream) {
    the_handle().set_stream(stream);
    the_handle().execute(plan_, pack_);
  }

 private:
  void give(Number number, const void* address) {
    numbers_.push_back(number);
    addresses_.push_back(const_cast<void*>(address));
  }

  const Descriptor& plan_;
  float scale_;
  float hidden_ = -std::numeric_limits<float>::infinity();
  float one_ = 1;
  core::cuda::DeviceBuffer workspace_, delta_, dq_sums_;
  std::vector<std::int64_t> numbers_;
  std::vector<void*> addresses_;
  Descriptor pack_{Object::variant_pack};
};

}  // namespace cudnn

std::optional<std::string> cudnn_unsupported(const AttentionParams& params) {
  if (auto reason = cudnn::library_unsupported()) return reason;
  if (auto reason = cudnn::shape_unsupported(params)) return reason;
  return cudnn::refusal(params, cudnn::Pass::forward);
}

std::optional<std::string> cudnn_backward_unsupported(const AttentionParams& params) {
  if (auto reason = cudnn::library_unsupported()) return reason;
  if (auto reason = cudnn::gradient_shape_unsupported(params)) return reason;
  return cudnn::refusal(params, cudnn::Pass::backward);
}

std::optional<std::string> cudnn_both_unsupported(const AttentionParams& params) {
  if (auto reason = cudnn_unsupported(params)) return reason;
  return cudnn_backward_unsupported(params);
}

std::size_t cudnn_workspace_bytes(const AttentionParams& params) {
  return cudnn::planned(params, cudnn::Pass::forward).workspace_bytes;
}

std::size_t cudnn_backward_workspace_bytes(const AttentionParams& params) {
  return cudnn::planned(params, cudnn::Pass::backward).workspace_bytes +
         cudnn::delta_bytes(params) + cudnn::dq_sums_bytes(params);
}

std::size_t cudnn_both_workspace_bytes(const AttentionParams& params) {
  return cudnn_workspace_bytes(params) + cudnn_backward_workspace_bytes(params);
}

CudnnForward::CudnnForward(const AttentionParams& host)
    : problem_(cudnn::accepted(host, cudnn_unsupported)),
      forward_(std::make_unique<cudnn::Execution>(problem_.params(), cudnn::Pass::forward)) {}

CudnnForward::~CudnnForward() = default;

void CudnnForward::execute(void* stream) { (*forward_)(stream); }

CudnnGradients::CudnnGradients(const AttentionParams& host, CudaGradientProblem::Passes passes)
    : problem_(cudnn::accepted(host, passes == CudaGradientProblem::Passes::both
                                         ? cudnn_both_unsupported
                                         : cudnn_backward_unsupported),
               passes) {
  const AttentionParams& device = problem_.params();
  if (passes == CudaGradientProblem::Passes::both) {
    forward_ = std::make_unique<cudnn::Execution>(device, cudnn::Pass::forward);
  }
  backward_ = std::make_unique<cudnn::Execution>(device, cudnn::Pass::backward);
}

CudnnGradients::~CudnnGradients() = default;

void CudnnGradients::execute(void* stream) {
  if (forward_) (*forward_)(stream);
  (*backward_)(stream);
}

}  // namespace ashlar::flashattention2::baselines
