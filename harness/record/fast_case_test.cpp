#include "harness/record/fast_case.hpp"

#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "harness/record/generated.hpp"

namespace ashlar::record {
namespace {

using detail::FastCaseReader;

#ifdef ASHLAR_HAVE_SIMDJSON
constexpr bool kFast = true;
#else
constexpr bool kFast = false;
#endif

/// The reader wants readable bytes behind a line; what they hold must not matter.
class Padded {
 public:
  explicit Padded(const std::string& line) : size_(line.size()), bytes_(line) {
    for (std::size_t i = 0; i < FastCaseReader::kPadding; ++i) bytes_ += "\n{\"],1:"[i % 7];
  }
  std::string_view line() const { return std::string_view(bytes_).substr(0, size_); }

 private:
  std::size_t size_;
  std::string bytes_;
};

std::string text_of(const CaseRecord& record) { return to_json(Record(record)).dump(); }

/// What the definition says of the line; empty where it is an error.
std::string by_definition(const std::string& line) {
  try {
    const Json json = Json::parse(line, nullptr, false);
    return json.is_discarded() ? "" : to_json(from_json(json)).dump();
  } catch (const std::invalid_argument&) {
    return "";
  }
}

TEST_CASE("the fast reader reads what the writer writes, and as from_json does") {
  FastCaseReader reader;
  for (unsigned seed = 0; seed < 500; ++seed) {
    Generator generate(seed);
    const std::string line = text_of(generate.timed());
    const auto record = reader.read(Padded(line).line());
    REQUIRE(record.has_value() == kFast);
    if (record) CHECK(text_of(*record) == line);
  }
}

TEST_CASE("the fast reader leaves other kinds and other orders alone") {
  FastCaseReader reader;
  Generator generate(1);
  const auto left = [&](const std::string& line) { return !reader.read(Padded(line).line()); };
  CHECK(left(to_json(Record(generate.run())).dump()));
  CHECK(left(to_json(Record(generate.study())).dump()));
  CHECK(left(to_json(Record(generate.check())).dump()));
  Json json = to_json(Record(generate.timed()));
  json["more"] = 1;
  CHECK(left(json.dump()));
  json.erase("more");
  json.erase("tier");
  CHECK(left(json.dump()));
  json["tier"] = "late";
  CHECK(left(json.dump()));
  CHECK(left(""));
  CHECK(left("[]"));
  CHECK(left(R"({"schema":2,"kind":"case"})"));
  CHECK(left(text_of(generate.timed()) + "}"));
  CHECK(left(text_of(generate.timed()) + " {}"));
}

TEST_CASE("what the fast reader takes of a damaged line is what from_json takes") {
  FastCaseReader reader;
  std::mt19937_64 random(3);
  const std::string kLetters = "{}[]\",:0123456789.eE+-\\ntfu \x01\xff";
  std::size_t taken = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    Generator generate(seed);
    const std::string whole = text_of(generate.timed());
    for (int trial = 0; trial < 40; ++trial) {
      std::string line = whole;
      for (auto changes = 1 + random() % 2; changes > 0; --changes) {
        const std::size_t at = random() % line.size();
        const char letter = kLetters[random() % kLetters.size()];
        switch (random() % 4) {
          case 0:
            line.erase(at, 1 + random() % 3);
            break;
          case 1:
            line.insert(at, 1, letter);
            break;
          case 2:
            line.resize(at + 1);
            break;
          default:
            line[at] = letter;
        }
      }
      const auto record = reader.read(Padded(line).line());
      if (!record) continue;
      ++taken;
      INFO(line);
      CHECK(text_of(*record) == by_definition(line));
    }
  }
  CHECK((taken > 100) == kFast);
}

}  // namespace
}  // namespace ashlar::record
