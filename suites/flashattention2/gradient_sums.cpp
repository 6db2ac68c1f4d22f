// The invariants of the backward pass: sums over all elements, sampled or not.
#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "impls/core/parallel.hpp"
#include "suites/flashattention2/elements.hpp"
#include "suites/flashattention2/gradients.hpp"
#include "suites/flashattention2/oracle.hpp"

namespace ashlar::flashattention2::suite {

namespace {

const model::TensorView* find(const std::vector<model::TensorView>& answer, const char* name) {
  const auto found = std::find_if(answer.begin(), answer.end(),
                                  [name](const auto& view) { return view.name == name; });
  return found == answer.end() ? nullptr : &*found;
}

/// How far a sum of n rounded terms may be off, in roots of the sum of their squares: rounding
/// errors are as good as random, so that they grow like the root of n too.
double allowed(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return 8 * 0x1p-8;
    case DType::f16:
      return 8 * 0x1p-11;
    default:
      return 32 * 1e-6;
  }
}

/// A signed sum that should be 0, and the squares of its terms.
struct Balance {
  double sum = 0;
  double squares = 0;
  void add(double term) {
    sum += term;
    squares += term * term;
  }
  bool holds(double allowance) const { return std::abs(sum) <= allowance * std::sqrt(squares); }
};

/// The answer's tensors of one key head of one sequence.
class Head {
 public:
  Head(const GradientProblem& problem, const AttentionParams& params, Index id, Index head_kv)
      : problem_(problem),
        params_(params),
        sequence_(params.sequence(id)),
        mask_(params.mask(sequence_)),
        head_kv_(head_kv),
        group_(params.group()) {}

  /// sum q dq - sum k dk
  Balance of_scores(const model::TensorView& dq, const model::TensorView& dk) const {
    Balance balance;
    for_each_row([&](Index head, Index row) {
      for (Index k = 0; k < params_.head_dim(); ++k) {
        balance.add(at_row(problem_.q.any(), head, row, k) * dq.value(row_index(head, row) + k));
      }
    });
    for (Index c = 0; c < sequence_.seqlen_k; ++c) {
      const Index first = key_index(c);
      for (Index k = 0; k < params_.head_dim(); ++k) {
        balance.add(-value(problem_.k.any(), sequence_.batch, sequence_.first_k + c, head_kv_, k) *
                    dk.value(first + k));
      }
    }
    return balance;
  }

  /// sum_c dv - sum_r dout, of one column.
  Balance of_values(const model::TensorView& dv, Index k) const {
    Balance balance;
    for_each_row([&](Index head, Index row) {
      if (mask_.columns(row).empty()) return;
      balance.add(-at_row(problem_.dout.any(), head, row, k));
    });
    for (Index c = 0; c < sequence_.seqlen_k; ++c) balance.add(dv.value(key_index(c) + k));
    return balance;
  }

 private:
  template <class Body>
  void for_each_row(const Body& body) const {
    for (Index h = head_kv_ * group_; h < (head_kv_ + 1) * group_; ++h) {
      for (Index row = 0; row < sequence_.seqlen_q; ++row) body(h, row);
    }
  }
  double at_row(const core::ConstAnyView<4>& tensor, Index head, Index row, Index k) const {
    return value(tensor, sequence_.batch, sequence_.first_q + row, head, k);
  }
  Index row_index(Index head, Index row) const {
    return element_of_row(params_, {sequence_.id, head, row});
  }
  Index key_index(Index column) const {
    const Index token = sequence_.batch * params_.seqlen_k() + sequence_.first_k + column;
    return (token * params_.heads_kv() + head_kv_) * params_.head_dim();
  }

  const GradientProblem& problem_;
  const AttentionParams& params_;
  Sequence sequence_;
  Mask<Index> mask_;
  Index head_kv_;
  Index group_;
};

std::string unbalanced(const char* what, Index id, Index head, const Balance& balance,
                       double allowance) {
  return fmt::format("{} of key head {} in sequence {} differ by {:.3g}, more than {:.3g}", what,
                     head, id, std::abs(balance.sum), allowance * std::sqrt(balance.squares));
}

}  // namespace

std::optional<std::string> gradients_add_up(const GradientProblem& problem,
                                            const std::vector<model::TensorView>& answer) {
  const model::TensorView* dq = find(answer, "dq");
  const model::TensorView* dk = find(answer, "dk");
  const model::TensorView* dv = find(answer, "dv");
  if (dq == nullptr || dk == nullptr || dv == nullptr) return "a gradient is missing";
  const AttentionParams params = forward_params(problem, nullptr);
  const double allowance = allowed(params.q.dtype);
  std::vector<std::string> wrong(static_cast<std::size_t>(params.sequences() * params.heads_kv()));
  core::parallel_for_dynamic(static_cast<Index>(wrong.size()), [&](Index item, int) {
    const Index id = item / params.heads_kv();
    const Index h = item % params.heads_kv();
    const Head head(problem, params, id, h);
    std::string& found = wrong[static_cast<std::size_t>(item)];
    const Balance scores = head.of_scores(*dq, *dk);
    if (!scores.holds(allowance)) {
      found = unbalanced("the sums of q dq and of k dk", id, h, scores, allowance);
    }
    if (params.dropout.active()) return;
    for (Index k = 0; k < params.head_dim() && found.empty(); ++k) {
      const Balance values = head.of_values(*dv, k);
      if (values.holds(allowance)) continue;
      found = unbalanced("the sums of dv and of dout", id, h, values, allowance);
    }
  });
  for (std::string& one : wrong) {
    if (!one.empty()) return std::move(one);
  }
  return std::nullopt;
}

std::optional<std::string> both_are_sound(const GradientProblem& problem,
                                          const std::vector<model::TensorView>& answer) {
  if (auto wrong = rows_are_convex(problem, answer)) return wrong;
  return gradients_add_up(problem, answer);
}

}  // namespace ashlar::flashattention2::suite
