#include "impls/flashattention2/backward.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "impls/core/random.hpp"
#include "impls/flashattention2/test_problem.hpp"

namespace ashlar::flashattention2 {
namespace {

using core::DType;
using testing::Problem;
using testing::read;
using testing::Shape;

/// A problem with gradients: out and lse are the reference's, rounded.
class Gradients {
 public:
  explicit Gradients(const Shape& shape)
      : problem(shape),
        dout(shape.dtype, problem.q.shape()),
        dq(shape.dtype, problem.q.shape()),
        dk(shape.dtype, problem.k.shape()),
        dv(shape.dtype, problem.k.shape()),
        params(problem.params()) {
    core::fill_normal(dout.any(), 1, 3);
    params.dout = dout.any();
    params.dq = dq.any();
    params.dk = dk.any();
    params.dv = dv.any();
  }
  void forward() { reference_forward(params); }
  void poison() {
    for (core::Tensor<4>* one : {&dq, &dk, &dv}) {
      testing::assign(one->any(), [](Index, Index, Index, Index) {
        return std::numeric_limits<double>::quiet_NaN();
      });
    }
  }
  void backward(const BackwardOptions& options = {}) {
    poison();
    BackwardWorkspace workspace(params, options);
    optimized_backward(params, workspace);
  }

  Problem problem;
  core::Tensor<4> dout, dq, dk, dv;
  AttentionParams params;
};

std::vector<std::uint8_t> bytes_of(const core::Tensor<4>& tensor) {
  std::vector<std::uint8_t> bytes(tensor.bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), tensor.data(), bytes.size());
  return bytes;
}

/// The largest errors of dq, dk and dv over what their storage type allows: 1 passes.
struct Errors {
  double dq = 0;
  double dk = 0;
  double dv = 0;
  bool pass() const { return dq <= 1 && dk <= 1 && dv <= 1; }
};

/// One unit of error: in float, a product <dout, v> of 128 terms of size 1 is about 11 and its
/// rounding a few times 6e-8 of that, which a key of size 4 multiplies. In 16 bits, the answer's
/// rounding (2^-9 or 2^-12), and with bfloat16 kernels that of weights and score gradients.
double unit_of(DType dtype) {
  if (dtype == DType::f32) return 1e-5;
  return dtype == DType::bf16 ? 0x1p-7 : 0x1p-10;
}

class Worst {
 public:
  explicit Worst(DType dtype) : unit_(unit_of(dtype)) {}
  void add(double actual, double expected) {
    largest_ = std::max(largest_, std::abs(expected));
    error_ = std::max(error_, testing::distance(actual, expected));
  }
  double over_unit() const { return error_ / (unit_ * std::max(1.0, largest_)); }

 private:
  double unit_;
  double largest_ = 0;
  double error_ = 0;
};

/// Against the definition in double precision, from the same out and lse.
Errors errors_of(const AttentionParams& actual, const AttentionParams& definition) {
  Worst dq(actual.q.dtype), dk(actual.q.dtype), dv(actual.q.dtype);
  for (Index id = 0; id < actual.sequences(); ++id) {
    const Sequence sequence = actual.sequence(id);
    const RowStatistics statistics = given_statistics(definition, id);
    for (Index head = 0; head < actual.heads_q(); ++head) {
      for (Index row = 0; row < sequence.seqlen_q; ++row) {
        const auto wanted = reference_query_gradient(definition, statistics, id, head, row);
        for (Index i = 0; i < actual.head_dim(); ++i) {
          dq.add(read(actual.dq, sequence.batch, sequence.first_q + row, head, i),
                 wanted[static_cast<std::size_t>(i)]);
        }
      }
    }
    for (Index head = 0; head < actual.heads_kv(); ++head) {
      for (Index column = 0; column < sequence.seqlen_k; ++column) {
        const auto wanted = reference_key_gradient(definition, statistics, id, head, column);
        for (Index i = 0; i < actual.head_dim(); ++i) {
          const auto at = static_cast<std::size_t>(i);
          dk.add(read(actual.dk, sequence.batch, sequence.first_k + column, head, i),
                 wanted.dk[at]);
          dv.add(read(actual.dv, sequence.batch, sequence.first_k + column, head, i),
                 wanted.dv[at]);
        }
      }
    }
  }
  return {dq.over_unit(), dk.over_unit(), dv.over_unit()};
}

void check(Gradients& gradients, const BackwardOptions& options) {
  gradients.backward(options);
  const Errors errors = errors_of(gradients.params, gradients.params);
  CHECK(errors.dq <= 1);
  CHECK(errors.dk <= 1);
  CHECK(errors.dv <= 1);
}

/// Calls body(dtype, isa) for every pair that runs here.
template <class Body>
void for_every_path(const Body& body) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const core::Isa isa : optimized_backward_isas(dtype)) {
      INFO(name_of(dtype) << " on " << name_of(isa));
      body(dtype, isa);
    }
  }
}

struct Lengths {
  Index q, k;
};

constexpr Lengths kLengths[] = {{1, 1},   {7, 7}, {1, 65}, {63, 129}, {65, 63},  {129, 257},
                                {257, 7}, {5, 2}, {64, 0}, {0, 7},    {100, 210}};

}  // namespace

TEST_CASE("the optimized backward pass agrees with double precision on odd shapes", "[backward]") {
  const bool causal = GENERATE(false, true);
  for (const Lengths& lengths : kLengths) {
    for_every_path([&](DType dtype, core::Isa isa) {
      INFO(lengths.q << " x " << lengths.k << " causal " << causal);
      Gradients gradients({.seqlen_q = lengths.q,
                           .seqlen_k = lengths.k,
                           .head_dim = 24,
                           .causal = causal,
                           .dtype = dtype});
      gradients.forward();
      check(gradients, {.isa = isa});
    });
  }
}

TEST_CASE("the optimized backward pass takes any head_dim", "[backward]") {
  const Index head_dim = GENERATE(1, 8, 15, 40, 59, 64, 80, 111, 128, 192);
  for_every_path([&](DType dtype, core::Isa isa) {
    INFO("head_dim " << head_dim);
    Gradients gradients(
        {.seqlen_q = 29, .seqlen_k = 71, .head_dim = head_dim, .causal = true, .dtype = dtype});
    gradients.forward();
    check(gradients, {.isa = isa});
  });
}

TEST_CASE("blocks of rows and keys, also ragged ones, meet at their borders", "[backward]") {
  const Index row_block = GENERATE(6, 48, 102);
  const Index key_block = GENERATE(48, 96, 240);
  for_every_path([&](DType dtype, core::Isa isa) {
    for (const Lengths lengths : {Lengths{145, 250}, Lengths{203, 97}}) {
      INFO(lengths.q << " x " << lengths.k << ", blocks " << row_block << " x " << key_block);
      Gradients gradients({.seqlen_q = lengths.q,
                           .seqlen_k = lengths.k,
                           .head_dim = 16,
                           .causal = true,
                           .dtype = dtype});
      gradients.forward();
      check(gradients, {.row_block = row_block, .key_block = key_block, .isa = isa});
    }
  });
}

TEST_CASE("gradients with batches, grouped heads and every feature", "[backward]") {
  const Index heads_kv = GENERATE(1, 2, 6);
  const int feature = GENERATE(0, 1, 2, 3, 4);
  for_every_path([&](DType dtype, core::Isa isa) {
    INFO("kv heads " << heads_kv << ", feature " << feature);
    Gradients gradients({.seqlen_q = 67,
                         .seqlen_k = 113,
                         .head_dim = 40,
                         .causal = feature == 1,
                         .dtype = dtype,
                         .batch = 2,
                         .heads_q = 6,
                         .heads_kv = heads_kv});
    if (feature == 1) gradients.params.window = {9, -1};
    if (feature == 2) gradients.params.window = {3, 12};
    if (feature == 3) gradients.params.softcap = 1.5f;
    if (feature == 4) gradients.params.dropout = {.probability = 0.4f, .seed = 5, .offset = 2};
    gradients.params.deterministic = feature % 2 == 0;
    gradients.forward();
    check(gradients, {.threads = 2, .key_block = 48, .isa = isa});
  });
}

TEST_CASE("packed sequences, empty ones too, keep their gradients apart", "[backward]") {
  const std::vector<std::int32_t> rows{0, 5, 5, 68, 68, 80, 97};
  const std::vector<std::int32_t> keys{0, 60, 67, 67, 67, 79, 140};
  const bool causal = GENERATE(false, true);
  const bool deterministic = GENERATE(false, true);
  for_every_path([&](DType dtype, core::Isa isa) {
    Gradients gradients({.seqlen_q = rows.back(),
                         .seqlen_k = keys.back(),
                         .head_dim = 24,
                         .causal = causal,
                         .dtype = dtype,
                         .heads_q = 2});
    gradients.params.cu_seqlens_q = rows;
    gradients.params.cu_seqlens_k = keys;
    gradients.params.deterministic = deterministic;
    gradients.forward();
    check(gradients, {.threads = 2, .row_block = 24, .key_block = 48, .isa = isa});
  });
}

TEST_CASE("rows that see nothing add nothing, whatever stands in them", "[backward]") {
  for_every_path([&](DType dtype, core::Isa isa) {
    // Causal with fewer keys than queries: the first 60 rows see no key.
    Gradients gradients(
        {.seqlen_q = 101, .seqlen_k = 41, .head_dim = 24, .causal = true, .dtype = dtype});
    gradients.forward();
    gradients.backward({.isa = isa});
    const auto dk = bytes_of(gradients.dk);
    const auto dv = bytes_of(gradients.dv);
    for (Index row = 0; row < 60; ++row) {
      for (Index i = 0; i < 24; ++i) {
        CHECK(read(gradients.params.dq, 0, row, 0, i) == 0);
        testing::write(gradients.dout.any(), 0, row, 0, i,
                       std::numeric_limits<double>::quiet_NaN());
      }
    }
    gradients.backward({.isa = isa});
    CHECK(bytes_of(gradients.dk) == dk);
    CHECK(bytes_of(gradients.dv) == dv);
  });
}

TEST_CASE("gradients do not hang on the number of threads", "[backward]") {
  const bool causal = GENERATE(false, true);
  const bool deterministic = GENERATE(false, true);
  for_every_path([&](DType dtype, core::Isa isa) {
    Gradients gradients({.seqlen_q = 250,
                         .seqlen_k = 500,
                         .head_dim = 24,
                         .causal = causal,
                         .dtype = dtype,
                         .heads_q = 2});
    gradients.params.deterministic = deterministic;
    gradients.forward();
    gradients.backward({.threads = 1, .key_block = 48, .isa = isa});
    const auto dq = bytes_of(gradients.dq);
    const auto dk = bytes_of(gradients.dk);
    const auto dv = bytes_of(gradients.dv);
    for (const int threads : {2, 3, 8}) {
      for (int repeat = 0; repeat < 3; ++repeat) {
        gradients.backward({.threads = threads, .key_block = 48, .isa = isa});
        if (deterministic) CHECK(bytes_of(gradients.dq) == dq);
        CHECK(bytes_of(gradients.dk) == dk);
        CHECK(bytes_of(gradients.dv) == dv);
      }
    }
    // Nor do dk and dv on how keys are divided.
    gradients.backward({.threads = 2, .key_block = 144, .isa = isa});
    CHECK(bytes_of(gradients.dk) == dk);
    CHECK(bytes_of(gradients.dv) == dv);
  });
}

TEST_CASE("a workspace serves many calls, whatever the one before left in it", "[backward]") {
  for_every_path([&](DType dtype, core::Isa isa) {
    Gradients gradients({.seqlen_q = 130, .seqlen_k = 130, .head_dim = 16, .dtype = dtype});
    gradients.params.deterministic = true;
    gradients.forward();
    BackwardWorkspace workspace(gradients.params, {.threads = 2, .key_block = 48, .isa = isa});
    optimized_backward(gradients.params, workspace);
    // A narrow window touches few of the tiles that the first call has filled.
    gradients.params.window = {2, 2};
    gradients.forward();
    gradients.poison();
    optimized_backward(gradients.params, workspace);
    CHECK(errors_of(gradients.params, gradients.params).pass());
  });
}

TEST_CASE("what the yardstick of gradients must not let through", "[backward]") {
  for_every_path([&](DType dtype, core::Isa isa) {
    Gradients gradients({.seqlen_q = 70, .seqlen_k = 70, .head_dim = 24, .dtype = dtype});
    gradients.params.window = {20, 0};
    gradients.forward();
    gradients.backward({.isa = isa});
    const Errors right = errors_of(gradients.params, gradients.params);
    CHECK(right.pass());
    AttentionParams wider = gradients.params;
    wider.window.left = 21;  // one column more per row
    CHECK(errors_of(gradients.params, wider).dq > 4);
    AttentionParams scaled = gradients.params;
    scaled.scale *= 1.03f;
    CHECK_FALSE(errors_of(gradients.params, scaled).pass());
    AttentionParams capped = gradients.params;
    capped.softcap = 3.0f;
    CHECK_FALSE(errors_of(gradients.params, capped).pass());
    AttentionParams dropped = gradients.params;
    dropped.dropout.probability = 0.1f;
    CHECK_FALSE(errors_of(gradients.params, dropped).pass());
  });
}

TEST_CASE("the optimized backward pass refuses what it cannot take", "[backward]") {
  Gradients gradients({.seqlen_q = 9, .seqlen_k = 9, .head_dim = 8});
  gradients.forward();
  BackwardWorkspace workspace(gradients.params);
  CHECK(workspace.bytes() > 0);
  CHECK(optimized_backward_unsupported(gradients.params) == std::nullopt);

  Gradients longer({.seqlen_q = 10, .seqlen_k = 9, .head_dim = 8});
  CHECK_THROWS_AS(optimized_backward(longer.params, workspace), std::invalid_argument);
  AttentionParams deterministic = gradients.params;
  deterministic.deterministic = true;
  CHECK_THROWS_AS(optimized_backward(deterministic, workspace), std::invalid_argument);
  CHECK_THROWS_AS(BackwardWorkspace(gradients.params, {.key_block = -1}), std::invalid_argument);

  Gradients wide({.seqlen_q = 9, .seqlen_k = 9, .head_dim = 8, .dtype = DType::f64});
  CHECK(optimized_backward_unsupported(wide.params) == "storage type f64 is not f32, bf16 or f16");
  CHECK_THROWS_AS(BackwardWorkspace(wide.params), std::invalid_argument);
}

}  // namespace ashlar::flashattention2
