#include "impls/flashattention2/cuda_decode_plan.hpp"

#include <algorithm>
#include <numbers>

#include "impls/flashattention2/cuda_strides.hpp"

namespace ashlar::flashattention2::kernel {
namespace {

constexpr int kRows = DecodeConfig<64>::kRows;
constexpr int kKeys = DecodeConfig<64>::kKeys;
static_assert(kRows == DecodeConfig<128>::kRows && kKeys == DecodeConfig<128>::kKeys);

/// Of one K/V head.
Index row_tiles(const AttentionParams& params) {
  return divide_up<Index>(longest_of(params).q * params.group(), kRows);
}

}  // namespace

std::optional<std::string> decode_unsupported(const AttentionParams& params) {
  if (auto reason = common_unsupported(params, {64, 128})) return reason;
  if (params.heads_q() > kGridLimit || params.sequences() > kGridLimit ||
      params.heads_kv() * row_tiles(params) > kGridLimit) {
    return "more than 65535 heads, sequences, or tiles of 16 rows";
  }
  return beyond(params, {.window = true, .softcap = true, .packed = true});
}

DecodePlan decode_plan(const AttentionParams& params, int multiprocessors, int splits) {
  const auto sequences = static_cast<int>(params.sequences());
  const auto tiles = static_cast<int>(row_tiles(params));
  DecodePlan plan;
  DecodeArguments& arguments = plan.arguments;
  set_forward_tensors(arguments, params);
  arguments.group = static_cast<int>(params.group());
  arguments.seqlen_q = static_cast<int>(params.seqlen_q());
  arguments.seqlen_k = static_cast<int>(params.seqlen_k());
  arguments.row_tiles = std::max(tiles, 1);
  arguments.scale_log2 = params.scale * std::numbers::log2e_v<float>;
  arguments.features = feature_arguments(params);

  const auto heads_kv = static_cast<int>(params.heads_kv());
  const int key_blocks = std::max(divide_up<int>(static_cast<int>(longest_of(params).k), kKeys), 1);
  if (splits == 0) {
    splits = device_splits<int>(heads_kv * tiles * sequences, multiprocessors, key_blocks);
  }
  const Index rows = params.batch() * params.seqlen_q();
  arguments.layout = {splits, params.heads_q(), rows, params.head_dim()};
  const auto count = [](Index value) { return static_cast<unsigned>(value); };
  if (rows > 0 && params.heads_q() > 0) {
    plan.parts = {count(splits), count(Index{heads_kv} * tiles), count(sequences)};
    plan.rows = {count(rows), count(params.heads_q()), 1};
  }
  return plan;
}

}  // namespace ashlar::flashattention2::kernel
