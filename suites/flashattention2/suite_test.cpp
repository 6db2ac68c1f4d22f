// What the suite declares, where a claim hangs on it.
#include "suites/flashattention2/suite.hpp"

#include <set>

#include <catch2/catch.hpp>

#include "impls/core/parallel.hpp"
#include "impls/flashattention2/cuda_tiled_launch.hpp"
#include "suites/flashattention2/methods.hpp"
#include "suites/flashattention2/problem.hpp"

using namespace ashlar;
using namespace ashlar::flashattention2;
using namespace ashlar::flashattention2::suite;

namespace {

/// Sets the thread count for one test.
class Threads {
 public:
  explicit Threads(int threads) : before_(core::thread_count()) { core::set_thread_count(threads); }
  ~Threads() { core::set_thread_count(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

AttentionProblem problem(std::int64_t heads) {
  return make_attention_problem(model::Point({{"seqlen", 64},
                                              {"head_dim", 64},
                                              {"causal", false},
                                              {"dtype", "f32"},
                                              {"heads", heads},
                                              {"batch", 1}}),
                                1);
}

/// Asks for memory as passes on a device do, of a device that is not there.
class AskingPass {
 public:
  struct Problem {
    std::size_t tensor_bytes() const { return 1000; }
  };
  explicit AskingPass(const AttentionParams&) {
    core::cuda::detail::count_allocation(kTensors + kWorkspace + kPassing);
    core::cuda::detail::count_allocation(-kPassing);
  }
  ~AskingPass() { core::cuda::detail::count_allocation(-(kTensors + kWorkspace)); }
  AskingPass(const AskingPass&) = delete;
  AskingPass& operator=(const AskingPass&) = delete;
  void execute(void*) {
    core::cuda::detail::count_allocation(while_executing);
    core::cuda::detail::count_allocation(-while_executing);
  }
  void poison() {}
  void fetch() {}
  Problem problem() const { return {}; }

  static constexpr std::ptrdiff_t kTensors = 1000;
  static constexpr std::ptrdiff_t kWorkspace = 64;
  static constexpr std::ptrdiff_t kPassing = 16;  // given back once it is made
  inline static std::ptrdiff_t while_executing = 0;
};

std::optional<std::string> never(const AttentionParams&) { return std::nullopt; }

double device_bytes(std::ptrdiff_t while_executing) {
  AskingPass::while_executing = while_executing;
  const AttentionProblem asked = problem(2);
  AttentionAnswer answer(asked);
  const auto method = forward_device_method<AskingPass>(never, no_workspace)();
  method->prepare(asked, answer);
  method->prepare(asked, answer);  // what was there before does not count
  method->execute(asked, answer, nullptr);
  // Other implementations come and go meanwhile.
  core::cuda::detail::count_allocation(1 << 20);
  method->execute(asked, answer, nullptr);
  core::cuda::detail::count_allocation(-(1 << 20));
  return method->outcome().counters.at("device_bytes");
}

std::set<std::pair<std::int64_t, std::int64_t>> lengths_and_batches(
    const model::Experiment& experiment, model::Mode mode) {
  std::set<std::pair<std::int64_t, std::int64_t>> found;
  for (const model::Point& point : experiment.points(mode))
    found.emplace(point.integer("seqlen"), point.integer("batch"));
  return found;
}

}  // namespace

TEST_CASE("device memory beside the tensors is counted while a pass is made and executes") {
  constexpr double kSaved = 2 * 64 * 4;  // lse of two heads
  CHECK(device_bytes(0) == kSaved + 64 + 16);
  CHECK(device_bytes(8) == kSaved + 64 + 16);
  CHECK(device_bytes(100) == kSaved + 64 + 100);
}

TEST_CASE("on a GPU the points are those of the papers") {
  using Lengths = std::set<std::pair<std::int64_t, std::int64_t>>;
  const model::Suite suite = make();
  const model::Experiment& ladder = *suite.find("hopper-ladder");
  CHECK(lengths_and_batches(ladder, model::Mode::gpu) == Lengths{{8448, 4}, {16384, 1}});
  CHECK(ladder.points(model::Mode::full).empty());
  // Each compiled tile is a point, and nothing else is.
  std::set<std::vector<std::int64_t>> tiles;
  for (const model::Point& point : suite.find("tiles-mma")->points(model::Mode::gpu))
    tiles.insert({point.integer("head_dim"), point.integer("row_block"), point.integer("key_block"),
                  point.integer("warps")});
  std::set<std::vector<std::int64_t>> compiled;
  for (const kernel::SweptTile& one : kernel::swept_tiles())
    compiled.insert({one.head_dim, one.tile.rows, one.tile.columns, one.tile.warps});
  CHECK(tiles == compiled);
  const auto heads = suite.find("heads")->points(model::Mode::gpu);
  CHECK(heads.size() == 9 * 2 * 2);
  std::set<std::int64_t> head_dims;
  for (const model::Point& point : suite.find("forward")->points(model::Mode::gpu))
    head_dims.insert(point.integer("head_dim"));
  CHECK(head_dims == std::set<std::int64_t>{64, 128, 256});
}

TEST_CASE("one thread is compared with several, at one head, and with nothing else") {
  const model::Suite suite = make();
  const model::Experiment& forward = *suite.find("forward");
  const AttentionProblem one_head = problem(1);
  const AttentionProblem two_heads = problem(2);
  for (const char* name : {"flash-one-thread", "fa1-order-one-thread"}) {
    INFO(name);
    const model::Implementation* implementation = forward.find(name);
    REQUIRE(implementation != nullptr);
    CHECK(implementation->options.threads == 1);
    {
      const Threads two(2);
      CHECK(implementation->supports(&one_head).yes);
      CHECK_FALSE(implementation->supports(&two_heads).yes);
    }
    const Threads one(1);
    const model::Support support = implementation->supports(&one_head);
    CHECK_FALSE(support.yes);
    CHECK(support.reason == "the run has one thread in all");
  }
}
