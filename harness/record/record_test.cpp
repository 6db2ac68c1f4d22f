#include "harness/record/record.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include <catch2/catch.hpp>

namespace ashlar::record {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Records with arbitrary contents, to find fields that do not come back.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  bool flag() { return number(2) == 1; }
  std::int64_t number(std::int64_t below) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
  }
  std::string text() {
    static const std::vector<std::string> kTexts = {
        "", "plain", "quote\" back\\slash", "line\nbreak\ttab", "\u00fcml\u00e4ut \u2265", "nan"};
    return kTexts.at(static_cast<std::size_t>(number(6)));
  }
  double real() {
    switch (number(6)) {
      case 0:
        return kInf;
      case 1:
        return -kInf;
      case 2:
        return 0.1 + static_cast<double>(number(1000)) / 7;
      case 3:
        return std::numeric_limits<double>::denorm_min();
      case 4:
        return -0.0;
      default:
        return std::numeric_limits<double>::max();
    }
  }
  template <class T, class Make>
  std::optional<T> maybe(Make make) {
    if (flag()) return std::nullopt;
    return T(make());
  }
  template <class T, class Make>
  std::vector<T> several(Make make) {
    std::vector<T> values(static_cast<std::size_t>(number(4)));
    for (T& value : values) value = T(make());
    return values;
  }
  std::map<std::string, double> numbers() {
    std::map<std::string, double> values;
    for (auto n = number(3); n > 0; --n) values["name" + std::to_string(n)] = real();
    return values;
  }
  Point point() {
    return Point({{"seqlen", number(5000)},
                  {"causal", flag()},
                  {"rate", 0.25 * static_cast<double>(number(9))},
                  {"dtype", "bf16"}});
  }
  Json json() { return flag() ? Json(nullptr) : Json{{"z", 1}, {"a", {1.5, "x", nullptr}}}; }
  Status status() { return static_cast<Status>(number(8)); }
  Exit exit() {
    return {maybe<int>([&] { return number(9); }), maybe<int>([&] { return number(9); }), flag()};
  }

  template <class R>
  void identity(R& r) {
    r.run_id = text();
    r.case_id = text();
    r.key = text();
    r.suite = text();
    r.experiment = text();
    r.point = point();
    r.implementation = text();
  }
  CaseRecord timed() {
    CaseRecord r;
    identity(r);
    r.plan_hash = text();
    r.tier = text();
    r.device = text();
    r.round = static_cast<int>(number(9));
    r.status = status();
    r.reason = maybe<std::string>([&] { return text(); });
    r.samples_ns = several<std::int64_t>([&] { return number(1'000'000'000'000); });
    r.cpu_ns = several<std::int64_t>([&] { return number(1'000'000'000'000); });
    r.batch = number(1000);
    r.warmups = static_cast<int>(number(9));
    r.stop_reason = maybe<std::string>([&] { return text(); });
    r.flags = several<std::string>([&] { return text(); });
    r.work = maybe<Work>([&] { return Work{real(), real(), text()}; });
    r.counters = numbers();
    r.metrics = numbers();
    r.prepare_ns = maybe<std::int64_t>([&] { return number(1000); });
    r.peak_extra_bytes = maybe<std::int64_t>([&] { return number(1000); });
    r.workspace_bytes = maybe<std::int64_t>([&] { return number(1000); });
    r.threads = static_cast<int>(number(9));
    r.exit = maybe<Exit>([&] { return exit(); });
    return r;
  }
  StudyRecord study() {
    StudyRecord r;
    identity(r);
    r.plan_hash = text();
    r.tier = text();
    r.device = text();
    r.seed = static_cast<std::uint64_t>(number(100));
    r.status = status();
    r.reason = maybe<std::string>([&] { return text(); });
    r.metrics = numbers();
    r.counters = numbers();
    const auto rows = static_cast<std::size_t>(number(4));
    for (const char* name : {"iteration", "epoch"}) {
      for (const char* column : {"z-first", "gap", "a-last"}) {
        std::vector<double> values(rows);
        for (double& value : values) value = real();
        r.curves[name].emplace_back(column, values);
      }
    }
    r.wall_ns = maybe<std::int64_t>([&] { return number(1000); });
    r.exit = maybe<Exit>([&] { return exit(); });
    return r;
  }
  CheckRecord check() {
    CheckRecord r;
    identity(r);
    r.round = static_cast<int>(number(9));
    r.control = flag();
    r.oracle = text();
    r.accepted = flag();
    r.norms = json();
    r.limit = json();
    r.mismatch = maybe<std::string>([&] { return text(); });
    return r;
  }
  RunRecord run() {
    RunRecord r;
    r.run_id = text();
    r.plan_hash = text();
    r.argv = several<std::string>([&] { return text(); });
    r.started = text();
    r.mode = text();
    r.seed = std::numeric_limits<std::uint64_t>::max() - static_cast<std::uint64_t>(number(9));
    r.threads = static_cast<int>(number(9));
    r.build = json();
    r.machine_id = text();
    r.machine = json();
    r.calibration = json();
    r.experiments = json();
    return r;
  }

 private:
  std::mt19937_64 random_;
};

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
