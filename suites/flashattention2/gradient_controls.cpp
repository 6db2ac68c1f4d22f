// Negative controls of the backward pass: plausible mistakes that the oracle must reject in every
// run. All rows but the sampled ones are right.
#include <algorithm>
#include <cmath>
#include <vector>

#include "impls/flashattention2/backward.hpp"
#include "impls/flashattention2/reference.hpp"
#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/gradients.hpp"
#include "suites/flashattention2/oracle.hpp"

namespace ashlar::flashattention2::suite {

namespace {

void right_gradients(const AttentionParams& params) {
  BackwardWorkspace workspace(params);
  optimized_backward(params, workspace);
}

/// Overwrites the elements of a tensor that is contiguous.
void overwrite(const core::AnyView<4>& tensor, const model::ExpectedTensor& with, double factor) {
  for (std::size_t i = 0; i < with.indices.size(); ++i) {
    store(tensor, 0, 0, 0, with.indices[i], static_cast<float>(factor * with.values[i]));
  }
}

}  // namespace

void delta_forgotten(const GradientProblem& problem, GradientAnswer& answer) {
  const AttentionParams params = backward_params(problem, &answer);
  right_gradients(params);
  std::vector<RowStatistics> statistics = given_statistics(params);
  for (RowStatistics& one : statistics) std::fill(one.delta.begin(), one.delta.end(), 0.0);
  for (const SampledRow& at : sampled_rows(problem)) {
    const std::vector<double> dq = reference_query_gradient(
        params, statistics[static_cast<std::size_t>(at.sequence)], at.sequence, at.head, at.row);
    const Index first = element_of_row(params, at);
    for (std::size_t k = 0; k < dq.size(); ++k) {
      store(params.dq, 0, 0, 0, first + static_cast<Index>(k), static_cast<float>(dq[k]));
    }
  }
}

void delta_forgotten_after_forward(const GradientProblem& problem, BothAnswer& answer) {
  reference_forward(both_params(problem, &answer));
  delta_forgotten(problem, answer);
}

void gradient_scale_forgotten(const GradientProblem& problem, GradientAnswer& answer) {
  const AttentionParams params = backward_params(problem, &answer);
  right_gradients(params);
  const model::Expected right = gradients_in_double(problem);
  overwrite(params.dq, right[0], 1 / static_cast<double>(params.scale));
  overwrite(params.dk, right[1], 1 / static_cast<double>(params.scale));
}

void first_row_missed(const GradientProblem& problem, GradientAnswer& answer) {
  const AttentionParams params = backward_params(problem, &answer);
  right_gradients(params);
  const model::Expected right = gradients_in_double(problem);
  const Index head_dim = params.head_dim();
  const Index heads = params.heads_q();
  for (std::size_t i = 0; i < right[2].indices.size(); ++i) {
    // One head per key head and no packing: the controls run at plain points.
    const Index flat = right[2].indices[i];
    const Index column = flat / head_dim / heads % params.seqlen_k();
    const Index head = flat / head_dim % heads;
    const Index batch = flat / head_dim / heads / params.seqlen_k();
    const Index row = params.mask(params.sequence(batch)).rows(column).begin;
    const RowElements missed(params, batch, head, row);
    const double weight =
        std::exp(missed.score(column) - static_cast<double>(params.lse(batch, head, row)));
    const double dv = right[2].values[i] - weight * missed.own(params.dout, flat % head_dim);
    store(params.dv, 0, 0, 0, flat, static_cast<float>(dv));
  }
}

}  // namespace ashlar::flashattention2::suite
