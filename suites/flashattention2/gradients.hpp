#pragma once
// What decides whether gradients are right.
#include <optional>
#include <string>
#include <vector>

#include "harness/model/oracle.hpp"
#include "suites/flashattention2/problem.hpp"

namespace ashlar::flashattention2::suite {

/// Rows of dq and of dk and dv in double precision, from the problem's out and lse: all of a small
/// problem, else sampled like the rows of the forward pass (sampled_rows() of oracle.hpp).
model::Expected gradients_in_double(const GradientProblem& problem);
/// The same by standard attention's backward pass with weights and their gradients rounded to the
/// storage type: the yardstick of the official tests, which allow three times its error.
model::Expected gradients_in_storage_precision(const GradientProblem& problem);
model::Tolerances gradient_tolerance(const model::Point& point);

/// Of both passes: rows of out and lse as in oracle.hpp, and the gradients.
model::Expected both_in_double(const GradientProblem& problem);
model::Expected both_in_storage_precision(const GradientProblem& problem);
model::Tolerances both_tolerance(const model::Point& point);

/// Two sums that tie all elements of the gradients together, sampled or not, in every sequence and
/// key head:
///   sum_r sum_k q dq = sum_c sum_k k dk     (both are the sum of ds * s, but for softcap)
///   sum_c dv[c,:]    = sum_r dout[r,:]      (weights sum to one; without dropout)
std::optional<std::string> gradients_add_up(const GradientProblem& problem,
                                            const std::vector<model::TensorView>& answer);
/// Both: gradients_add_up(), and rows_are_convex() of oracle.hpp.
std::optional<std::string> both_are_sound(const GradientProblem& problem,
                                          const std::vector<model::TensorView>& answer);

/// Negative controls: wrong on purpose in the sampled rows, zero elsewhere.
/// ds = p * dp, as if <dout, out> were 0.
void delta_forgotten(const GradientProblem& problem, GradientAnswer& answer);
/// The same after a right forward pass.
void delta_forgotten_after_forward(const GradientProblem& problem, BothAnswer& answer);
/// dq and dk without the scale of the scores.
void gradient_scale_forgotten(const GradientProblem& problem, GradientAnswer& answer);
/// dk and dv start one row too late: the first row that sees a key is missed.
void first_row_missed(const GradientProblem& problem, GradientAnswer& answer);

}  // namespace ashlar::flashattention2::suite
