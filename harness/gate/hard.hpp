#pragma once
// What fails without statistics: wrong answers, lost precision, memory, instruction counts,
// contradicted claims. Pure functions of what the two sides' workers said.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/gate/instructions.hpp"
#include "harness/model/value.hpp"

namespace ashlar::gate {

using model::Json;

/// What became of one implementation on one side.
struct Fate {
  enum class Kind {
    fine,
    absent,       // this build does not know the case
    unsupported,  // it says that it does not take the point
    wrong,        // the oracle rejects its answer
    broken        // crash, timeout, out of memory, an exception, a broken protocol
  };
  Kind kind = Kind::fine;
  std::string reason;  // of all but fine
};

/// What a side's worker says of one implementation when it verifies it. Over several processes the
/// least memory counts: whatever else happened in a process only adds.
struct Evidence {
  Json norms = Json::object();
  Json limit = Json::object();
  std::optional<std::int64_t> peak_extra_bytes;
  std::optional<std::int64_t> workspace_bytes;
  bool in_place = false;  // executions are timed one by one
  std::int64_t first_ns = 0;
};

struct HardFailure {
  std::string
      gate;  // "answer", "robustness", "precision", "memory", "workspace", "instructions", "claim"
  std::string what;    // case key or claim
  std::string why;     // one line with both figures
  bool wrong = false;  // ends in 2, not in 1
};

/// A worse fate in the head than in the base: nothing when both fare alike, or the base no better.
std::optional<HardFailure> fate_gate(const std::string& key, const Fate& base, const Fate& head);
/// Precision, memory and workspace.
std::vector<HardFailure> evidence_gates(const std::string& key, const Evidence& base,
                                        const Evidence& head);
std::optional<HardFailure> instruction_gate(const std::string& key, const Instructions& base,
                                            const Instructions& head);

}  // namespace ashlar::gate
