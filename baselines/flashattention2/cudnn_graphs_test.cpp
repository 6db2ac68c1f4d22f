// cuDNN's graphs where no device is needed: cuDNN itself says for a described H100 which of its
// engines take them. Without the library the cases that need it print why and pass. Engines want a
// driver's library to be there, if only the toolkit's stand-in, which the test's environment names.
#include <catch2/catch.hpp>

#include <dlfcn.h>

#include <cmath>
#include <iostream>

#include "baselines/flashattention2/cudnn_attention.hpp"
#include "baselines/flashattention2/cudnn_attention_graph.hpp"
#include "impls/core/cuda/device.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2::baselines::cudnn {
namespace {

using testing::Problem;
using testing::Shape;

const std::string kH100 = R"({"deviceName": "NVIDIA H100 80GB HBM3", "cudaDeviceId": 0,
  "deviceVer": 900, "driverVer": 13000, "maxGridSize": [2147483647, 65535, 65535],
  "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "multiProcessorCount": 132,
  "smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "l2CacheSize": 52428800, "warpSize": 32,
  "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
  "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "pciDeviceId": 0,
  "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "isTccDriver": 0,
  "supportCoopLaunch": 1, "totalGlobalMem": 85000000000})";

bool no_library() {
  if (missing()) std::cout << "skipped: " << *missing() << "\n";
  return missing().has_value();
}

bool no_engines() {
  if (no_library()) return true;
  static void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) std::cout << "skipped: not even a stand-in for the driver\n";
  return driver == nullptr;
}

std::size_t engines(Graph graph) {
  const Descriptor device = described_device(kH100);
  return engine_configurations(graph.finish(), Heuristics::a, &device).size();
}

/// Negative control: two products with something else than a softmax in between.
Graph without_softmax() {
  Graph graph;
  constexpr Extents kRows = {2, 4, 128, 64};
  constexpr Extents kTurned = {2, 4, 64, 128};
  constexpr Extents kSquare = {2, 4, 128, 128};
  const Tensor queries = graph.stored(1, Type::f16, kRows, packed(kRows));
  const Tensor keys = graph.stored(2, Type::f16, kTurned, {4 * 8192, 8192, 1, 64});
  const Tensor values = graph.stored(3, Type::f16, kRows, packed(kRows));
  const Tensor out = graph.stored(4, Type::f16, kRows, packed(kRows));
  const Tensor scores = graph.between(kSquare);
  const Tensor weights = graph.between(Type::f16, kSquare, packed(kSquare));
  graph.matmul(queries, keys, scores);
  graph.pointwise(Pointwise::logarithm, scores, weights);
  graph.matmul(weights, values, out);
  return graph;
}

AttentionParams before_outputs(AttentionParams params) {
  for (core::AnyView<4>* output : {&params.out, &params.dq, &params.dk, &params.dv}) *output = {};
  params.lse = {};
  return params;
}

/// Shapes without data, which is all that a graph is made of.
AttentionParams shapes_of(const Shape& shape) {
  AttentionParams params;
  params.q = core::ConstAnyView<4>(nullptr, shape.dtype,
                                   {shape.batch, shape.seqlen_q, shape.heads_q, shape.head_dim});
  params.k = params.v = core::ConstAnyView<4>(
      nullptr, shape.dtype, {shape.batch, shape.seqlen_k, shape.heads_kv, shape.head_dim});
  params.causal = shape.causal;
  return params;
}

std::string reason_of(const AttentionParams& params) {
  return gradient_shape_unsupported(params).value_or("");
}

}  // namespace

TEST_CASE("a missing cuDNN is said, and a device that is not there") {
  Problem problem({8, 8, 64, false, core::DType::f16});
  const core::cuda::DeviceStatus& device = core::cuda::device_status();
  for (const auto unsupported :
       {cudnn_unsupported, cudnn_backward_unsupported, cudnn_both_unsupported}) {
    const auto reason = unsupported(problem.params());
    if (!device.available) CHECK(reason == device.reason);
    if (device.available && missing()) CHECK(reason == missing());
  }
  const std::string text = missing().value_or("no cuDNN: none");
  CHECK((text.rfind("no cuDNN: ", 0) == 0 || text.find("is older than 9.10") != std::string::npos));
}

TEST_CASE("what the graphs lack has a reason") {
  CHECK(reason_of(Problem({8, 8, 64, true, core::DType::bf16, 2, 4, 2}).params()).empty());
  CHECK(reason_of(Problem({8, 8, 64, true, core::DType::f32}).params()) == "element type f32");
  CHECK(reason_of(Problem({8, 9, 64, true, core::DType::f16}).params()) ==
        "a causal mask of unequal lengths is aligned to the top left");
  CHECK(reason_of(Problem({8, 9, 64, false, core::DType::f16}).params()).empty());
  CHECK(reason_of(Problem({8, 8, 36, false, core::DType::f16}).params()) ==
        "a head size that is no multiple of 8");
  CHECK(reason_of(Problem({8, 0, 64, false, core::DType::f16}).params()) == "no rows or no keys");
  Problem problem({8, 8, 64, false, core::DType::f16, 1, 2, 2});
  AttentionParams params = problem.params();
  params.dk.strides[1] = 132;
  CHECK(reason_of(params) ==
        "a stride of a gradient that is no multiple of 8 elements, or below the head size");
  params = problem.params();
  params.softcap = 2;
  CHECK(reason_of(params).find("softcap") != std::string::npos);
}

TEST_CASE("a plan is the same before its outputs are there, and another for another layout") {
  Problem problem({16, 24, 64, false, core::DType::f16, 2, 4, 2});
  const AttentionParams params = problem.params();
  CHECK(layout_key(params, true) == layout_key(before_outputs(params), true));
  CHECK(layout_key(params, true) != layout_key(params, false));
  AttentionParams other = params;
  other.dq.strides[0] *= 2;
  CHECK(layout_key(params, true) != layout_key(other, true));
  CHECK(layout_key(params, false) == layout_key(other, false));
  other = params;
  other.causal = true;
  CHECK(layout_key(params, false) != layout_key(other, false));
}

TEST_CASE("errors say what cuDNN says") {
  if (no_library()) return;
  CHECK_THROWS_WITH(described_device("{}"),
                    Catch::Contains("cuDNN, finalizing: ") && Catch::Contains("maxGridSize"));
  Graph graph;
  CHECK_THROWS_WITH(graph.stored(1, Type::f16, {1, -1, 4, 4}, {16, 16, 4, 1}),
                    Catch::Contains("CUDNN_STATUS_"));
}

TEST_CASE("engines of an H100 take the graphs of both passes") {
  if (no_engines()) return;
  for (const core::DType dtype : {core::DType::f16, core::DType::bf16}) {
    for (const Index head_dim : {64, 128}) {
      for (const bool causal : {false, true}) {
        for (const Index heads_kv : {16, 4, 1}) {
          for (const Index seqlen : {77, 1000, 4096}) {
            const Shape shape{seqlen, seqlen, head_dim, causal, dtype, 1, 16, heads_kv};
            INFO(testing::describe(shape));
            CHECK(engines(forward_graph(shapes_of(shape))) > 0);
            CHECK(engines(backward_graph(shapes_of(shape))) > 0);
          }
        }
      }
    }
  }
  CHECK(engines(forward_graph(shapes_of({1, 4096, 128, false, core::DType::f16, 2, 64, 8}))) > 0);
  Problem there({64, 64, 64, true, core::DType::f16, 2, 4, 2});
  CHECK(engines(backward_graph(there.params())) > 0);
  CHECK(engines(without_softmax()) == 0);
}

}  // namespace ashlar::flashattention2::baselines::cudnn
