#include "impls/flashattention2/cuda_wgmma_plan.hpp"

#include <algorithm>
#include <numbers>

#include "impls/flashattention2/cuda_strides.hpp"

namespace ashlar::flashattention2::kernel {
namespace {

// K and V of the heads that are computed at a time: of the 50 MB of an H100's second level cache
// what is sure to be left beside Q and O on their way.
constexpr std::int64_t kCacheBytes = std::int64_t{32} << 20;
constexpr std::int64_t kMostTiles = std::int64_t{1} << 30;
constexpr Index kLongestStride = Index{1} << 38;  // in elements: the copy engine's are below 2^40

Tile tile_of(const AttentionParams& params) {
  return hopper_forward_tile(static_cast<int>(params.head_dim()), params.causal);
}

TileOrder order_of(const AttentionParams& params) {
  TileOrder order;
  order.blocks = divide_up(static_cast<int>(params.seqlen_q()), tile_of(params).rows);
  order.heads_kv = static_cast<int>(params.heads_kv());
  order.group = static_cast<int>(params.group());
  order.sequences = static_cast<int>(params.batch());
  order.section =
      heads_in_cache(kCacheBytes, params.seqlen_k(), static_cast<int>(params.head_dim()),
                     std::max(order.heads_kv * order.sequences, 1));
  order.last_first = params.causal;
  return order;
}

template <class Tensor>
BoxTensor box_tensor(const Tensor& tensor, int box_rows) {
  return {.data = static_cast<const std::uint16_t*>(tensor.data),
          .head_dim = static_cast<int>(tensor.shape[3]),
          .rows = static_cast<int>(tensor.shape[1]),
          .heads = static_cast<int>(tensor.shape[2]),
          .batch = static_cast<int>(tensor.shape[0]),
          .strides = strides_of(tensor),
          .box_rows = box_rows};
}

/// An axis of several elements that all lie in one place: whether the driver takes a stride of 0
/// for it is not documented.
template <class Tensor>
bool repeats(const Tensor& tensor) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (tensor.shape[axis] > 1 && tensor.strides[axis] == 0) return true;
  }
  return false;
}

template <class Tensor>
bool strides_short(const Tensor& tensor) {
  const Strides s = strides_of(tensor);
  return std::max({s.batch, s.row, s.head}) < kLongestStride;
}

}  // namespace

std::optional<std::string> wgmma_shapes_unsupported(const AttentionParams& params, WgmmaRung rung) {
  if (auto reason = common_unsupported(params, {64, 128})) return reason;
  if (auto reason = beyond(params, {})) return reason;
  if (rung != WgmmaRung::overlapped && params.q.dtype != core::DType::f16) {
    return "element type bf16 (f16 only below the last rung)";
  }
  // The numbers of tiles that nobody has any more are computed as well.
  if (order_of(params).tiles() > kMostTiles) return "more than 2^30 tiles";
  if (repeats(params.q) || repeats(params.k) || repeats(params.v)) {
    return "a stride of 0 over several elements";
  }
  if (!strides_short(params.q) || !strides_short(params.k) || !strides_short(params.v)) {
    return "a stride of 2^38 elements or more";
  }
  return std::nullopt;
}

WgmmaPlan wgmma_plan(const AttentionParams& params, int multiprocessors) {
  const Tile tile = tile_of(params);
  WgmmaPlan plan;
  WgmmaArguments& arguments = plan.arguments;
  arguments.out = static_cast<std::uint16_t*>(params.out.data);
  arguments.lse = params.lse.data;
  arguments.out_strides = strides_of(params.out);
  arguments.lse_strides = lse_strides_of(params);
  arguments.order = order_of(params);
  arguments.seqlen_q = static_cast<int>(params.seqlen_q());
  arguments.seqlen_k = static_cast<int>(params.seqlen_k());
  arguments.scale_log2 = params.scale * std::numbers::log2e_v<float>;
  plan.tensors = {box_tensor(params.q, tile.rows), box_tensor(params.k, tile.columns),
                  box_tensor(params.v, tile.columns)};
  if (params.seqlen_k() == 0) {  // never read, but a map wants an address, which they may lack
    plan.tensors.k.data = plan.tensors.v.data = plan.tensors.q.data;
  }
  plan.blocks = static_cast<unsigned>(
      std::min<std::int64_t>(arguments.order.tiles(), std::max(multiprocessors, 1)));
  return plan;
}

}  // namespace ashlar::flashattention2::kernel
