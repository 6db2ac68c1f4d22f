#include "harness/run/tensor_file.hpp"

#include <unistd.h>

#include <fstream>

#include <catch2/catch.hpp>

using namespace ashlar::run;
using namespace ashlar::model;

namespace {

std::filesystem::path scratch(const char* name) {
  return std::filesystem::temp_directory_path() / (std::to_string(getpid()) + name);
}

}  // namespace

TEST_CASE("tensors come back as they were written") {
  const auto path = scratch("round-trip.safetensors");
  std::vector<float> x = {1.5f, -2.0f, 3.25f, 0, 5, 6};
  std::vector<std::uint16_t> h = {0x3f80, 0xffff};
  std::vector<double> none;
  write_tensors(path, {{"x", ElementType::f32, {2, 3}, x.data()},
                       {"h", ElementType::bf16, {2}, h.data()},
                       {"empty", ElementType::f64, {0}, none.data()}});
  std::vector<OwnedTensor> read = read_tensors(path);
  std::filesystem::remove(path);
  REQUIRE(read.size() == 3);
  CHECK(read[0].name == "x");
  CHECK(read[0].shape == std::vector<std::int64_t>{2, 3});
  CHECK(read[0].view().value(2) == 3.25);
  CHECK(read[1].type == ElementType::bf16);
  CHECK(read[2].view().size() == 0);
}

TEST_CASE("a damaged file is an error that names it") {
  const auto path = scratch("damaged.safetensors");
  std::vector<float> x(100, 1.0f);
  write_tensors(path, {{"x", ElementType::f32, {100}, x.data()}});
  const auto size = std::filesystem::file_size(path);
  for (const std::uintmax_t kept :
       {std::uintmax_t{0}, std::uintmax_t{5}, std::uintmax_t{20}, size - 1}) {
    std::filesystem::resize_file(path, kept);
    CHECK_THROWS_WITH(read_tensors(path), Catch::Contains("damaged.safetensors"));
  }
  std::ofstream(path, std::ios::binary)
      << std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8) << "garbage";
  CHECK_THROWS_WITH(read_tensors(path), Catch::Contains("header too long"));
  std::filesystem::remove(path);
  CHECK_THROWS_WITH(read_tensors(path), Catch::Contains("cannot open"));
}
