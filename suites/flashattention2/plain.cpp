#include "suites/flashattention2/plain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/plain_blocks.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using detail::add;
using detail::Floats;
using detail::for_each_block;
using detail::for_each_block_of_keys;
using detail::in_blocks;
using detail::Keys;
using detail::products;
using detail::Rows;
using detail::rows_of;
using detail::Turned;
using detail::turned;

void round_all(DType dtype, std::vector<double>& values) {
  for (double& one : values) {
    one = static_cast<double>(rounded(dtype, static_cast<float>(one)));
  }
}

void store_line(const core::AnyView<4>& tensor, Index first, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    store(tensor, 0, 0, 0, first + static_cast<Index>(i), static_cast<float>(values[i]));
  }
}

/// Scores as the forward pass stores them, of the columns that each row sees.
std::vector<Floats> stored_scores(const AttentionParams& params, const Rows& rows) {
  const DType dtype = params.q.dtype;
  const auto width = static_cast<std::size_t>(params.head_dim());
  const Floats queries = rows.lines(params.q);
  std::vector<Floats> scores(rows.at.size());
  for_each_block_of_keys(params, rows, [&](const Keys& keys) {
    const Turned turned_keys = turned(keys.lines(params.k), width);
    for (std::size_t r = 0; r < scores.size(); ++r) {
      const RowElements& row = rows.elements[r];
      const auto dots = products<float>(queries.data() + r * width, turned_keys);
      for (std::size_t c = 0; c < keys.at.size(); ++c) {
        if (!row.columns().contains(keys.at[c])) continue;
        const float score = rounded(dtype, dots[c] * params.scale);
        scores[r].push_back(rounded(dtype, row.capped(score)));
      }
    }
  });
  return scores;
}

/// Makes the stored weights of a row, after dropout, of its scores. Returns lse.
double stored_weights(DType dtype, const RowElements& row, Floats& scores) {
  if (scores.empty()) return std::numeric_limits<double>::infinity();
  const float greatest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (float& score : scores) {
    score = std::exp(score - greatest);
    sum += score;
  }
  Index column = row.columns().begin;
  for (float& score : scores) {
    score = rounded(dtype, rounded(dtype, score / sum) * row.kept(column));
    ++column;
  }
  return static_cast<double>(greatest + std::log(sum));
}

std::vector<RowResult> forward_block(const AttentionParams& params,
                                     std::span<const SampledRow> block) {
  const Rows rows = rows_of(params, block);
  const auto width = static_cast<std::size_t>(params.head_dim());
  std::vector<Floats> weights = stored_scores(params, rows);
  std::vector<RowResult> results(block.size());
  for (std::size_t r = 0; r < results.size(); ++r) {
    results[r].lse = stored_weights(params.q.dtype, rows.elements[r], weights[r]);
  }
  std::vector<Floats> sums(block.size(), Floats(width));
  for_each_block_of_keys(params, rows, [&](const Keys& keys) {
    const Floats values = keys.lines(params.v);
    for (std::size_t r = 0; r < sums.size(); ++r) {
      const Range<Index> columns = rows.elements[r].columns();
      for (std::size_t c = 0; c < keys.at.size(); ++c) {
        if (!columns.contains(keys.at[c])) continue;
        const auto of_row = static_cast<std::size_t>(keys.at[c] - columns.begin);
        add(sums[r], weights[r][of_row], values.data() + c * width);
      }
    }
  });
  for (std::size_t r = 0; r < results.size(); ++r) {
    results[r].out = std::vector<double>(sums[r].begin(), sums[r].end());
    round_all(params.q.dtype, results[r].out);
  }
  return results;
}

/// The weight and the gradient of one score as standard attention has them in the storage type:
/// scores, weights and both gradients stored, sums in float or better.
struct PlainPair {
  double weight;
  double gradient;
};

/// Pairs of single rows with a block of keys.
class PairsWithKeys {
 public:
  PairsWithKeys(const AttentionParams& params, const Keys& keys, const Floats& key_lines)
      : params_(params),
        keys_(keys),
        turned_keys_(turned(key_lines, static_cast<std::size_t>(params.head_dim()))),
        turned_values_(turned(keys.lines(params.v), static_cast<std::size_t>(params.head_dim()))) {}

  /// Calls body(which key, pair) for the keys that the row sees. `query` and `dout` are its lines.
  template <class Body>
  void for_each(const RowElements& row, const float* query, const float* dout, double lse,
                double delta, const Body& body) const {
    const auto scores = products<float>(query, turned_keys_);
    const auto gradients = products<double>(dout, turned_values_);
    for (std::size_t c = 0; c < keys_.at.size(); ++c) {
      const Index column = keys_.at[c];
      if (!row.columns().contains(column)) continue;
      const auto dot = static_cast<double>(scores[c] * params_.scale);
      const double score = stored(row.capped(stored(dot)));
      const double p = stored(std::exp(score - lse));
      const auto kept = static_cast<double>(row.kept(column));
      const double dp = stored(kept * stored(gradients[c]));
      body(c, PlainPair{stored(p * kept), stored(stored(p * (dp - delta)) * row.slope(score))});
    }
  }

 private:
  double stored(double exact) const {
    return static_cast<double>(rounded(params_.q.dtype, static_cast<float>(exact)));
  }

  const AttentionParams& params_;
  const Keys& keys_;
  Turned turned_keys_;
  Turned turned_values_;
};

std::vector<std::vector<double>> query_block(const AttentionParams& params,
                                             const std::vector<RowStatistics>& statistics,
                                             std::span<const SampledRow> block) {
  const Rows rows = rows_of(params, block);
  const RowStatistics& given = statistics[static_cast<std::size_t>(block[0].sequence)];
  const auto width = static_cast<std::size_t>(params.head_dim());
  const Floats queries = rows.lines(params.q);
  const Floats douts = rows.lines(params.dout);
  std::vector<std::vector<double>> sums(block.size(), std::vector<double>(width));
  for_each_block_of_keys(params, rows, [&](const Keys& keys) {
    const Floats key_lines = keys.lines(params.k);
    const PairsWithKeys pairs(params, keys, key_lines);
    for (std::size_t r = 0; r < sums.size(); ++r) {
      const std::size_t i = rows.index(r);
      pairs.for_each(rows.elements[r], queries.data() + r * width, douts.data() + r * width,
                     given.lse[i], given.delta[i], [&](std::size_t c, const PlainPair& pair) {
                       add(sums[r], static_cast<double>(params.scale) * pair.gradient,
                           key_lines.data() + c * width);
                     });
    }
  });
  for (auto& sum : sums) round_all(params.q.dtype, sum);
  return sums;
}

std::vector<KeyGradient> key_block(const AttentionParams& params,
                                   const std::vector<RowStatistics>& statistics,
                                   std::span<const SampledKey> block) {
  const Index id = block[0].sequence;
  const RowStatistics& given = statistics[static_cast<std::size_t>(id)];
  const auto width = static_cast<std::size_t>(params.head_dim());
  Keys keys{params.sequence(id), block[0].head_kv, {}};
  std::vector<Range<Index>> seen;
  for (const SampledKey& one : block) {
    keys.at.push_back(one.column);
    seen.push_back(params.mask(keys.sequence).rows(one.column));
  }
  const PairsWithKeys pairs(params, keys, keys.lines(params.k));
  std::vector<KeyGradient> sums(
      block.size(), KeyGradient{std::vector<double>(width), std::vector<double>(width)});
  const Index group = params.group();
  for (Index h = keys.head * group; h < (keys.head + 1) * group; ++h) {
    for_each_block(seen, [&](std::vector<Index> at) {
      const Rows rows(params, id, h, std::move(at));
      const Floats queries = rows.lines(params.q);
      const Floats douts = rows.lines(params.dout);
      for (std::size_t r = 0; r < rows.at.size(); ++r) {
        const float* query = queries.data() + r * width;
        const float* dout = douts.data() + r * width;
        const std::size_t i = rows.index(r);
        pairs.for_each(rows.elements[r], query, dout, given.lse[i], given.delta[i],
                       [&](std::size_t c, const PlainPair& pair) {
                         add(sums[c].dk, static_cast<double>(params.scale) * pair.gradient, query);
                         add(sums[c].dv, pair.weight, dout);
                       });
      }
    });
  }
  for (KeyGradient& sum : sums) {
    round_all(params.q.dtype, sum.dk);
    round_all(params.q.dtype, sum.dv);
  }
  return sums;
}

}  // namespace

Index element_of_key(const AttentionParams& params, const SampledKey& at) {
  const Sequence sequence = params.sequence(at.sequence);
  const Index token = sequence.batch * params.seqlen_k() + sequence.first_k + at.column;
  return (token * params.heads_kv() + at.head_kv) * params.head_dim();
}

std::vector<RowResult> plain_rows(const AttentionParams& params,
                                  const std::vector<SampledRow>& rows) {
  return in_blocks<RowResult>(
      rows, [&](std::span<const SampledRow> block) { return forward_block(params, block); });
}

std::vector<std::vector<double>> plain_query_gradients(const AttentionParams& params,
                                                       const std::vector<RowStatistics>& statistics,
                                                       const std::vector<SampledRow>& rows) {
  return in_blocks<std::vector<double>>(rows, [&](std::span<const SampledRow> block) {
    return query_block(params, statistics, block);
  });
}

std::vector<KeyGradient> plain_key_gradients(const AttentionParams& params,
                                             const std::vector<RowStatistics>& statistics,
                                             const std::vector<SampledKey>& keys) {
  return in_blocks<KeyGradient>(keys, [&](std::span<const SampledKey> block) {
    return key_block(params, statistics, block);
  });
}

void plain_attention(const GradientProblem& problem, BothAnswer& answer) {
  const AttentionParams params = both_params(problem, &answer);
  std::vector<SampledRow> rows;
  std::vector<SampledKey> keys;
  for (Index id = 0; id < params.sequences(); ++id) {
    const Sequence sequence = params.sequence(id);
    for (Index h = 0; h < params.heads_q(); ++h) {
      for (Index row = 0; row < sequence.seqlen_q; ++row) rows.push_back({id, h, row});
    }
    for (Index h = 0; h < params.heads_kv(); ++h) {
      for (Index column = 0; column < sequence.seqlen_k; ++column) keys.push_back({id, h, column});
    }
  }
  const std::vector<RowResult> forward = plain_rows(params, rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    store_line(params.out, element_of_row(params, rows[i]), forward[i].out);
    params.lse.data[element_of_lse(params, rows[i])] = static_cast<float>(forward[i].lse);
  }
  const std::vector<RowStatistics> statistics = given_statistics(params);
  const std::vector<std::vector<double>> dq = plain_query_gradients(params, statistics, rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    store_line(params.dq, element_of_row(params, rows[i]), dq[i]);
  }
  const std::vector<KeyGradient> of_keys = plain_key_gradients(params, statistics, keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    store_line(params.dk, element_of_key(params, keys[i]), of_keys[i].dk);
    store_line(params.dv, element_of_key(params, keys[i]), of_keys[i].dv);
  }
}

}  // namespace ashlar::flashattention2::suite
