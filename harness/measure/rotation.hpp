#pragma once
// Cold caches on a CPU: one implementation bound to several equal problems in different memory,
// executed in turn, so that by its next turn each has left the caches. More honest than flushing,
// which also empties what a program keeps warm, and batches stay possible.
#include <cstdint>
#include <memory>
#include <vector>

#include "harness/model/method.hpp"

namespace ashlar::measure {

/// How many bindings of `footprint_bytes` each (problem, answer, workspace) exceed `cold_bytes`
/// together: at least 2, at most 4096. A footprint that is not known (0 or less) counts as 64 KiB.
std::size_t rotation_size(std::int64_t footprint_bytes, std::int64_t cold_bytes);

/// The bindings as one: execute() goes to the next, fetch(), answer() and outcome() ask the one
/// that executed last. For methods that do not work in place.
class Rotation final : public model::Trial {
 public:
  /// At least one binding, each prepared and executed once already, so that its memory is there.
  explicit Rotation(std::vector<std::unique_ptr<model::Trial>> trials);

  void prepare() override;
  void execute(model::Stream stream) override;
  void reset() override {}
  bool in_place() const override { return false; }
  void poison() override;
  void fetch() override;
  std::vector<model::TensorView> answer() override;
  model::Outcome outcome() const override;

 private:
  std::vector<std::unique_ptr<model::Trial>> trials_;
  std::size_t last_ = 0;
};

}  // namespace ashlar::measure
