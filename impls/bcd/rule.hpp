#pragma once
// A method is three choices: how coordinates are partitioned, which block is selected, how it is
// updated. Each part is interchangeable.
//
// Source: Nutini, Laradji, Schmidt, JMLR 23 (2022), sections 2 to 6; departures of the published
// code from the paper's formulas are options here and named as such.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "impls/bcd/objective.hpp"

namespace ashlar::bcd {

class Mersenne;

enum class Partition : std::uint8_t {
  variable,         // any k coordinates, formed anew each iteration ("VB")
  order,            // fixed blocks of consecutive indices
  sort,             // fixed: sorted by L_i ascending, cut into runs ("FB" in most figures)
  average,          // fixed: smallest, largest, second smallest, second largest, ...
  hessian_sort,     // as sort, by the row sums D_i
  hessian_average,  // as average, by the row sums D_i
  red_black,        // no edge inside a block: parity on a lattice, else a greedy colouring
  trees,            // each block induces a forest: two combs on a lattice, else a greedy cover
};

enum class Selection : std::uint8_t {
  random,               // a uniform block; k coordinates of a random permutation
  cyclic,               // block after block; k after k of one permutation that is kept
  lipschitz,            // with probability L_b / sum L_b; k draws without replacement, p_i ~ L_i
  gs,                   // Gauss-Southwell: norm of g_b; the k largest |g_i|
  gsl,                  // norm of g_b over sqrt(L_b); variable: |g_i| / sqrt(D_i), D_i row sums
  gsd,                  // sqrt(sum g_i^2 / L_i); variable: the k largest |g_i| / sqrt(L_i)
  gsq,                  // sqrt(g_b' H_b^-1 g_b); variable: at most 10 steps of hard thresholding
  gsq_nonnegative,      // for x >= 0: the progress of projected coordinate steps
  maximum_improvement,  // argmin over blocks of min_d f(x + U_b d); a reference for theory
  greedy_tree,          // a forest, coordinates accepted by |g_i|
  random_tree,          // a forest, coordinates accepted in random order
  general,              // the floor(p^(1/3)) largest |g_i|
};

enum class Update : std::uint8_t {
  lipschitz_block,     // "Lb": d = -g_b / L_b, L_b = lambda_max(H_b)
  line_search,         // "LA": L by doubling, kept per coordinate
  matrix,              // "Hb": d = -pinv(H_b) g_b
  newton,              // "LS": the Hessian's block at x, and a line search
  message_passing,     // exact on a forest, by elimination in tree order; O(k)
  dense_exact,         // exact by a dense factorisation; O(k^3)
  projected_gradient,  // "PG": x >= 0
  projected_newton,    // "PN": the exact minimiser of the block's quadratic with x_b >= 0
  two_metric,          // "TMP"
  proximal,            // L1 with sign: soft(x_b - g_b / L_b, lambda / L_b)
};

/// How a fixed block's scores are summed: the paper's formulas have 2-norms, its published figures
/// come from sums of absolute values (only gsq is the true quadratic norm in both).
enum class Norm : std::uint8_t { l2, l1 };

/// In which order greedy colourings and greedy covers scan the nodes.
enum class Scan : std::uint8_t { lipschitz, order };

/// Which of equal L_i (or row sums) comes first in a fixed partition: the lower index; or as
/// NumPy's argsort has it, which the published curves of data with many equal constants depend on.
enum class Ties : std::uint8_t { index, numpy };

struct Rule {
  Partition partition = Partition::variable;
  Selection selection = Selection::gs;
  Update update = Update::lipschitz_block;
  Norm norm = Norm::l2;
  Scan scan = Scan::lipschitz;
  Index block_size = 5;            // of fixed and variable blocks; graph blocks have their own
  std::uint64_t seed = 1;          // of random and cyclic selection
  bool allow_short_block = false;  // where block_size does not divide p
  Ties ties = Ties::index;
  /// Where it is set, random rules draw from this state on, not from `seed`, and by the calls of
  /// the published code: its curves of random rules are then followed draw by draw. The state is
  /// copied when the selection is made.
  const Mersenne* published_draws = nullptr;
};

/// Throws std::invalid_argument, saying which parts do not go together: a block size that does not
/// divide p or is not in 1..p, tree rules without a graph, constrained updates without constraint
/// and the reverse, rules that have no variable form ...
void validate(const Rule& rule, const Problem& problem);

std::string_view name_of(Partition partition);
std::string_view name_of(Selection selection);
std::string_view name_of(Update update);
/// The reverse. Throws std::invalid_argument, which lists the names there are.
Partition parse_partition(std::string_view name);
Selection parse_selection(std::string_view name);
Update parse_update(std::string_view name);

/// Blocks of a fixed partition, in the order in which cyclic selection walks them.
using Blocks = std::vector<std::vector<Index>>;

/// Throws std::invalid_argument as validate(). Empty for Partition::variable.
Blocks make_blocks(const Rule& rule, Objective& objective);

/// What a selection rule may use beside the objective: the L_i that are believed now. They are
/// objective.lipschitz() unless the update estimates its own.
class SelectionRule {
 public:
  virtual ~SelectionRule() = default;
  /// The next block, rising or in the partition's order; valid until the next call. Empty where the
  /// rule finds nothing to do.
  virtual Block select(Objective& objective, std::span<const double> lipschitz) = 0;
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  /// Moves the objective's x in the block.
  virtual void update(Objective& objective, Block block) = 0;
  /// Estimates of L_i for the selection, where the update keeps its own.
  virtual std::optional<std::span<const double>> estimates() const { return std::nullopt; }
};

/// The reference parts. `blocks` must outlive the rule.
std::unique_ptr<SelectionRule> make_selection(const Rule& rule, const Blocks& blocks,
                                              Objective& objective);
std::unique_ptr<UpdateRule> make_update(const Rule& rule, Objective& objective);

}  // namespace ashlar::bcd
