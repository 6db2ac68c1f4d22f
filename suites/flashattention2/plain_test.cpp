// Plain attention in blocks against its definition, element by element: the same bits. Its error is
// what answers may be off by, so it has to be that of plain attention and no other.
#include "suites/flashattention2/plain.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/gradients.hpp"
#include "suites/flashattention2/suite.hpp"

using namespace ashlar;
using namespace ashlar::flashattention2;
using namespace ashlar::flashattention2::suite;

namespace {

/// One query row and what standard attention stores of it.
class StoredRow {
 public:
  StoredRow(const AttentionParams& params, const SampledRow& at)
      : params_(params), row_(params, at.sequence, at.head, at.row) {}

  const RowElements& elements() const { return row_; }

  float stored_dot(Index column) const {
    float sum = 0;
    for (Index k = 0; k < params_.head_dim(); ++k) {
      sum += static_cast<float>(row_.own(params_.q, k) * row_.element(params_.k, column, k));
    }
    return round(sum * params_.scale);
  }

  /// Out and lse from weights that are normalised, stored, dropped and stored again.
  RowResult forward() const {
    RowResult result{std::vector<double>(static_cast<std::size_t>(params_.head_dim()), 0.0),
                     std::numeric_limits<double>::infinity()};
    const Range<Index> columns = row_.columns();
    if (columns.empty()) return result;
    std::vector<float> weights;
    for (Index c = columns.begin; c < columns.end; ++c) {
      weights.push_back(round(row_.capped(stored_dot(c))));
    }
    const float greatest = *std::max_element(weights.begin(), weights.end());
    float sum = 0;
    for (float& weight : weights) sum += weight = std::exp(weight - greatest);
    result.lse = static_cast<double>(greatest + std::log(sum));
    for (Index k = 0; k < params_.head_dim(); ++k) {
      float out = 0;
      for (Index c = columns.begin; c < columns.end; ++c) {
        const float p = round(weights[static_cast<std::size_t>(c - columns.begin)] / sum);
        out += round(p * row_.kept(c)) * static_cast<float>(row_.element(params_.v, c, k));
      }
      result.out[static_cast<std::size_t>(k)] = static_cast<double>(round(out));
    }
    return result;
  }

  struct Backward {
    double weight;
    double gradient;
  };
  Backward backward(Index column, double lse, double delta) const {
    const double score = stored(row_.capped(static_cast<double>(stored_dot(column))));
    const double p = stored(std::exp(score - lse));
    const auto kept = static_cast<double>(row_.kept(column));
    const double dp = stored(kept * stored(row_.dot(params_.dout, params_.v, column)));
    return {stored(p * kept), stored(stored(p * (dp - delta)) * row_.slope(score))};
  }

 private:
  float round(float exact) const { return rounded(params_.q.dtype, exact); }
  double stored(double exact) const {
    return static_cast<double>(round(static_cast<float>(exact)));
  }

  const AttentionParams& params_;
  RowElements row_;
};

/// Adds what the rows of one sequence and head give to dq, dk and dv, keys in ascending order.
void add_backward(const AttentionParams& params, const RowStatistics& statistics,
                  const SampledRow& at, std::vector<double>& dq, std::vector<double>& dk,
                  std::vector<double>& dv) {
  const StoredRow row(params, at);
  const Index width = params.head_dim();
  const auto scale = static_cast<double>(params.scale);
  const auto i = static_cast<std::size_t>(at.head * params.sequence(at.sequence).seqlen_q + at.row);
  const Range<Index> columns = row.elements().columns();
  for (Index c = columns.begin; c < columns.end; ++c) {
    const auto pair = row.backward(c, statistics.lse[i], statistics.delta[i]);
    const Index key = element_of_key(params, {at.sequence, params.kv_head(at.head), c});
    for (Index k = 0; k < width; ++k) {
      const auto of_key = static_cast<std::size_t>(key + k);
      dq[static_cast<std::size_t>(element_of_row(params, at) + k)] +=
          scale * pair.gradient * row.elements().element(params.k, c, k);
      dk[of_key] += scale * pair.gradient * row.elements().own(params.q, k);
      dv[of_key] += pair.weight * row.elements().own(params.dout, k);
    }
  }
}

void store_all(const core::AnyView<4>& tensor, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    store(tensor, 0, 0, 0, static_cast<Index>(i), static_cast<float>(values[i]));
  }
}

/// The definition of both passes. Gradients follow from the out and lse of `given`, where they
/// are not those of the answer itself.
void defined_attention(const GradientProblem& problem, BothAnswer& answer,
                       const AttentionParams* given) {
  const AttentionParams params = both_params(problem, &answer);
  std::vector<double> out(static_cast<std::size_t>(params.q.size()));
  std::vector<double> dq(out.size());
  std::vector<double> dk(static_cast<std::size_t>(params.k.size()));
  std::vector<double> dv(dk.size());
  const auto for_each_row = [&](Index id, const auto& body) {
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index r = 0; r < params.sequence(id).seqlen_q; ++r) body(SampledRow{id, h, r});
    }
  };
  for (Index id = 0; id < params.sequences(); ++id) {
    for_each_row(id, [&](const SampledRow& at) {
      const RowResult row = StoredRow(params, at).forward();
      std::copy(row.out.begin(), row.out.end(), out.begin() + element_of_row(params, at));
      params.lse.data[element_of_lse(params, at)] = static_cast<float>(row.lse);
    });
  }
  store_all(params.out, out);
  for (Index id = 0; id < params.sequences(); ++id) {
    const RowStatistics statistics = given_statistics(given == nullptr ? params : *given, id);
    for_each_row(id,
                 [&](const SampledRow& at) { add_backward(params, statistics, at, dq, dk, dv); });
  }
  store_all(params.dq, dq);
  store_all(params.dk, dk);
  store_all(params.dv, dv);
}

struct PlainCase {
  const char* feature;
  const char* inputs;
};

/// Lengths that fill no block, and rows and keys that are sampled and not all.
std::shared_ptr<const GradientProblem> plain_problem(const PlainCase& of, const char* dtype) {
  const model::Point at({{"feature", of.feature},
                         {"inputs", of.inputs},
                         {"seqlen", 75},
                         {"head_dim", 40},
                         {"dtype", dtype}});
  return std::static_pointer_cast<const GradientProblem>(make().find("accuracy")->problem(at, 9));
}

constexpr PlainCase kPlainCases[] = {
    {"none", "normal"},    {"none", "outliers"},  {"causal", "normal"},  {"causal", "adversarial"},
    {"window", "normal"},  {"softcap", "normal"}, {"dropout", "normal"}, {"grouped", "normal"},
    {"unequal", "normal"}, {"packed", "normal"}};

// In 16-bit types products are exact in what they are summed in, so that bits do not hang on
// whether the compiler fuses a product and a sum.
constexpr const char* kStored[] = {"bf16", "f16"};

}  // namespace

TEST_CASE("plain attention gives the bits of its definition") {
  for (const PlainCase& each : kPlainCases) {
    for (const char* dtype : kStored) {
      INFO(each.feature << " " << each.inputs << " " << dtype);
      const auto problem = plain_problem(each, dtype);
      BothAnswer answer(*problem);
      plain_attention(*problem, answer);
      BothAnswer defined(*problem);
      defined_attention(*problem, defined, nullptr);
      const auto tensors = answer.tensors();
      const auto expected = defined.tensors();
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        INFO(tensors[t].name);
        CHECK(std::memcmp(tensors[t].data, expected[t].data, tensors[t].bytes()) == 0);
      }
    }
  }
}

TEST_CASE("the yardstick of both passes gives the bits of plain attention's definition") {
  for (const PlainCase& each : kPlainCases) {
    for (const char* dtype : kStored) {
      INFO(each.feature << " " << each.inputs << " " << dtype);
      const auto problem = plain_problem(each, dtype);
      const AttentionParams given = backward_params(*problem, nullptr);
      BothAnswer defined(*problem);
      defined_attention(*problem, defined, &given);
      const auto tensors = defined.tensors();
      const model::Expected yardstick = both_in_storage_precision(*problem);
      REQUIRE(yardstick.size() == tensors.size());
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        REQUIRE(yardstick[t].name == tensors[t].name);
        std::size_t different = 0;
        for (std::size_t i = 0; i < yardstick[t].indices.size(); ++i) {
          const double value = tensors[t].value(yardstick[t].indices[i]);
          different += yardstick[t].values[i] == value ? 0 : 1;
        }
        INFO(tensors[t].name);
        CHECK(different == 0);
      }
    }
  }
}
