#include "suites/flashattention2/models.hpp"

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include "suites/flashattention2/suite.hpp"

using namespace ashlar;
using namespace ashlar::flashattention2::suite;

TEST_CASE("bytes of N x N matrices on the paper's grid") {
  // Head dimension 64: 32 heads; at 16384 tokens one matrix is 17.18 GB.
  const MatrixBytes full = pytorch_matrix_bytes(32, 16384, false);
  CHECK(full.least == 3 * 2.0 * 32 * 16384 * 16384);
  CHECK(full.most == 5 * 2.0 * 32 * 16384 * 16384);
  CHECK(pytorch_matrix_bytes(32, 16384, true).most == 6 * 2.0 * 32 * 16384 * 16384);
}

TEST_CASE("a model that does not fit runs out of memory, one that fits says how much it needs") {
  const model::Suite suite = make();
  const model::Experiment& memory = *suite.find("pytorch-memory");
  const auto run = [&](const char* name, std::int64_t seqlen, std::int64_t head_dim) {
    const model::Point at({{"seqlen", seqlen}, {"head_dim", head_dim}, {"causal", false}});
    const auto problem = memory.problem(at, 1);
    return memory.find(name)->study(problem.get());
  };
  CHECK_THROWS_AS(run("nothing-freed", 16384, 64), std::bad_alloc);
  CHECK(run("nothing-freed", 16384, 128).metrics.at("gigabytes") == Approx(42.95).epsilon(1e-3));
  CHECK(run("nothing-freed", 8192, 64).metrics.at("gigabytes") == Approx(42.95).epsilon(1e-3));
  CHECK(run("at-once", 16384, 64).metrics.at("gigabytes") == Approx(51.54).epsilon(1e-3));
  CHECK(run("flash", 16384, 64).metrics.at("gigabytes") < 0.2);
}

TEST_CASE("the training model meets the number that it takes, and is made of the formula's parts") {
  const TrainingModel small = training_model("13b");
  CHECK(training_rate(small, 2048, figure_4_rate("fa2", 2048), training_rest()) == Approx(196));
  // Without attention's share the rate is that of the rest, but for what the formula counts.
  const TrainingModel no_layers{0, 2048, 1e9};
  CHECK(training_rate(no_layers, 2048, 1, 150) == Approx(150));
  // Attention counts 12 in the formula and takes 7 at its own rate.
  const TrainingModel no_parameters{1, 2048, 0};
  CHECK(training_rate(no_parameters, 2048, 70, 1) == Approx(120));
  CHECK_THROWS_AS(training_model("7b"), std::invalid_argument);
  CHECK_THROWS_AS(figure_4_rate("fa2", 4096), std::invalid_argument);
}

TEST_CASE("the rates of the training model are those of the figure's file") {
  std::ifstream file(ASHLAR_SOURCE_DIR "/suites/flashattention2/reported/figure-4.csv");
  REQUIRE(file);
  const std::map<std::string, std::string> names = {
      {"pytorch", "none"}, {"fa1", "fa1"}, {"fa2", "fa2"}};
  int found = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    std::string row;
    std::string method;
    std::getline(cells, row, ',');
    std::getline(cells, method, ',');
    if (row != "a100-fb-hd128-c" || !names.contains(method)) continue;
    for (const std::int64_t seqlen : {512, 1024, 2048, 4096, 8192}) {
      std::string rate;
      REQUIRE(std::getline(cells, rate, ','));
      if (seqlen != 2048 && seqlen != 8192) continue;
      INFO(line);
      CHECK(figure_4_rate(names.at(method), seqlen) == std::stod(rate));
      ++found;
    }
  }
  CHECK(found == 6);
}
