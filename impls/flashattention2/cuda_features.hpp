#pragma once
// What the tensor-core kernels of both passes and of decoding have in common beside tensors: which
// features are compiled in, those chosen at run time, and where one sequence lies. Compiled for the
// GPU and tested on a CPU.
#include <cstdint>

#include "impls/core/cuda/host_device.hpp"
#include "impls/flashattention2/dropout.hpp"
#include "impls/flashattention2/mask.hpp"

namespace ashlar::flashattention2::kernel {

/// What is compiled in. `general` has windows, softcap, dropout and packed sequences, all chosen at
/// run time; the others have none, and no code for them.
enum class PassKind { full, causal, general };

/// Of PassKind::general.
struct FeatureArguments {
  int window_left = -1;
  int window_right = -1;
  float cap_factor = 0;  // scale / softcap; 0: no softcap
  float cap_log2 = 0;    // softcap * log2(e)
  Dropout dropout;
  const std::int32_t* cu_seqlens_q = nullptr;  // null: not packed
  const std::int32_t* cu_seqlens_k = nullptr;

  ASHLAR_HOST_DEVICE constexpr bool packed() const { return cu_seqlens_q != nullptr; }
};

/// Where one sequence lies in the tensors.
struct SequencePlace {
  int id = 0;
  int batch = 0;
  int first_q = 0;
  int seqlen_q = 0;
  int first_k = 0;
  int seqlen_k = 0;
};

/// Lengths are those of every sequence, unless packed.
template <PassKind Kind>
ASHLAR_HOST_DEVICE SequencePlace sequence_place(const FeatureArguments& features, int id,
                                                int seqlen_q, int seqlen_k) {
  if constexpr (Kind == PassKind::general) {
    if (features.packed()) {
      const int first_q = features.cu_seqlens_q[id];
      const int first_k = features.cu_seqlens_k[id];
      return {id,      0,
              first_q, features.cu_seqlens_q[id + 1] - first_q,
              first_k, features.cu_seqlens_k[id + 1] - first_k};
    }
  }
  return {id, id, 0, seqlen_q, 0, seqlen_k};
}

template <PassKind Kind>
ASHLAR_HOST_DEVICE Mask<int> mask_of(const FeatureArguments& features,
                                     const SequencePlace& sequence) {
  if constexpr (Kind == PassKind::general) {
    return {sequence.seqlen_q, sequence.seqlen_k, features.window_left, features.window_right};
  }
  return {sequence.seqlen_q, sequence.seqlen_k, -1, Kind == PassKind::causal ? 0 : -1};
}

}  // namespace ashlar::flashattention2::kernel
