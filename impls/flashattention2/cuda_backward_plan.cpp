#include "impls/flashattention2/cuda_backward_plan.hpp"

#include <algorithm>
#include <numbers>

#include "impls/flashattention2/cuda_schedule.hpp"
#include "impls/flashattention2/cuda_strides.hpp"

namespace ashlar::flashattention2::kernel {
namespace {

struct TileShape {
  int rows;
  int columns;
};
TileShape tile_of(Index head_dim) {
  const Tile tile = backward_tile(static_cast<int>(head_dim), kSm80);
  return {tile.rows, tile.columns};
}

void set_gradient_tensors(BackwardArguments& arguments, const AttentionParams& params) {
  arguments.dout = static_cast<const std::uint16_t*>(params.dout.data);
  arguments.dq = static_cast<std::uint16_t*>(params.dq.data);
  arguments.dk = static_cast<std::uint16_t*>(params.dk.data);
  arguments.dv = static_cast<std::uint16_t*>(params.dv.data);
  arguments.dout_strides = strides_of(params.dout);
  arguments.dq_strides = strides_of(params.dq);
  arguments.dk_strides = strides_of(params.dk);
  arguments.dv_strides = strides_of(params.dv);
}

}  // namespace

std::optional<std::string> backward_unsupported(const AttentionParams& params) {
  if (auto reason = common_unsupported(params, {64, 96, 128})) return reason;
  if (params.heads_q() > kGridLimit || params.sequences() > kGridLimit) {
    return "more than 65535 heads or sequences";
  }
  for (const bool fits : {strides_fit(params.dout), strides_fit(params.dq), strides_fit(params.dk),
                          strides_fit(params.dv)}) {
    if (!fits) return "a stride that is negative or not a multiple of 8 elements";
  }
  return std::nullopt;
}

BackwardPlan backward_plan(const AttentionParams& params, int multiprocessors) {
  const TileShape tile = tile_of(params.head_dim());
  const auto sequences = static_cast<int>(params.sequences());
  BackwardPlan plan;
  plan.kind = kind_of(params);
  BackwardArguments& arguments = plan.arguments;
  set_forward_tensors(arguments, params);
  set_gradient_tensors(arguments, params);
  arguments.features = feature_arguments(params);
  arguments.scale = params.scale;
  arguments.scale_log2 = params.scale * std::numbers::log2e_v<float>;
  arguments.heads_q = static_cast<int>(params.heads_q());
  arguments.group = static_cast<int>(params.group());
  arguments.seqlen_q = static_cast<int>(params.seqlen_q());
  arguments.seqlen_k = static_cast<int>(params.seqlen_k());
  arguments.row_blocks =
      padded_row_blocks(params.packed(), arguments.seqlen_q, sequences, tile.rows);

  const Longest longest = longest_of(params);
  const int column_blocks = ceil_div(static_cast<int>(longest.k), tile.columns);
  arguments.column_stride = std::max(column_blocks, 1);
  if (params.deterministic) {
    arguments.copies =
        dq_copies(multiprocessors, sequences, static_cast<int>(params.heads_kv()), column_blocks)
            .copies;
    arguments.column_stride = arguments.copies;
  }
  const auto count = [](Index value) { return static_cast<unsigned>(value); };
  if (params.heads_q() > 0 && sequences > 0) {
    plan.rows = {count(ceil_div(static_cast<int>(longest.q), tile.rows)), count(params.heads_q()),
                 count(sequences)};
    plan.columns = {count(std::min(column_blocks, arguments.column_stride)),
                    count(params.heads_kv()), count(sequences)};
  }
  plan.statistics_floats = std::int64_t{arguments.heads_q} * arguments.row_blocks * tile.rows;
  plan.sums_floats = arguments.copies * plan.statistics_floats * params.head_dim();
  return plan;
}

}  // namespace ashlar::flashattention2::kernel
