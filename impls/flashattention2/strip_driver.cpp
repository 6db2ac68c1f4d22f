#include "impls/flashattention2/strip_driver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "impls/core/half.hpp"

namespace ashlar::flashattention2 {

StripStatistics empty_statistics() {
  StripStatistics statistics{};
  std::fill_n(statistics.max, kStripRows, -std::numeric_limits<float>::infinity());
  return statistics;
}

Index choose_key_block(Index asked, const StripKernels& kernels, Index head_dim) {
  if (asked == 0) {
    // Long blocks amortise loading and storing the accumulators; keys and values of a block should
    // fill at most half of a 1 MB L2.
    constexpr Index kBlockBytes = 512 * 1024;
    const Index key_bytes = 2 * 4 * head_dim / kernels.step;
    return std::clamp<Index>(kBlockBytes / key_bytes / kKeyBlockUnit * kKeyBlockUnit, kKeyBlockUnit,
                             kMaxKeyBlock);
  }
  if (asked < 0 || asked % kKeyBlockUnit != 0 || asked > kMaxKeyBlock) {
    throw std::invalid_argument("key_block must be a multiple of 64 up to 512, not " +
                                std::to_string(asked));
  }
  return asked;
}

std::optional<std::string> strips_unsupported(const AttentionParams& params) {
  const core::DType dtype = params.q.dtype;
  if (dtype == core::DType::f32 || dtype == core::DType::bf16 || dtype == core::DType::f16) {
    return beyond(params, Features());
  }
  return "storage type " + std::string(core::name_of(dtype)) + " is not f32, bf16 or f16";
}

StripDriver::StripDriver(const AttentionParams& params, const StripKernels& kernels,
                         const PackedKeysValues& packed)
    : params_(params),
      kernels_(kernels),
      packed_(packed),
      group_(params.heads_q() / params.heads_kv()),
      scale_log2e_(params.scale * std::numbers::log2e_v<float>) {}

Index StripDriver::rows(const Strip& strip) const {
  return std::min<Index>(kStripRows, params_.seqlen_q() - strip.first_row);
}

Index StripDriver::visible_end(Index row) const {
  if (!params_.causal) return params_.seqlen_k();
  const Index real_row = std::min(row, params_.seqlen_q() - 1);
  return std::clamp<Index>(real_row + params_.seqlen_k() - params_.seqlen_q() + 1, 0,
                           params_.seqlen_k());
}

void StripDriver::load_queries(const Strip& strip, std::uint32_t* queries) const {
  pack_query_strip(params_.q, strip.batch, strip.head, strip.first_row, shape(), queries);
}

StripDriver::Weights StripDriver::weigh(const Strip& strip, Index begin, Index end,
                                        const std::uint32_t* queries, StripScratch& scratch,
                                        StripStatistics& statistics) const {
  Index visible[kStripRows];
  for (Index r = 0; r < kStripRows; ++r) {
    visible[r] = std::clamp<Index>(visible_end(strip.first_row + r) - begin, 0, end - begin);
  }
  const Index keys = visible[kStripRows - 1];  // later rows see more
  if (keys == 0) return {0, false};
  const Index panels = (keys + shape().key_panel - 1) / shape().key_panel;
  kernels_.scores(queries, packed_.keys(strip.batch, head_kv(strip), begin), shape().depth_words,
                  panels, scratch);
  const bool rescale = kernels_.softmax(scratch, scale_log2e_, panels * shape().key_panel, keys,
                                        visible, statistics);
  return {keys, rescale};
}

void StripDriver::accumulate(const Strip& strip, Index begin, const Weights& weights,
                             const StripScratch& scratch, float* acc) const {
  for (Index panel = 0; panel < shape().value_panels; ++panel) {
    const Index first = shape().panel_begin(panel);
    kernels_.accumulate(scratch, packed_.values(strip.batch, head_kv(strip), panel, begin),
                        weights.keys, shape().panel_begin(panel + 1) - first, weights.rescale,
                        acc + first * shape().lanes, shape().row_values());
  }
}

void StripDriver::store_row(const Strip& strip, Index row, float factor, const float* acc) const {
  const auto store = [&]<class T>(T) {
    T* out = &params_.out.as<T>()(strip.batch, row, strip.head, 0);
    for (Index i = 0; i < params_.head_dim(); ++i) out[i] = core::from_float<T>(acc[i] * factor);
  };
  if (params_.out.dtype == core::DType::f32) return store(float());
  if (params_.out.dtype == core::DType::bf16) return store(core::BFloat16());
  store(core::Float16());
}

void StripDriver::store_lse(const Strip& strip, const StripStatistics& statistics) const {
  for (Index r = 0; r < rows(strip); ++r) {
    const float sum = statistics.sum[r];
    params_.lse(strip.batch, strip.head, strip.first_row + r) =
        sum == 0 ? std::numeric_limits<float>::infinity()
                 : (statistics.max[r] + std::log2(sum)) * std::numbers::ln2_v<float>;
  }
}

void StripDriver::finish(const Strip& strip, const float* acc,
                         const StripStatistics& statistics) const {
  for (Index r = 0; r < rows(strip); ++r) {
    const float sum = statistics.sum[r];
    store_row(strip, strip.first_row + r, sum == 0 ? 0.0f : 1.0f / sum,
              acc + r * shape().row_values());
  }
  store_lse(strip, statistics);
}

}  // namespace ashlar::flashattention2
