#pragma once
// What theory promises, as numbers: the progress of one step on a block, and after how many steps
// the support of the optimum is identified. Beside each bound stands where it is from.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), sections 3 (progress of greedy rules) and 6
// (active-set complexity).
#include <vector>

#include "impls/bcd/objective.hpp"

namespace ashlar::bcd {

/// Lower bounds of f(x) - f(x + U_b d) at the objective's x, for f without constraints and without
/// a signed penalty. gradient <= matrix <= exact and diagonal <= matrix; gradient and diagonal are
/// not comparable. A rule that maximises one of them picks the block with the best promise of that
/// kind:
///   GSL gradient, GSD diagonal, GSQ matrix, MI exact. (GS maximises the norm of g_b alone.)
struct BlockProgress {
  double gradient = 0;  // 0.5 ||g_b||^2 / L_b, of d = -g_b / L_b
  double diagonal = 0;  // 0.5 sum_b g_i^2 / D_i, of d_i = -g_i / D_i, D_i row sums of |H|
  double matrix = 0;    // 0.5 g_b' pinv(H_b) g_b, of d = -pinv(H_b) g_b
  double exact = 0;     // f(x) - min_d f(x + U_b d): the progress itself
};

/// An empty block promises nothing. `exact` costs a Newton method on the block unless f is a
/// quadratic; x is put back afterwards.
BlockProgress progress_of(Objective& objective, Block block);
double gradient_progress(Objective& objective, Block block);
double diagonal_progress(Objective& objective, Block block);
double matrix_progress(Objective& objective, Block block);
double exact_progress(Objective& objective, Block block);

/// Coordinates with x_i != 0, rising.
std::vector<Index> support_of(std::span<const double> x);

/// How far an optimum x* is from having another support.
struct Nondegeneracy {
  /// Over the coordinates with x*_i = 0, the least distance of -grad_i f(x*) to the ends of the
  /// penalty's subdifferential: min (lambda - |grad_i f|) for a signed penalty, min grad_i f
  /// (lambda included) for x >= 0. Infinity where nothing is at a non-smooth point.
  double delta = 0;
  Index at = -1;  // the coordinate where it is least
  /// delta is not above 1e-8 of the largest derivative or lambda: identification need not be finite
  /// and no bound holds.
  bool degenerate = false;
};

/// Throws std::invalid_argument where the optimum has no x.
Nondegeneracy nondegeneracy(const Problem& problem, const Optimum& optimum);

/// mu for which the quadratic bound's H is mu-strongly convex on the span of a set of coordinates:
/// lambda_min(H_bb). Least squares and quadratics only, where H is the Hessian everywhere (throws
/// std::invalid_argument for others: their Hessians have no positive lower bound over all x). On
/// all coordinates it is the mu of f; on the support, that of f for iterates that do not leave it.
double strong_convexity(Objective& objective, Block block);

/// Bounds on the iterations until the support is x*'s and stays so, from the objective's present x.
struct IdentificationBound {
  Nondegeneracy nondegeneracy;
  double lipschitz = 0;  // L = lambda_max(H)
  double radius = 0;  // delta / (2 L): within it, a step sets what it touches to the optimal zeros
  double convexity = 0;  // mu, as given
  double distance = 0;   // ||x - x*||
  /// Proximal (or projected) gradient steps with step size 1 / L on all coordinates:
  /// kappa log(2 L ||x - x*|| / delta) to come within the radius [from the paper, as remembered],
  /// rounded up, and 1 for the step that then sets the zeros [ours]. Infinity where mu = 0 or x* is
  /// degenerate.
  double full_steps = 0;
};

/// `mu` > 0 must hold for f over all coordinates (or over the ones that iterates ever use, if the
/// caller knows them); see strong_convexity().
IdentificationBound identification_bound(Objective& objective, const Optimum& optimum, double mu);

/// The same for steps of 1 / L_b on one block of a fixed partition per iteration. All of it is
/// ours, by the standard argument (the paper's constants are not known to us): with N blocks and
/// L_max = max L_b, F - F* falls by a factor of 1 - mu / (N L_max) per iteration, in expectation
/// where blocks are drawn uniformly, and surely where the block of the largest promised decrease of
/// F is taken; F - F* <= 0.5 mu radius^2 implies ||x - x*|| <= radius, and remains so, as F never
/// rises; from then on each block sets its zeros when it is next selected.
struct BlockIdentificationBound {
  IdentificationBound full;
  double largest_lipschitz = 0;  // L_max
  double gap = 0;                // F(x) - F*
  /// N L_max / mu * log((F - F*) / (0.5 mu radius^2)), rounded up, at least 0. In expectation of F
  /// - F* for random blocks: by Markov's inequality a factor of 1/q in the logarithm makes it hold
  /// with probability 1 - q.
  double steps_to_radius = 0;
  /// Until all N blocks were selected once more: N cyclically; N (1 + 1/2 + ... + 1/N) in
  /// expectation at random. (A greedy rule gives no such bound by itself: it may never look at a
  /// block again. Its blocks with zeros left to set have a positive promise, so that it does not
  /// end there.)
  double cyclic_steps = 0;
  double random_steps = 0;
};

/// `lipschitz_of_blocks`: L_b of each block, N of them. Throws std::invalid_argument where there
/// are none or one is not positive.
BlockIdentificationBound block_identification_bound(Objective& objective, const Optimum& optimum,
                                                    double mu,
                                                    std::span<const double> lipschitz_of_blocks);

}  // namespace ashlar::bcd
