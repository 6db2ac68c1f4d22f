// Experiment "decode": one new token per sequence against a long cache of keys and values. Every
// byte of the cache is read once, so the floor is memory bandwidth.
#include "impls/flashattention2/decode.hpp"

#include <algorithm>
#include <cmath>

#include "baselines/flashattention2/cudnn_attention.hpp"
#include "baselines/flashattention2/naive.hpp"
#include "impls/flashattention2/cuda.hpp"
#include "impls/flashattention2/cuda_decode.hpp"
#include "suites/flashattention2/experiments.hpp"
#include "suites/flashattention2/oracle.hpp"
#include "suites/flashattention2/passes.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Device;
using model::Mode;
using model::Point;
using model::Tier;

AttentionProblem make_decode_problem(const Point& point, std::uint64_t seed) {
  const Index heads_kv = point.integer("heads_kv");
  const ProblemShape shape{dtype_named(point.word("dtype")),
                           1,
                           1,
                           point.integer("seqlen_k"),
                           heads_kv * point.integer("group"),
                           heads_kv,
                           point.integer("head_dim")};
  return make_problem(shape, Inputs::normal, seed);
}

model::Work decode_work(const Point& point) {
  const double heads_kv = point.number("heads_kv");
  const double heads_q = heads_kv * point.number("group");
  const double keys = point.number("seqlen_k");
  const double head_dim = point.number("head_dim");
  const bool single = point.word("dtype") == "f32";
  model::Work work;
  work.flops = 4 * heads_q * keys * head_dim;
  work.bytes = (2 * heads_kv * keys + 2 * heads_q) * head_dim * (single ? 4 : 2) + 4 * heads_q;
  work.precision = single ? "f32" : "bf16";
  return work;
}

/// Averages of n normal values shrink like the root of n, and what a plain sum in float loses grows
/// like it: relative to its answer, an implementation that adds key after key is off by so much
/// more than in the 1024 to 16384 tokens of the other experiments.
model::Tolerances decode_tolerance(const Point& point) {
  model::Tolerances tolerances = attention_tolerance(point);
  if (point.word("dtype") == "f32") {
    tolerances["out"].relative_l2 *= std::max(1.0, std::sqrt(point.number("seqlen_k") / 1024));
  }
  return tolerances;
}

template <int Splits>
class Decode : public WithWorkspace<DecodeWorkspace, DecodeOptions, decode_forward> {
 public:
  explicit Decode(const AttentionParams& params) : WithWorkspace(params, {.splits = Splits}) {}
};

/// Keys in so many splits on a GPU; 0: by the device. With one, each K/V head has one block of
/// threads, however many multiprocessors that leaves idle.
template <int Splits>
class DeviceDecode : public CudaDecode {
 public:
  explicit DeviceDecode(const AttentionParams& host) : CudaDecode(host, Splits) {}
};
template <int Splits>
std::size_t device_decode_bytes(const AttentionParams& params) {
  return cuda_decode_workspace_bytes(params, Splits);
}

}  // namespace

void declare_decode(model::Suite& suite) {
  auto decode = suite.experiment<AttentionProblem, AttentionAnswer>("decode");
  decode.about("one query row against a cache of keys and values")
      .axis("seqlen_k", {4096, 16384, 65536}, "keys")
      .in(Mode::quick, {2048})
      .in(Mode::gpu, {4096, 16384, 65536})
      .axis("heads_kv", {1, 8})
      .in(Mode::gpu, {8})
      .axis("group", {1, 8}, "query heads per key head")
      .in(Mode::quick, {8})
      .axis("head_dim", {64, 128})
      .in(Mode::quick, {128})
      .axis("dtype", {"f32", "bf16"})
      .in(Mode::gpu, {"f16", "bf16"})
      .problem(make_decode_problem)
      .inputs(attention_inputs)
      .work(decode_work)
      .oracle("rows in double precision", attention_rows_in_double, decode_tolerance)
      .yardstick(attention_rows_in_storage_precision)
      .invariant("rows are convex combinations of values", rows_are_convex)
      .add(Tier::optimized, "flash-decode", forward_method<Decode<0>>(decode_unsupported),
           {.about = "keys and values streamed once, split among threads, joined by lse"})
      .add(Tier::optimized, "flash-decode-one-split", forward_method<Decode<1>>(decode_unsupported),
           {.about = "the same without splitting keys: parallel over heads only"})
      .add(Tier::optimized, "flash", forward_method<Flash<0>>(optimized_unsupported),
           {.about = "the forward pass for many rows, which packs keys and values first"})
      .add(Tier::naive, "naive",
           forward_method<baselines::NaiveForward>(baselines::naive_unsupported),
           {.about = "three scalar loops, one thread",
            .most_flops_quick = 1.4e8,
            .most_flops = 1.1e9,
            .threads = 1})
      .add(Tier::cuda, "flash-decode-mma",
           forward_device_method<DeviceDecode<0>>(cuda_decode_unsupported, device_decode_bytes<0>),
           {.about = "tensor cores, keys split over thread blocks and warps, joined by lse",
            .device = Device::cuda})
      .add(Tier::cuda, "flash-decode-mma-one-split",
           forward_device_method<DeviceDecode<1>>(cuda_decode_unsupported, device_decode_bytes<1>),
           {.about = "the same without splitting keys over thread blocks", .device = Device::cuda})
      .add(Tier::cuda, "flash-mma",
           forward_device_method<CudaForward>(cuda_unsupported, no_workspace),
           {.about = "the forward pass for many rows", .device = Device::cuda});
  decode.add(Tier::peer, "cudnn",
             forward_device_method<baselines::CudnnForward>(baselines::cudnn_unsupported,
                                                            baselines::cudnn_workspace_bytes),
             {.about = "cuDNN's fused attention", .device = Device::cuda});
  add_torch_cuda(decode, "forward");
  decode.control("scale-forgotten", scale_forgotten)
      .control("mask-off-by-one", mask_off_by_one)
      .baselines({"naive", "flash"})
      .figure({"time",
               "time",
               "seqlen_k",
               {"dtype", "head_dim", "heads_kv", "group"},
               {},
               "One query row against a cache"});
}

}  // namespace ashlar::flashattention2::suite
