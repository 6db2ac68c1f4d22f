// Negative controls of the shared checks: attention that is broken in one way each must be
// rejected, and sound attention of an independent kind accepted.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "impls/flashattention2/test_gradient_yardstick.hpp"

namespace ashlar::flashattention2::testing {
namespace {

const std::vector<core::DType> kTypes{core::DType::f32, core::DType::bf16, core::DType::f16};

Shape masked(core::DType dtype) {
  Shape shape{61, 75, 24, true, dtype, 1, 4, 2};
  shape.window = {40, 0};
  return shape;
}
Shape capped(core::DType dtype) {
  Shape shape = masked(dtype);
  shape.softcap = 1.5f;
  return shape;
}
Shape dropped(core::DType dtype) {
  Shape shape = masked(dtype);
  shape.dropout = {0.3f, 7, 3};
  return shape;
}
Shape packed(core::DType dtype) {
  return packed_shape(masked(dtype), {{30, 40}, {20, 10}, {11, 25}});
}

/// A forward pass that is the reference, asked for something else.
struct ForwardFault {
  std::string name;
  Shape (*shape)(core::DType);
  std::function<void(AttentionParams&)> asked;
  std::function<void(const AttentionParams&)> done = [](const AttentionParams&) {};
};

void scale_out(const AttentionParams& params, double factor) {
  assign(params.out,
         [&](Index a, Index b, Index c, Index d) { return factor * read(params.out, a, b, c, d); });
}

const std::vector<ForwardFault>& forward_faults() {
  static const std::vector<std::int32_t> shifted{0, 41, 50, 75};
  static const auto same = [](AttentionParams&) {};
  static const std::vector<ForwardFault> faults{
      {"scale forgotten", masked, [](AttentionParams& p) { p.scale = 1; }},
      {"mask forgotten", masked, [](AttentionParams& p) { p.causal = false, p.window = {}; }},
      {"causal end one too late", masked,
       [](AttentionParams& p) {
         p.causal = false, p.window = {40, 1};
       }},
      {"window begins one too early", masked, [](AttentionParams& p) { p.window.left = 41; }},
      {"window begins one too late", masked, [](AttentionParams& p) { p.window.left = 39; }},
      {"last key forgotten", masked,
       [](AttentionParams& p) {
         // One key less at the end, and the diagonal where it was.
         p.k = row_slice(p.k, 0, 74);
         p.v = row_slice(p.v, 0, 74);
         p.causal = false;
         p.window = {39, 1};
       }},
      {"softcap forgotten", capped, [](AttentionParams& p) { p.softcap = 0; }},
      {"softcap a tenth off", capped, [](AttentionParams& p) { p.softcap *= 1.1f; }},
      {"dropout forgotten", dropped, [](AttentionParams& p) { p.dropout = {}; }},
      {"dropout of another seed", dropped, [](AttentionParams& p) { ++p.dropout.seed; }},
      {"dropout of another offset", dropped, [](AttentionParams& p) { ++p.dropout.offset; }},
      {"dropout threshold one off", dropped,
       [](AttentionParams& p) { p.dropout.probability += 1.0f / 256; }},
      {"kept weights not scaled up", dropped, same,
       [](const AttentionParams& p) { scale_out(p, keep_threshold(0.3f) / 256.0); }},
      {"sequences of other lengths", packed, [](AttentionParams& p) { p.cu_seqlens_k = shifted; }},
      {"lse in powers of two", masked, same,
       [](const AttentionParams& p) {
         for (Index r = 0; r < 61; ++r) p.lse(0, 1, r) *= 1.442695f;
       }},
      {"one row not written", masked, same,
       [](const AttentionParams& p) {
         for (Index i = 0; i < 24; ++i) write(p.out, 0, 60, 3, i, std::nan(""));
       }},
      {"one element three percent off", masked, same,
       [](const AttentionParams& p) {
         // The largest of its row.
         Index largest = 0;
         for (Index i = 0; i < 24; ++i) {
           const double value = std::abs(read(p.out, 0, 33, 2, i));
           if (value > std::abs(read(p.out, 0, 33, 2, largest))) largest = i;
         }
         write(p.out, 0, 33, 2, largest, 1.03 * read(p.out, 0, 33, 2, largest));
       }},
      {"blind rows of another sequence's end", packed, same,
       [](const AttentionParams& p) { p.lse(0, 0, 30) = 0; }},
  };
  return faults;
}

/// Ways to break a backward pass that no other question to the reference gives.
enum class Fault {
  none,
  no_delta,
  no_scale_of_dq,
  no_scale_of_dk,
  causal_one_late,
  window_one_early,
  no_softcap_slope,
  dropout_seed,
  dropout_not_in_dv,
  dropout_not_in_dp,
  another_kv_head,
  one_head_of_group,
  last_row_forgotten,
  blind_row_nan,
  lse_forgotten,
};

/// Gradients pair by pair in double precision from the given out and lse, rounded at the end.
class PlainGradients {
 public:
  PlainGradients(const AttentionParams& params, Fault fault)
      : params_(params), fault_(fault), sums_(params) {
    if (fault == Fault::dropout_seed) ++params_.dropout.seed;
    for_each_row(params, [&](const Sequence& sequence, Index head, Index row) {
      if (fault_ == Fault::last_row_forgotten && row == sequence.seqlen_q - 1) return;
      if (fault_ == Fault::one_head_of_group && head % 2 == 1) return;
      add_row(sequence, head, row);
    });
    store(sums_.dq, params.dq);
    store(sums_.dk, params.dk);
    store(sums_.dv, params.dv);
  }

 private:
  static void store(const core::Tensor<4>& from, const core::AnyView<4>& to) {
    assign(to, [&](Index a, Index b, Index c, Index d) { return read(from.any(), a, b, c, d); });
  }

  double dot(const core::ConstAnyView<4>& a, Index row_a, Index head_a,
             const core::ConstAnyView<4>& b, Index row_b, Index head_b) const {
    double sum = 0;
    for (Index i = 0; i < params_.head_dim(); ++i) {
      sum += read(a, 0, row_a, head_a, i) * read(b, 0, row_b, head_b, i);
    }
    return sum;
  }

  Range<Index> columns_of(const Sequence& sequence, Index row) const {
    Range<Index> columns = params_.mask(sequence).columns(row);
    if (fault_ == Fault::causal_one_late && !columns.empty()) --columns.end;
    if (fault_ == Fault::window_one_early && columns.begin > 0) --columns.begin;
    return columns;
  }

  void add_row(const Sequence& sequence, Index head, Index row) {
    const Range<Index> columns = columns_of(sequence, row);
    const Index r = sequence.first_q + row;
    const auto dq = sums_.dq.view<double>();
    if (columns.empty() && fault_ == Fault::blind_row_nan) dq(0, r, head, 0) = std::nan("");
    double delta = dot(params_.dout, r, head, core::ConstAnyView<4>(params_.out), r, head);
    if (fault_ == Fault::no_delta) delta = 0;
    Index kv = params_.kv_head(head);
    if (fault_ == Fault::another_kv_head) kv = head % params_.heads_kv();
    for (Index column = columns.begin; column < columns.end; ++column) {
      add_pair(sequence, head, row, kv, column, delta);
    }
  }

  void add_pair(const Sequence& sequence, Index head, Index row, Index kv, Index column,
                double delta) {
    const Index r = sequence.first_q + row;
    const Index c = sequence.first_k + column;
    const auto scale = static_cast<double>(params_.scale);
    const auto cap = static_cast<double>(params_.softcap);
    double score = scale * dot(params_.q, r, head, params_.k, c, kv);
    double slope = 1;
    if (cap > 0) {
      const double curve = std::tanh(score / cap);
      score = cap * curve;
      if (fault_ != Fault::no_softcap_slope) slope = 1 - curve * curve;
    }
    const double lse = static_cast<double>(params_.lse(0, head, r));
    const double p = std::exp(score - (fault_ == Fault::lse_forgotten ? 3 : lse));
    const double factor = dropout_factor(params_, sequence, head, row, column);
    const double dp = dot(params_.dout, r, head, params_.v, c, kv);
    const double ds = p * ((fault_ == Fault::dropout_not_in_dp ? 1 : factor) * dp - delta) * slope;
    const double weight = p * (fault_ == Fault::dropout_not_in_dv ? 1 : factor);
    for (Index i = 0; i < params_.head_dim(); ++i) {
      sums_.dq.view<double>()(0, r, head, i) +=
          (fault_ == Fault::no_scale_of_dq ? 1 : scale) * ds * read(params_.k, 0, c, kv, i);
      sums_.dk.view<double>()(0, c, kv, i) +=
          (fault_ == Fault::no_scale_of_dk ? 1 : scale) * ds * read(params_.q, 0, r, head, i);
      sums_.dv.view<double>()(0, c, kv, i) += weight * read(params_.dout, 0, r, head, i);
    }
  }

  AttentionParams params_;
  Fault fault_;
  Gradients sums_;
};

struct BackwardFault {
  std::string name;
  Shape (*shape)(core::DType);
  Fault fault;
};

const std::vector<BackwardFault>& backward_faults() {
  static const std::vector<BackwardFault> faults{
      {"D forgotten", masked, Fault::no_delta},
      {"scale forgotten in dq", masked, Fault::no_scale_of_dq},
      {"scale forgotten in dk", masked, Fault::no_scale_of_dk},
      {"causal start one off", masked, Fault::causal_one_late},
      {"window start one off", masked, Fault::window_one_early},
      {"derivative of softcap forgotten", capped, Fault::no_softcap_slope},
      {"dropout mask of another seed", dropped, Fault::dropout_seed},
      {"dropout forgotten in dv", dropped, Fault::dropout_not_in_dv},
      {"dropout forgotten in dP", dropped, Fault::dropout_not_in_dp},
      {"heads dealt out one by one", masked, Fault::another_kv_head},
      {"one query head of a group", masked, Fault::one_head_of_group},
      {"last row forgotten", masked, Fault::last_row_forgotten},
      {"NaN in rows that see nothing", packed, Fault::blind_row_nan},
      {"lse forgotten", masked, Fault::lse_forgotten},
  };
  return faults;
}

double worst_of(const GradientJudgement& judgement) {
  return *std::max_element(judgement.off.begin(), judgement.off.end());
}

}  // namespace

TEST_CASE("controls: broken forward passes are rejected", "[controls]") {
  for (const core::DType dtype : kTypes) {
    for (const ForwardFault& fault : forward_faults()) {
      INFO(fault.name << ", " << core::name_of(dtype));
      Problem problem(fault.shape(dtype));
      const Expected expected = expect(problem.params());
      reference_forward(problem.params());
      const Judgement sound = judge(problem.params(), expected);
      CHECK(std::max({sound.out, sound.lse, sound.over_plain}) <= 1);
      AttentionParams asked = problem.params();
      fault.asked(asked);
      reference_forward(asked);
      fault.done(problem.params());
      const Judgement broken = judge(problem.params(), expected);
      CHECK(std::max(broken.out, broken.lse) > 1);
    }
  }
}

TEST_CASE("controls: a forward pass in float whose inputs were rounded to 16 bits is rejected",
          "[controls]") {
  Problem problem(masked(core::DType::f32));
  const Expected expected = expect(problem.params());
  assign(problem.q.any(), [&](Index a, Index b, Index c, Index d) {
    return rounded_to<core::BFloat16>(read(problem.q.any(), a, b, c, d));
  });
  reference_forward(problem.params());
  CHECK(judge(problem.params(), expected).out > 1);
}

TEST_CASE("controls: plain 16-bit attention is just within its own yardstick", "[controls]") {
  // Twice its own error is granted; three times is not.
  for (const core::DType dtype : {core::DType::bf16, core::DType::f16}) {
    Problem problem(masked(dtype));
    const Expected expected = expect(problem.params());
    const auto store = [&](double times) {
      std::size_t at = 0;
      for_each_row(problem.params(), [&](const Sequence& sequence, Index head, Index row) {
        const RowResult& exact = expected.exact[at];
        const PlainRow& plain = expected.plain[at++];
        for (std::size_t i = 0; i < exact.out.size(); ++i) {
          write(problem.out.any(), 0, sequence.first_q + row, head, static_cast<Index>(i),
                exact.out[i] + times * (plain.out[i] - exact.out[i]));
        }
        problem.lse.view<float>()(0, head, row) = static_cast<float>(exact.lse);
      });
      return judge(problem.params(), expected).over_plain;
    };
    CHECK(store(1) <= 1);
    CHECK(store(3) > 1);
  }
}

TEST_CASE("controls: broken backward passes are rejected, an independent one is not",
          "[controls]") {
  for (const core::DType dtype : kTypes) {
    for (const auto shape : {masked, capped, dropped, packed}) {
      Problem problem(shape(dtype));
      const AttentionParams params = problem.params();
      reference_forward(params);
      const ExpectedGradients expected = expect_gradients(params);
      INFO(describe(shape(dtype)));
      PlainGradients(params, Fault::none);
      const GradientJudgement sound = judge_gradients(params, expected);
      CHECK(worst_of(sound) <= 1);
      for (const double over : sound.over_plain) CHECK(over <= 1);
      for (const BackwardFault& fault : backward_faults()) {
        if (fault.shape != shape) continue;
        INFO(fault.name);
        problem.poison_gradients();
        PlainGradients(params, fault.fault);
        CHECK(worst_of(judge_gradients(params, expected)) > 1);
      }
    }
  }
}

TEST_CASE("controls: a backward pass in float whose weights had 16 bits is rejected",
          "[controls]") {
  Problem problem(masked(core::DType::f32));
  reference_forward(problem.params());
  const ExpectedGradients expected = expect_gradients(problem.params());
  assign(problem.dout.any(), [&](Index a, Index b, Index c, Index d) {
    return rounded_to<core::BFloat16>(read(problem.dout.any(), a, b, c, d));
  });
  reference_backward(problem.params());
  const GradientJudgement judgement = judge_gradients(problem.params(), expected);
  for (const double off : judgement.off) CHECK(off > 1);
}

TEST_CASE("controls: an element that was not written is rejected", "[controls]") {
  for (const core::DType dtype : kTypes) {
    Problem problem(masked(dtype));
    reference_forward(problem.params());
    const ExpectedGradients expected = expect_gradients(problem.params());
    reference_backward(problem.params());
    CHECK(worst_of(judge_gradients(problem.params(), expected)) <= 1);
    for (const auto gradient : {&Problem::dq, &Problem::dk, &Problem::dv}) {
      const double before = read((problem.*gradient).any(), 0, 60, 1, 23);
      write((problem.*gradient).any(), 0, 60, 1, 23, std::nan(""));
      CHECK(worst_of(judge_gradients(problem.params(), expected)) > 1);
      write((problem.*gradient).any(), 0, 60, 1, 23, before);
    }
  }
}

}  // namespace ashlar::flashattention2::testing
