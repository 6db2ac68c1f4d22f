#include "harness/measure/rotation.hpp"

#include <algorithm>
#include <utility>

namespace ashlar::measure {

std::size_t rotation_size(std::int64_t footprint_bytes, std::int64_t cold_bytes) {
  constexpr std::int64_t kUnknown = 64 * 1024;
  constexpr std::int64_t kMost = 4096;
  const std::int64_t footprint = footprint_bytes > 0 ? footprint_bytes : kUnknown;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(cold_bytes / footprint + 1, 2, kMost));
}

Rotation::Rotation(std::vector<std::unique_ptr<model::Trial>> trials)
    : trials_(std::move(trials)), last_(trials_.size() - 1) {}

void Rotation::prepare() {
  for (const auto& trial : trials_) trial->prepare();
}

void Rotation::execute(model::Stream stream) {
  last_ = last_ + 1 == trials_.size() ? 0 : last_ + 1;
  trials_[last_]->execute(stream);
}

void Rotation::poison() {
  for (const auto& trial : trials_) trial->poison();
}

void Rotation::fetch() { trials_[last_]->fetch(); }

std::vector<model::TensorView> Rotation::answer() { return trials_[last_]->answer(); }

model::Outcome Rotation::outcome() const { return trials_[last_]->outcome(); }

}  // namespace ashlar::measure
