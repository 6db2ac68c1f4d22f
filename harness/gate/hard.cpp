#include "harness/gate/hard.hpp"

#include <cmath>

#include <fmt/format.h>

#include "harness/record/record.hpp"
#include "harness/report/units.hpp"

namespace ashlar::gate {

namespace {

constexpr double kWorseNorm = 2;       // times the base's error ...
constexpr double kShareOfLimit = 0.1;  // ... where that is a matter at all
constexpr double kMoreMemory = 1.10;   // times the base's ...
constexpr std::int64_t kMemorySlack = std::int64_t{1}
                                      << 20;  // ... and more than the allocator's whims
constexpr std::int64_t kWorkspaceSlack = std::int64_t{4} << 10;  // a declared size has no noise
constexpr double kMoreInstructions = 1.005;

std::optional<double> number_at(const Json& json, const std::string& tensor, const char* norm) {
  const auto found = json.find(tensor);
  if (found == json.end() || !found->is_object() || !found->contains(norm)) return std::nullopt;
  const Json& value = found->at(norm);
  if (value.is_null()) return std::nullopt;
  return record::number_from_json(value);
}

std::optional<HardFailure> more_bytes(const char* gate, const char* noun, const std::string& key,
                                      std::optional<std::int64_t> base,
                                      std::optional<std::int64_t> head, std::int64_t slack) {
  if (!base || !head) return std::nullopt;
  const double most = kMoreMemory * static_cast<double>(*base) + static_cast<double>(slack);
  if (static_cast<double>(*head) <= most) return std::nullopt;
  return HardFailure{
      gate, key,
      fmt::format("{} {}, the base's {}", noun, report::bytes_text(static_cast<double>(*head)),
                  report::bytes_text(static_cast<double>(*base)))};
}

std::string words(const Fate& fate) {
  switch (fate.kind) {
    case Fate::Kind::absent:
      return "not there";
    case Fate::Kind::unsupported:
      return "unsupported: " + fate.reason;
    case Fate::Kind::wrong:
      return "wrong answer: " + fate.reason;
    case Fate::Kind::broken:
      return fate.reason;
    default:
      return "fine";
  }
}

}  // namespace

std::optional<HardFailure> fate_gate(const std::string& key, const Fate& base, const Fate& head) {
  using Kind = Fate::Kind;
  // A wrong answer is wrong whatever the base's is.
  if (head.kind == Kind::wrong) {
    return HardFailure{
        "answer", key,
        words(head) + (base.kind == Kind::wrong ? " (the base's is wrong, too)" : ""), true};
  }
  if (head.kind == Kind::broken && base.kind == Kind::fine)
    return HardFailure{"robustness", key, words(head) + "; the base survives it", true};
  return std::nullopt;
}

std::vector<HardFailure> evidence_gates(const std::string& key, const Evidence& base,
                                        const Evidence& head) {
  std::vector<HardFailure> failures;
  for (const auto& [tensor, norms] : head.norms.items()) {
    for (const char* norm : {"max_abs", "max_rel", "relative_l2"}) {
      const auto before = number_at(base.norms, tensor, norm);
      const auto after = number_at(head.norms, tensor, norm);
      const auto limit = number_at(head.limit, tensor, norm);
      if (!before || !after || !limit || !std::isfinite(*limit)) continue;
      if (*after <= kWorseNorm * *before || *after <= kShareOfLimit * *limit) continue;
      failures.push_back(
          {"precision", key,
           fmt::format("{} of '{}' is {}, the base's {} (limit {})", norm, tensor,
                       report::number(*after), report::number(*before), report::number(*limit))});
    }
  }
  for (auto&& failure : {more_bytes("memory", "peak memory", key, base.peak_extra_bytes,
                                    head.peak_extra_bytes, kMemorySlack),
                         more_bytes("workspace", "workspace", key, base.workspace_bytes,
                                    head.workspace_bytes, kWorkspaceSlack)}) {
    if (failure) failures.push_back(*failure);
  }
  return failures;
}

std::optional<HardFailure> instruction_gate(const std::string& key, const Instructions& base,
                                            const Instructions& head) {
  if (!base.count || !head.count || *base.count <= 0) return std::nullopt;
  if (base.target != head.target) return std::nullopt;
  const double ratio = static_cast<double>(*head.count) / static_cast<double>(*base.count);
  if (ratio <= kMoreInstructions) return std::nullopt;
  return HardFailure{"instructions", key,
                     fmt::format("{} instructions{}, the base's {} ({:+.2f} %)", *head.count,
                                 head.target.empty() ? "" : " (" + head.target + ")", *base.count,
                                 100 * (ratio - 1))};
}

}  // namespace ashlar::gate
