#pragma once
// What every forward pass must satisfy, whoever computes it: the cases in test_forward_checks.cpp,
// test_forward_hazards.cpp, test_forward_masks.cpp, test_forward_features.cpp and
// test_forward_packed.cpp run over the table that a test program gives, those of a feature for the
// passes that have it. Link the object library ashlar_flashattention2_forward_checks and define
// forward_passes() and head_dims().
//
// Names of cases begin with the property they hold a pass to, so that a list of properties can be
// ticked off: alignment, GQA, varlen, fully masked rows, overflow, out of bounds, determinism, ...
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/flashattention2/test_yardstick.hpp"

namespace ashlar::flashattention2::testing {

/// One way to compute attention.
struct ForwardPass {
  std::string name;
  std::vector<core::DType> dtypes;
  /// Host tensors in and out, core::thread_count() threads.
  std::function<void(const AttentionParams&)> run;
  /// With key blocks of that many keys; empty where there is nothing to choose.
  std::function<void(const AttentionParams&, Index key_block)> run_tiled = {};
  Bounds bounds = {};
  Features features = {};
  /// Pairs of rows and keys of the largest problem that it is fast enough for.
  Index most_pairs = std::numeric_limits<Index>::max();
  /// Why the bits may differ between thread counts, or between views of the same numbers with other
  /// strides (grouped heads and repeated ones); empty where they must not.
  std::string bits_depend_on_threads = {};
  std::string bits_depend_on_strides = {};
};

/// The program's table; may be empty (no device), after having printed why.
const std::vector<ForwardPass>& forward_passes();
/// Head sizes that all of them take, multiples of 8.
const std::vector<Index>& head_dims();

/// The head size of the n-th of some shapes.
inline Index head_dim_of(std::size_t n) { return head_dims()[n % head_dims().size()]; }

inline bool takes(const ForwardPass& pass, core::DType dtype) {
  return std::find(pass.dtypes.begin(), pass.dtypes.end(), dtype) != pass.dtypes.end();
}

/// Storage types that some pass takes.
inline std::vector<core::DType> all_dtypes() {
  std::vector<core::DType> all;
  for (const core::DType dtype : {core::DType::f32, core::DType::bf16, core::DType::f16}) {
    for (const ForwardPass& pass : forward_passes()) {
      if (!takes(pass, dtype)) continue;
      all.push_back(dtype);
      break;
    }
  }
  return all;
}

/// Calls body(pass) for every pass that takes the storage type, its name in the messages.
template <class Body>
void for_each_pass(core::DType dtype, const Body& body) {
  for (const ForwardPass& pass : forward_passes()) {
    if (!takes(pass, dtype)) continue;
    INFO(pass.name << ", " << core::name_of(dtype));
    body(pass);
  }
}

/// The same for every pass that also has the features that the problem asks for.
template <class Body>
void for_each_able_pass(Problem& problem, const Body& body) {
  for_each_pass(problem.q.dtype(), [&](const ForwardPass& pass) {
    if (beyond(problem.params(), pass.features)) return;
    if (visible_pairs(problem.params()) <= pass.most_pairs) body(pass);
  });
}

inline void check_judgement(const Judgement& judgement, bool against_plain = true) {
  CHECK(judgement.out <= 1);
  CHECK(judgement.lse <= 1);
  if (against_plain) CHECK(judgement.over_plain <= 1);
}

/// Runs every able pass on the problem, those with a choice also with the smallest key blocks, and
/// holds it against `expected`, and in 16 bits against the yardstick where that can be wrong at
/// all.
inline void check_all(Problem& problem, const Expected& expected, bool against_plain = true) {
  for_each_able_pass(problem, [&](const ForwardPass& pass) {
    const bool plainly = against_plain || pass.bounds.stored_scores;
    problem.poison();
    pass.run(problem.params());
    check_judgement(judge(problem.params(), expected, pass.bounds), plainly);
    if (!pass.run_tiled) return;
    INFO("key block 64");
    problem.poison();
    pass.run_tiled(problem.params(), 64);
    check_judgement(judge(problem.params(), expected, pass.bounds), plainly);
  });
}

inline void check_all(Problem& problem) {
  bool able = false;
  for_each_able_pass(problem, [&](const ForwardPass&) { able = true; });
  if (able) check_all(problem, expect(problem.params()));
}

/// The rows that see no column: how many there are, and whether all are exactly zero with lse
/// +infinity, and no other row has that lse.
struct BlindRows {
  Index count = 0;
  bool exact = true;
};

inline BlindRows blind_rows(const AttentionParams& params) {
  BlindRows rows;
  for_each_row(params, [&](const Sequence& sequence, Index head, Index row) {
    const bool blind = params.mask(sequence).columns(row).empty();
    const Index r = sequence.first_q + row;
    const bool infinite =
        params.lse(sequence.batch, head, r) == std::numeric_limits<float>::infinity();
    rows.exact = rows.exact && infinite == blind;
    if (!blind) return;
    ++rows.count;
    for (Index i = 0; i < params.head_dim(); ++i) {
      rows.exact = rows.exact && read(params.out, sequence.batch, r, head, i) == 0;
    }
  });
  return rows;
}

/// The answer's bits.
inline std::vector<std::uint8_t> bytes_of(const Problem& problem) {
  std::vector<std::uint8_t> bytes;
  const auto append = [&bytes](const void* data, std::size_t size) {
    const auto* const first = static_cast<const std::uint8_t*>(data);
    if (size > 0) bytes.insert(bytes.end(), first, first + size);
  };
  append(problem.out.data(), problem.out.bytes());
  append(problem.lse.data(), problem.lse.bytes());
  return bytes;
}

}  // namespace ashlar::flashattention2::testing
