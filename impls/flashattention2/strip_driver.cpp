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

std::optional<std::string> strips_unsupported(const AttentionParams& params,
                                              const Features& features) {
  const core::DType dtype = params.q.dtype;
  if (dtype == core::DType::f32 || dtype == core::DType::bf16 || dtype == core::DType::f16) {
    return beyond(params, features);
  }
  return "storage type " + std::string(core::name_of(dtype)) + " is not f32, bf16 or f16";
}

StripDriver::StripDriver(const AttentionParams& params, const StripKernels& kernels,
                         const PackedKeysValues& packed, bool skip_masked)
    : params_(params),
      kernels_(kernels),
      features_(strip_features(kernels)),
      packed_(packed),
      skip_masked_(skip_masked),
      group_(params.group()),
      // What tanh leaves is in units of the cap.
      to_log2_((params.softcap > 0 ? params.softcap : params.scale) * std::numbers::log2e_v<float>),
      cap_factor_(params.softcap > 0 ? params.scale / params.softcap : 0.0f),
      keep_factor_(params.dropout.active() ? DropoutMask(params.dropout, 0).keep_factor() : 1.0f) {}

Index StripDriver::rows(const Strip& strip) const {
  return std::min<Index>(kStripRows, strip.sequence.seqlen_q - strip.first_row);
}

void StripDriver::load_queries(const Strip& strip, std::uint32_t* queries) const {
  pack_query_strip(params_.q, strip.sequence, strip.head, strip.first_row, shape(), queries);
}

View StripDriver::view(const Strip& strip, Index begin, Index end) const {
  const Mask<Index> mask = params_.mask(strip.sequence);
  const auto columns = [&](Index row) {
    const Range<Index> all = mask.columns(std::min(row, strip.sequence.seqlen_q - 1));
    return Range<Index>{clamp_to(all.begin, begin, end), clamp_to(all.end, begin, end)};
  };
  // Ends of rows never decrease, so what any row sees lies between these two.
  Range<Index> hull{columns(strip.first_row).begin, columns(strip.first_row + kStripRows - 1).end};
  if (!skip_masked_) hull = {begin, end};
  View view;
  if (hull.begin >= hull.end) return view;
  const Index panel = shape().key_panel;
  view.begin = begin + (hull.begin - begin) / panel * panel;
  view.keys = {(hull.begin - view.begin) / shape().step * shape().step, hull.end - view.begin};
  view.computed = divide_up(view.keys.end, panel) * panel;
  for (Index r = 0; r < kStripRows; ++r) {
    const Range<Index> seen = columns(strip.first_row + r);
    if (!seen.empty()) view.visible[r] = {seen.begin - view.begin, seen.end - view.begin};
  }
  return view;
}

void StripDriver::score(const Strip& strip, const View& view, const std::uint32_t* queries,
                        StripScratch& scratch) const {
  kernels_.scores(queries, packed_.keys(strip.sequence, head_kv(strip), view.begin),
                  shape().depth_words, view.computed / shape().key_panel, scratch);
  if (cap_factor_ > 0) features_.softcap(scratch, cap_factor_, view.computed);
}

void StripDriver::row_max(const View& view, const StripScratch& scratch, float* tops) const {
  kernels_.row_max(scratch, view.computed, view.visible, tops);
  for (Index r = 0; r < kStripRows; ++r) tops[r] *= to_log2_;
}

bool StripDriver::softmax(const View& view, StripScratch& scratch,
                          StripStatistics& statistics) const {
  return kernels_.softmax(scratch, to_log2_, view.computed, view.keys.end, view.visible,
                          statistics);
}

void StripDriver::drop(const Strip& strip, const View& view, StripScratch& scratch) const {
  if (!params_.dropout.active()) return;
  const auto drop = shape().step == 2 ? features_.drop_pairs : features_.drop_floats;
  drop(scratch, params_.dropout_mask(strip.sequence, strip.head), strip.first_row, view.begin,
       view.keys);
}

void StripDriver::accumulate(const Strip& strip, const View& view, const StripScratch& scratch,
                             Join join, float* acc) const {
  const Index first_key = view.begin + view.keys.begin;
  for (Index panel = 0; panel < shape().value_panels; ++panel) {
    const Index first = shape().panel_begin(panel);
    kernels_.accumulate(scratch, packed_.values(strip.sequence, head_kv(strip), panel, first_key),
                        view.keys, shape().panel_begin(panel + 1) - first, join,
                        acc + first * shape().lanes, shape().row_values());
  }
}

Join StripDriver::weigh(const Strip& strip, const View& view, const std::uint32_t* queries,
                        StripScratch& scratch, StripStatistics& statistics) const {
  score(strip, view, queries, scratch);
  const bool rescale = softmax(view, scratch, statistics);
  drop(strip, view, scratch);
  return rescale ? Join::rescale : Join::add;
}

void StripDriver::store_row(const Strip& strip, Index row, float factor, const float* acc) const {
  factor *= keep_factor_;
  const auto store = [&]<class T>(T) {
    T* out =
        &params_.out.as<T>()(strip.sequence.batch, strip.sequence.first_q + row, strip.head, 0);
    for (Index i = 0; i < params_.head_dim(); ++i) out[i] = core::from_float<T>(acc[i] * factor);
  };
  if (params_.out.dtype == core::DType::f32) return store(float());
  if (params_.out.dtype == core::DType::bf16) return store(core::BFloat16());
  store(core::Float16());
}

void StripDriver::store_lse(const Strip& strip, const StripStatistics& statistics) const {
  for (Index r = 0; r < rows(strip); ++r) {
    const float sum = statistics.sum[r];
    params_.lse(strip.sequence.batch, strip.head, strip.sequence.first_q + strip.first_row + r) =
        sum == 0 ? std::numeric_limits<float>::infinity()
                 : (statistics.max[r] + std::log2(sum)) * std::numbers::ln2_v<float>;
  }
}

void StripDriver::finish(const Strip& strip, const float* acc, const StripStatistics& statistics,
                         bool normalised) const {
  for (Index r = 0; r < rows(strip); ++r) {
    const float sum = statistics.sum[r];
    const float factor = sum == 0 ? 0.0f : normalised ? 1.0f : 1.0f / sum;
    store_row(strip, strip.first_row + r, factor, acc + r * shape().row_values());
  }
  store_lse(strip, statistics);
}

}  // namespace ashlar::flashattention2
