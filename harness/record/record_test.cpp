#include "harness/record/record.hpp"

#include <cmath>
#include <limits>
#include <string>

#include <catch2/catch.hpp>

#include "harness/record/generated.hpp"

namespace ashlar::record {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

TEST_CASE("every record survives its line of text, bit for bit") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    Generator generate(seed);
    const EventRecord event{generate.text(), generate.text(), generate.text(), generate.json()};
    for (const Record& record :
         {Record(generate.run()), Record(generate.timed()), Record(generate.check()),
          Record(generate.study()), Record(event)}) {
      const std::string line = to_json(record).dump();
      CHECK(line.find('\n') == std::string::npos);
      const Record again = from_json(Json::parse(line));
      CHECK(again.index() == record.index());
      CHECK(to_json(again).dump() == line);
    }
  }
}

TEST_CASE("a case comes back as it was") {
  Generator generate(7);
  CaseRecord record = generate.timed();
  record.samples_ns = {1, 2, 9'007'199'254'740'993};
  record.counters = {{"bytes", 0.1}, {"none", kInf}};
  record.point = Point({{"b", 1}, {"a", 2.5}});
  record.reason.reset();
  const auto again = std::get<CaseRecord>(from_json(Json::parse(to_json(record).dump())));
  CHECK(again.samples_ns == record.samples_ns);
  CHECK(again.counters == record.counters);
  CHECK(again.point == record.point);
  CHECK(again.point.axes().front().first == "b");
  CHECK(again.status == record.status);
  CHECK_FALSE(again.reason.has_value());
}

TEST_CASE("unknown is null and never omitted; schema and kind come first") {
  const Json json = to_json(CaseRecord());
  CHECK(json.begin().key() == "schema");
  CHECK((++json.begin()).key() == "kind");
  for (const char* field : {"reason", "stop_reason", "work", "prepare_ns", "peak_extra_bytes",
                            "workspace_bytes", "exit"})
    CHECK(json.at(field).is_null());
}

TEST_CASE("numbers that are not finite travel as words, in free JSON too") {
  CHECK(number_to_json(std::nan("")) == "nan");
  CHECK(number_to_json(kInf) == "inf");
  CHECK(number_to_json(-kInf) == "-inf");
  CHECK(std::isnan(number_from_json("nan")));
  CHECK(number_from_json("-inf") == -kInf);
  CHECK(number_from_json(3) == 3.0);
  CHECK_THROWS_WITH(number_from_json("NaN"), Catch::Contains("must be a number"));
  CHECK_THROWS_WITH(number_from_json(nullptr), Catch::Contains("not null"));

  CheckRecord check;
  check.norms = {{"out", {{"max_abs", kInf}, {"list", {1.0, std::nan("")}}}}};
  const Json json = to_json(check);
  CHECK(json["norms"]["out"]["max_abs"] == "inf");
  CHECK(json["norms"]["out"]["list"][1] == "nan");
}

TEST_CASE("errors name the field, what was wanted and what was found") {
  const auto broken = [](const char* field, const Json& value) {
    Json json = to_json(CaseRecord());
    json[field] = value;
    return json;
  };
  CHECK_THROWS_WITH(from_json(broken("round", "two")),
                    Catch::Equals("field 'round': must be an integer, not \"two\""));
  CHECK_THROWS_WITH(from_json(broken("round", 5'000'000'000)), Catch::Contains("32 bits"));
  CHECK_THROWS_WITH(from_json(broken("samples_ns", {1, 2.5})),
                    Catch::Equals("field 'samples_ns': element 1: must be an integer, not 2.5"));
  CHECK_THROWS_WITH(from_json(broken("status", "crashd")),
                    Catch::Contains("unknown status 'crashd'; did you mean 'crashed'?"));
  CHECK_THROWS_WITH(from_json(broken("schema", 2)),
                    Catch::Contains("this program reads schema 1, not 2"));
  CHECK_THROWS_WITH(from_json(broken("kind", "csae")), Catch::Contains("did you mean 'case'?"));
  CHECK_THROWS_WITH(from_json(broken("work", {{"flops", 1}, {"bytes", 1}})),
                    Catch::Contains("field 'work': field 'precision' is missing"));
  CHECK_THROWS_WITH(from_json(broken("counters", {{"n", true}})),
                    Catch::Contains("field 'counters': 'n': must be a number"));
  CHECK_THROWS_WITH(from_json(broken("point", {{"n", nullptr}})), Catch::Contains("field 'point'"));
  CHECK_THROWS_AS(from_json(Json::array()), std::invalid_argument);

  Json missing = to_json(CaseRecord());
  missing.erase("tier");
  CHECK_THROWS_WITH(from_json(missing), Catch::Equals("field 'tier' is missing (unknown is null)"));

  Json curves = to_json(StudyRecord());
  curves["curves"] = {{"iteration", {{"iteration", {1, 2}}, {"gap", {1.0}}}}};
  CHECK_THROWS_WITH(from_json(curves), Catch::Contains("column 'gap' has 1 values"));
}

}  // namespace
}  // namespace ashlar::record
