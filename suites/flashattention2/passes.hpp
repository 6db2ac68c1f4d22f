#pragma once
// The passes that several experiments measure, with their options fixed.
#include <map>
#include <optional>
#include <string>

#include "baselines/flashattention2/fa1_order.hpp"
#include "impls/core/parallel.hpp"
#include "impls/flashattention2/backward.hpp"
#include "impls/flashattention2/cuda_wgmma.hpp"
#include "impls/flashattention2/optimized.hpp"
#include "suites/flashattention2/methods.hpp"

namespace ashlar::flashattention2::suite {

/// The optimized forward pass with its thread count fixed at Threads, or the process's when 0.
template <int Threads>
class Flash : public WithWorkspace<ForwardWorkspace, ForwardOptions, optimized_forward> {
 public:
  explicit Flash(const AttentionParams& params) : WithWorkspace(params, {.threads = Threads}) {}
};

/// The same with tiles of the problem's size, and with some of the paper's ideas off.
template <int Threads, Ablation Switched = Ablation{}>
class TiledFlash : public WithWorkspace<ForwardWorkspace, ForwardOptions, optimized_forward> {
 public:
  TiledFlash(const AttentionParams& params, const TiledProblem& tiles)
      : WithWorkspace(params, {.threads = Threads,
                               .row_block = tiles.row_block,
                               .key_block = tiles.key_block,
                               .ablation = Switched}) {}
};

/// FlashAttention-1's order, likewise.
template <int Threads>
class Fa1Order
    : public WithWorkspace<baselines::Fa1Workspace, baselines::Fa1Options, baselines::fa1_forward> {
 public:
  explicit Fa1Order(const AttentionParams& params) : WithWorkspace(params, {.threads = Threads}) {}
};

/// The optimized backward pass, likewise.
template <int Threads>
class FlashBackward : public WithWorkspace<BackwardWorkspace, BackwardOptions, optimized_backward> {
 public:
  explicit FlashBackward(const AttentionParams& params)
      : WithWorkspace(params, {.threads = Threads}) {}
};

inline AttentionParams deterministic(AttentionParams params) {
  params.deterministic = true;
  return params;
}

/// The backward pass that gives the same bits whatever the thread count.
class FlashDeterministic
    : public WithWorkspace<BackwardWorkspace, BackwardOptions, optimized_backward> {
 public:
  explicit FlashDeterministic(const AttentionParams& params)
      : WithWorkspace(deterministic(params), {}) {}
};

/// A rung of the wgmma forward pass.
template <WgmmaRung Rung>
class Wgmma : public WgmmaForward {
 public:
  explicit Wgmma(const AttentionParams& host) : WgmmaForward(host, Rung) {}
  static std::optional<std::string> unsupported(const AttentionParams& params) {
    return wgmma_unsupported(params, Rung);
  }
};

/// One thread is the other side of a comparison with several. With one in all the two sides are the
/// same, and a claim about threads that read them would be contradicted by nothing.
template <Unsupported Otherwise>
std::optional<std::string> one_thread_unsupported(const AttentionParams& params) {
  if (core::thread_count() == 1) return "the run has one thread in all";
  if (params.heads_q() * params.batch() > 1)
    return "one thread is compared with all at one head only";
  return Otherwise(params);
}

}  // namespace ashlar::flashattention2::suite
