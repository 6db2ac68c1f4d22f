#pragma once
// Plans and entry points of the ablations on a GPU; kernels of one storage type are compiled in a
// file of their own, cuda_heads_only_<type>.cu and cuda_split_keys_<type>.cu; without CUDA
// cuda_stub.cpp has them. Plans are plain C++, so that they are tested without a GPU.
#include <optional>
#include <string>

#include "impls/flashattention2/attention.hpp"
#include "impls/flashattention2/cuda_forward_math.hpp"
#include "impls/flashattention2/cuda_launch.hpp"

namespace ashlar::flashattention2::kernel {

/// Why kernels of head sizes 64 and 128 without features, in a grid of heads or of row blocks,
/// cannot compute a problem, on any GPU; nothing when they can. Pointers are not looked at.
std::optional<std::string> ablation_unsupported(const AttentionParams& params);

struct AblationPlan {
  ForwardArguments arguments;
  GridIndex grid;  // x is 0 when there is nothing to do
};
/// For a problem that is valid and supported. A thread block per head:
AblationPlan heads_only_plan(const AttentionParams& params);
/// And one per row block of SplitKeysConfig.
AblationPlan split_keys_plan(const AttentionParams& params);

/// Start a kernel on `stream` (a cudaStream_t), of kind full or causal. Throw std::runtime_error
/// when that fails.
template <class Element, int HeadDim, PassKind Kind>
void launch_heads_only(const ForwardArguments& arguments, const GridIndex& grid, void* stream);
template <class Element, int HeadDim, PassKind Kind>
void launch_split_keys(const ForwardArguments& arguments, const GridIndex& grid, void* stream);

}  // namespace ashlar::flashattention2::kernel
