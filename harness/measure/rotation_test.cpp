#include "harness/measure/rotation.hpp"

#include <catch2/catch.hpp>

using namespace ashlar;
using measure::Rotation;
using measure::rotation_size;

namespace {

/// Writes down when it is executed, and answers with its number.
class Numbered final : public model::Trial {
 public:
  Numbered(double number, std::vector<double>& executed) : number_(number), executed_(executed) {}
  void prepare() override {}
  void execute(model::Stream) override {
    executed_.push_back(number_);
    answer_ = number_;
  }
  void reset() override {}
  bool in_place() const override { return false; }
  void poison() override { answer_ = -1; }
  void fetch() override {}
  std::vector<model::TensorView> answer() override {
    return {{"number", model::ElementType::f64, {1}, &answer_}};
  }
  model::Outcome outcome() const override {
    model::Outcome outcome;
    outcome.metrics["number"] = number_;
    return outcome;
  }

 private:
  double number_;
  double answer_ = 0;
  std::vector<double>& executed_;
};

Rotation rotation_of(int count, std::vector<double>& executed) {
  std::vector<std::unique_ptr<model::Trial>> trials;
  for (int i = 0; i < count; ++i) trials.push_back(std::make_unique<Numbered>(i, executed));
  return Rotation(std::move(trials));
}

double answer_of(Rotation& rotation) {
  return *static_cast<const double*>(rotation.answer().front().data);
}

}  // namespace

TEST_CASE("a rotation executes its bindings in turn and answers with the last one") {
  std::vector<double> executed;
  Rotation rotation = rotation_of(3, executed);
  for (int i = 0; i < 7; ++i) {
    rotation.execute(nullptr);
    CHECK(answer_of(rotation) == i % 3);
    CHECK(rotation.outcome().metrics.at("number") == i % 3);
  }
  CHECK(executed == std::vector<double>{0, 1, 2, 0, 1, 2, 0});
}

TEST_CASE("a poisoned rotation has no old answer left, whichever comes next") {
  std::vector<double> executed;
  Rotation rotation = rotation_of(2, executed);
  rotation.execute(nullptr);
  rotation.execute(nullptr);
  rotation.poison();
  CHECK(answer_of(rotation) == -1);
  rotation.execute(nullptr);
  CHECK(answer_of(rotation) == 0);
}

TEST_CASE("a rotation is larger than the caches, and bounded") {
  constexpr std::int64_t kMiB = 1 << 20;
  CHECK(rotation_size(kMiB, 64 * kMiB) == 65);
  CHECK(rotation_size(64 * kMiB, 64 * kMiB) == 2);
  CHECK(rotation_size(500 * kMiB, 64 * kMiB) == 2);
  CHECK(rotation_size(16, 64 * kMiB) == 4096);
  CHECK(rotation_size(0, 64 * kMiB) == 1025);  // unknown
  CHECK(rotation_size(-8, 64 * kMiB) == 1025);
}
