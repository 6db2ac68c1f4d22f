#include "baselines/flashattention2/standard.hpp"

#include <stdexcept>

#include "impls/core/parallel.hpp"

namespace ashlar::flashattention2::baselines {
namespace {

// Beyond this, starting and ending a parallel loop costs nothing beside the work of one head.
constexpr Index kLargeScores = Index{16} << 20;  // floats, 64 MiB

const AttentionParams& supported(const AttentionParams& params, ProductLibrary library) {
  validate_forward(params);
  if (const auto reason = unfused_unsupported(params, library))
    throw std::invalid_argument(*reason);
  return params;
}

}  // namespace

bool prefer_heads(const AttentionParams& params, Index heads, int threads) {
  if (threads == 1) return true;
  if (params.seqlen_q() * params.seqlen_k() > kLargeScores) return false;
  return heads % threads == 0 || heads >= Index{4} * threads;
}

std::optional<std::string> standard_unsupported(const AttentionParams& params) {
  return unfused_unsupported(params, ProductLibrary::onednn);
}

std::optional<std::string> standard_openblas_unsupported(const AttentionParams& params) {
  return unfused_unsupported(params, ProductLibrary::openblas);
}

StandardForward::StandardForward(const AttentionParams& params, ProductLibrary library)
    : params_(supported(params, library)),
      heads_in_parallel_(
          prefer_heads(params, params.batch() * params.heads_q(), core::thread_count())),
      threads_(core::thread_count()),
      dense_(params),
      block_(params, params.seqlen_q(), params.seqlen_k(),
             {library, heads_in_parallel_ ? 1 : threads_, heads_in_parallel_ ? threads_ : 1}) {
  const int buffers = heads_in_parallel_ ? threads_ : 1;
  for (int worker = 0; worker < buffers; ++worker) scratch_.emplace_back(block_.scratch_bytes());
}

void StandardForward::operator()() {
  dense_.pack(params_, threads_);
  const auto one_head = [&](Index item, int worker) {
    auto* scratch = scratch_[static_cast<std::size_t>(worker)].as<std::byte>();
    block_(params_, dense_, item / params_.heads_q(), item % params_.heads_q(), 0, worker, scratch);
  };
  const Index heads = params_.batch() * params_.heads_q();
  if (heads_in_parallel_) {
    core::parallel_for_dynamic(heads, one_head, threads_);
  } else {
    for (Index item = 0; item < heads; ++item) one_head(item, 0);
  }
}

std::size_t StandardForward::workspace_bytes() const {
  return dense_.bytes() + scratch_.size() * block_.scratch_bytes();
}

}  // namespace ashlar::flashattention2::baselines
