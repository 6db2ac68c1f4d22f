#include "impls/bcd/digits.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "impls/bcd/mersenne.hpp"

namespace ashlar::bcd {
namespace digits_test {

using Catch::Matchers::Contains;

// A file that is gone with its test.
class File {
 public:
  explicit File(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("ashlar_bcd_digits_" + name)) {}
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
  void pack(const std::string& text) const {
    const gzFile out = gzopen(path_.c_str(), "wb");
    REQUIRE(gzwrite(out, text.data(), static_cast<unsigned>(text.size())) ==
            static_cast<int>(text.size()));
    REQUIRE(gzclose(out) == Z_OK);
  }

 private:
  std::filesystem::path path_;
};

std::string images(int count) {
  Mersenne random(9);
  std::string text;
  for (int image = 0; image < count; ++image) {
    for (int pixel = 0; pixel < 64; ++pixel) text += fmt::format("{}.000e+00,", random.integer(16));
    text += fmt::format("{}\n", image % 10);
  }
  return text;
}

std::string refusal(const File& file) {
  try {
    read_digits(file.path());
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("plain and compressed digits are the same", "[digits]") {
  const File plain("plain.csv"), packed("packed.csv.gz");
  plain.write(images(30));
  packed.pack(images(30));
  const Digits one = read_digits(plain.path());
  const Digits other = read_digits(packed.path());
  CHECK(one.count() == 30);
  CHECK(one.pixels.size() == 30 * 64);
  Mersenne random(9);
  for (const double pixel : one.pixels) REQUIRE(pixel == random.integer(16));
  CHECK(one.digits[13] == 3);
  CHECK(one.pixels == other.pixels);
  CHECK(one.digits == other.digits);
}

TEST_CASE("files that hold no digits are refused by line", "[digits]") {
  const File file("wrong.csv");
  CHECK_THAT(refusal(file), Contains(file.path().string() + ":1:1: cannot be opened"));
  file.write("");
  CHECK_THAT(refusal(file), Contains(":1:1: no image"));
  file.write(images(2) + "1,2,3\n");
  CHECK_THAT(refusal(file), Contains(":3:5: not 64 pixels and a digit"));
  std::string text = images(1);
  text.insert(text.size() - 2, "1,");
  file.write(text);
  CHECK_THAT(refusal(file), Contains("not 64 pixels and a digit"));
  text = images(1);
  text[0] = 'x';
  file.write(text);
  CHECK_THAT(refusal(file), Contains(":1:1: not a pixel"));
  text = images(1);
  text[text.size() - 2] = '-';
  file.write(text);
  CHECK_THAT(refusal(file), Contains("not a digit"));
  // Half of a compressed file.
  file.pack(images(50));
  std::filesystem::resize_file(file.path(), std::filesystem::file_size(file.path()) / 2);
  CHECK_THAT(refusal(file), Contains("cannot be unpacked"));
}

TEST_CASE("the environment says where the digits are", "[digits]") {
  const File file("found.csv");
  file.write(images(1));
  const char* const before = std::getenv("ASHLAR_DIGITS");
  const std::string kept = before != nullptr ? before : "";
  ::setenv("ASHLAR_DIGITS", file.path().c_str(), 1);
  CHECK(find_digits() == file.path());
  ::setenv("ASHLAR_DIGITS", "/nowhere", 1);
  CHECK(!find_digits());
  if (before != nullptr) {
    ::setenv("ASHLAR_DIGITS", kept.c_str(), 1);
  } else {
    ::unsetenv("ASHLAR_DIGITS");
  }
}

TEST_CASE("digits make a problem of label propagation", "[digits]") {
  const File file("many.csv");
  file.write(images(150));
  const Digits digits = read_digits(file.path());
  const Problem problem = make_digits(digits, 2);
  CHECK(problem.size() == 50);
  CHECK_NOTHROW(validate(problem));
  CHECK(problem.linear == make_digits(digits, 2).linear);
  CHECK(problem.linear != make_digits(digits, 3).linear);
  // As few images as have no 100 to be labelled.
  Digits few = digits;
  few.digits.resize(60);
  few.pixels.resize(60 * 64);
  CHECK_THROWS_AS(make_digits(few), std::invalid_argument);
}

TEST_CASE("scikit-learn's digits are what they were", "[digits]") {
  const auto file = find_digits();
  if (!file) {
    WARN("skipped: no digits.csv.gz; install python3-sklearn, or set ASHLAR_DIGITS");
    return;
  }
  const Digits digits = read_digits(*file);
  CHECK(digits.count() == 1797);
  double sum = 0;
  for (const double pixel : digits.pixels) sum += pixel;
  CHECK(sum == 561718);
  for (std::uint32_t seed = 1; seed <= 3; ++seed) {
    const Problem problem = make_digits(digits, seed);
    CHECK(problem.size() == 1697);
    CHECK_NOTHROW(validate(problem));
  }
}

}  // namespace digits_test
}  // namespace ashlar::bcd
