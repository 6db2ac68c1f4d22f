// Answers are NumPy 2.4's.
#include "impls/bcd/mersenne.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "impls/core/random.hpp"

namespace ashlar::bcd {
namespace mersenne_test {

// The C library's logarithm may differ in its last bit.
void check_normal(double got, double expected) {
  CHECK(std::fabs(got - expected) <=
        4 * std::numeric_limits<double>::epsilon() * std::fabs(expected));
}

TEST_CASE("words are those of the Mersenne Twister", "[mersenne]") {
  Mersenne standard(5489);
  CHECK(standard.word() == 3499211612U);
  for (int i = 2; i < 10000; ++i) standard.word();
  CHECK(standard.word() == 4123659995U);  // what the C++ standard requires of the 10000th

  Mersenne random(1);
  std::vector<std::uint32_t> words(1250);
  for (std::uint32_t& word : words) word = random.word();
  // Around the ends of the runs that a refill consists of.
  const std::vector<std::pair<int, std::uint32_t>> expected{
      {0, 1791095845U},    {1, 4282876139U},   {226, 2992811220U}, {227, 1994202740U},
      {228, 283468587U},   {622, 3906854836U}, {623, 2006116153U}, {624, 1104314680U},
      {1247, 1926754611U}, {1248, 3239719367U}};
  for (const auto& [place, word] : expected) CHECK(words[place] == word);
}

TEST_CASE("normals, uniforms, permutations and integers in one stream", "[mersenne]") {
  Mersenne random(1);
  for (const double expected : {1.6243453636632417, -0.6117564136500754, -0.5281717522634557,
                                -1.0729686221561705, 0.8654076293246785}) {
    check_normal(random.normal(), expected);
  }
  // The sixth normal waits while others draw.
  CHECK(random.uniform() == 0.4191945144032948);
  CHECK(random.uniform() == 0.6852195003967595);
  CHECK(random.uniform() == 0.20445224973151743);
  CHECK(random.permutation(10) == std::vector<Index>{8, 3, 5, 9, 0, 6, 1, 7, 4, 2});
  std::vector<std::uint32_t> integers(5);
  for (std::uint32_t& one : integers) one = random.integer(999);
  CHECK(integers == std::vector<std::uint32_t>{393, 7, 319, 829, 534});
  check_normal(random.normal(), -2.3015386968802827);
  check_normal(random.normal(), 1.118296977299658);
}

TEST_CASE("many normals from the largest seed", "[mersenne]") {
  Mersenne random(4294967295U);
  double squares = 0, weighted = 0;
  for (int i = 1; i <= 10001; ++i) {
    const double normal = random.normal();
    squares += normal * normal;
    weighted += normal * i;
  }
  CHECK(squares == Approx(9920.87539266829).epsilon(1e-13));
  CHECK(weighted == Approx(-40934.6351852769).epsilon(1e-12));
  CHECK(random.uniform() == 0.25079890705661156);
  check_normal(random.normal(), 0.4967521367870198);
  check_normal(random.normal(), 0.5263515039116313);
}

TEST_CASE("permutations and integers of every size", "[mersenne]") {
  Mersenne random(0);
  CHECK(random.permutation(1) == std::vector<Index>{0});
  CHECK(random.permutation(0).empty());
  CHECK(random.permutation(2) == std::vector<Index>{1, 0});
  CHECK(random.permutation(7) == std::vector<Index>{6, 2, 1, 4, 3, 0, 5});
  for (int i = 0; i < 3; ++i) CHECK(random.integer(0) == 0);  // draws nothing
  std::vector<std::uint32_t> octal(12);
  for (std::uint32_t& one : octal) one = random.integer(7);
  CHECK(octal == std::vector<std::uint32_t>{5, 2, 4, 7, 6, 0, 0, 4, 2, 1, 6, 7});
  CHECK(random.uniform() == 0.5288949197529045);

  const std::vector<Index> large = Mersenne(3).permutation(100000);
  CHECK(core::fnv1a_bytes(large.data(), large.size() * sizeof(Index)) == 0x24d3763690e8c8dU);
}

TEST_CASE("a choice starts a permutation", "[mersenne]") {
  Mersenne random(7), again(7);
  const std::vector<Index> first = random.choice(2500, 8);
  CHECK(first == std::vector<Index>{170, 2225, 2450, 997, 240, 432, 474, 921});
  again.permutation(2500);
  CHECK(random.choice(50, 6) == std::vector<Index>{28, 23, 40, 18, 45, 29});
  CHECK(again.permutation(50)[5] == 29);
  CHECK(random.word() == again.word());
  CHECK(random.choice(3, 0).empty());
  CHECK(random.choice(3, 3).size() == 3);
  CHECK_THROWS_AS(random.choice(3, 4), std::invalid_argument);
  CHECK_THROWS_AS(random.choice(3, -1), std::invalid_argument);
}

TEST_CASE("skipping normals leaves the stream as drawing them does", "[mersenne]") {
  for (int before = 0; before < 3; ++before) {
    for (int skipped = 0; skipped < 8; ++skipped) {
      Mersenne drawn(11), skipping(11);
      for (int i = 0; i < before; ++i) {
        drawn.normal();
        skipping.normal();
      }
      for (int i = 0; i < skipped; ++i) drawn.normal();
      skipping.skip_normals(skipped);
      INFO(before << " before, " << skipped << " skipped");
      CHECK(drawn.normal() == skipping.normal());
      CHECK(drawn.normal() == skipping.normal());
      CHECK(drawn.word() == skipping.word());
    }
  }
}

}  // namespace mersenne_test
}  // namespace ashlar::bcd
