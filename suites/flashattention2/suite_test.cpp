// What the suite declares, where a claim hangs on it.
#include "suites/flashattention2/suite.hpp"

#include <catch2/catch.hpp>

#include "impls/core/parallel.hpp"
#include "suites/flashattention2/problem.hpp"

using namespace ashlar;
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

}  // namespace

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
