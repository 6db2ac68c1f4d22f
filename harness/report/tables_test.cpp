#include "harness/report/tables.hpp"

#include <catch2/catch.hpp>

#include "harness/report/made_up.hpp"

namespace ashlar::report {

using Catch::Contains;
using made_up::kRun;
using record::RecordSet;
using record::Status;

namespace {

/// One length, three implementations: standard 4 ms, flash 2 ms, naive as given.
RecordSet small(int rounds = 1, int samples = 15) {
  RecordSet records;
  records.runs.push_back(made_up::run_record(kRun));
  for (const std::int64_t seqlen : {1024, 2048}) {
    const auto point = made_up::attention_point(seqlen, 64, false, "f32");
    for (int round = 0; round < rounds; ++round) {
      records.cases.push_back(
          made_up::case_record(kRun, point, "standard", "peer", 4e6, round, samples));
      records.cases.push_back(
          made_up::case_record(kRun, point, "flash", "optimized", 2e6, round, samples));
    }
  }
  return records;
}

std::string text_of(const RecordSet& records, Format format = Format::markdown,
                    Layout layout = Layout::wide) {
  TableOptions options;
  options.format = format;
  options.layout = layout;
  return timing_table(records, options);
}

/// The line that holds all of the words.
std::string line_with(const std::string& text, const std::vector<std::string>& words) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (std::all_of(words.begin(), words.end(),
                    [&](const std::string& word) { return line.find(word) != std::string::npos; }))
      return line;
  }
  return "";
}

}  // namespace

TEST_CASE("a wide table says time, rate, speed-up and where", "[report]") {
  const std::string text = text_of(small());
  CHECK_THAT(text,
             Contains("## AMD EPYC 9755 128-Core Processor, 2 threads, machine amd-epyc-zen5-2c"));
  CHECK_THAT(text, Contains("run 20260704T101500-ab12") && Contains("mode quick, seed 42"));
  CHECK_THAT(text, Contains("cpu with 2 threads: f32 447 GFLOP/s"));
  CHECK_THAT(text, Contains("### attention / forward"));
  // Axes with one value stand in the heading; columns come in the declared order.
  CHECK_THAT(text, Contains("At head_dim = 64, causal = false, dtype = f32."));
  CHECK_THAT(text, Contains("| seqlen |        standard |           flash |"));
  CHECK_THAT(line_with(text, {"1024", "ms"}), Contains("4.000 ms ±1.0 %") && Contains("2.000 ms"));
  // 4 * 1024^2 * 64 * 4 FLOP in 2 ms are 536.9 GFLOP/s, more than the made-up peak of 447.
  CHECK_THAT(line_with(text, {"1024", "%)"}),
             Contains("268.4 (60.1 %)") && Contains("536.9 (120.1 %)"));
  CHECK_THAT(text, Contains("A share above 100 % means"));
  CHECK_THAT(line_with(text, {"1024", "x"}), Contains("2.00x [2.00, 2.00]"));
  CHECK_THAT(line_with(text, {"geometric mean"}), Contains("2.00x"));
  CHECK_THAT(text, !Contains("over naive"));  // declared, but without a time here
  CHECK_THAT(text, Contains("Rounds: 1. Samples, all rounds together: standard 15, flash 15."));
}

TEST_CASE("cells without a time say why", "[report]") {
  RecordSet records = small();
  const auto point = made_up::attention_point(1024, 64, false, "f32");
  auto naive = made_up::case_record(kRun, point, "naive", "naive", 1e9);
  made_up::refuse(naive, Status::crashed, "signal 11 | segmentation fault");
  records.cases.push_back(naive);
  auto chunked = made_up::case_record(kRun, point, "chunked", "peer", 3e6);
  made_up::refuse(chunked, Status::unsupported, "head_dim must be 128");
  records.cases.push_back(chunked);
  records.cases.push_back(made_up::case_record(
      kRun, made_up::attention_point(2048, 64, false, "f32"), "chunked", "peer", 3e6));
  const std::string text = text_of(records);
  CHECK_THAT(text, Contains("crashed [1]") && Contains("unsupported [2]"));
  CHECK_THAT(text, Contains("[1] signal 11 | segmentation fault"));
  CHECK_THAT(text, Contains("[2] head_dim must be 128"));
  CHECK_THAT(text_of(records, Format::latex), Contains("crashed {[}1]"));
  CHECK_THAT(text_of(records, Format::csv), Contains(",crashed,signal 11 | segmentation fault,"));
}

TEST_CASE("what is unsupported at every point has a line instead of a column", "[report]") {
  RecordSet records = small();
  for (const std::int64_t seqlen : {1024, 2048}) {
    const auto point = made_up::attention_point(seqlen, 64, false, "f32");
    for (const char* name : {"chunked", "naive", "reference"}) {
      auto record = made_up::case_record(kRun, point, name, "peer", 3e6);
      // The reference's reasons differ: they stay in its cells.
      const std::string reason = name == std::string("reference")
                                     ? "too long: " + std::to_string(seqlen)
                                     : "no device: driver (too old)";
      made_up::refuse(record, Status::unsupported, reason);
      records.cases.push_back(record);
    }
  }
  std::string text = text_of(records);
  CHECK_THAT(text, Contains("Unsupported at every point: naive and chunked (no device: driver (too "
                            "old)).") &&
                       Contains("unsupported [1]") && Contains("[2] too long: 2048"));
  CHECK_THAT(line_with(text, {"| seqlen"}), !Contains("chunked") && Contains("reference"));
  CHECK_THAT(text_of(records, Format::markdown, Layout::long_), Contains("| chunked"));
  CHECK_THAT(text_of(records, Format::csv), Contains("chunked,"));
  CHECK(model::Json::parse(text_of(records, Format::json)).size() == 10);
  // A table of nothing else keeps its columns.
  std::erase_if(records.cases, [](const auto& record) { return record.status == Status::ok; });
  std::erase_if(records.cases,
                [](const auto& record) { return record.implementation == "reference"; });
  text = text_of(records);
  CHECK_THAT(line_with(text, {"| seqlen"}), Contains("naive") && Contains("chunked"));
}

TEST_CASE("one bad round is not hidden by good ones", "[report]") {
  RecordSet records = small(3);
  made_up::refuse(records.cases[3], Status::timeout, "deadline of 30 s passed");
  std::string text = text_of(records);
  CHECK_THAT(text, Contains("timeout [1]"));
  CHECK_THAT(text, Contains("deadline of 30 s passed (1 of 3 rounds)"));
  // A wrong answer outranks everything, and its times do not appear anywhere.
  made_up::refuse(records.cases[5], Status::wrong, "max_abs 3 above 1e-5");
  text = text_of(records, Format::json);
  const auto rows = model::Json::parse(text);
  CHECK(rows[1]["status"] == "wrong");
  CHECK(rows[1]["median_ns"].is_null());
  CHECK(rows[1]["speedup_over_standard"].is_null());
}

TEST_CASE("few samples have a range, not an interval", "[report]") {
  CHECK_THAT(text_of(small(1, 3)), Contains("(±"));
  CHECK_THAT(text_of(small(1, 3), Format::markdown, Layout::long_), Contains("ms ("));
  const auto rows = model::Json::parse(text_of(small(1, 1), Format::json));
  CHECK(rows[0]["samples"] == 1);
  CHECK(rows[0]["median_low_ns"].is_null());
  CHECK(rows[0]["interval_covers_95_percent"].is_null());
}

TEST_CASE("several rounds are resampled as rounds", "[report]") {
  RecordSet records;
  records.runs.push_back(made_up::run_record(kRun));
  const auto point = made_up::attention_point(1024, 64, false, "f32");
  // Rounds that differ more than samples within them: the interval must span the rounds.
  for (int round = 0; round < 4; ++round) {
    records.cases.push_back(
        made_up::case_record(kRun, point, "flash", "optimized", 2e6 * (1 + 0.1 * round), round));
  }
  const auto rows = model::Json::parse(text_of(records, Format::json));
  CHECK(rows[0]["rounds"] == 4);
  CHECK(rows[0]["samples"] == 60);
  CHECK(rows[0]["median_low_ns"].get<double>() < 2.1e6);
  CHECK(rows[0]["median_high_ns"].get<double>() > 2.5e6);
}

TEST_CASE("the ratio pairs what both sides have", "[report]") {
  RecordSet records;
  records.runs.push_back(made_up::run_record(kRun));
  const auto point = made_up::attention_point(1024, 64, false, "f32");
  // A drift of five times over the sweeps that hits both alike leaves the ratio at two.
  auto standard = made_up::case_record(kRun, point, "standard", "peer", 4e6);
  auto flash = made_up::case_record(kRun, point, "flash", "optimized", 2e6);
  for (std::size_t i = 0; i < standard.samples_ns.size(); ++i) {
    standard.samples_ns[i] = 4000000 + 1000000 * static_cast<std::int64_t>(i);
    flash.samples_ns[i] = standard.samples_ns[i] / 2;
  }
  standard.samples_ns.resize(9);
  records.cases = {standard, flash};
  auto rows = model::Json::parse(text_of(records, Format::json));
  CHECK(rows[1]["speedup_over_standard"].get<double>() == Approx(2.0));
  CHECK(rows[1]["speedup_over_standard_high"].get<double>() == Approx(2.0));
  // Without a common round there is a ratio of medians, and no interval.
  records.cases[1].round = 1;
  rows = model::Json::parse(text_of(records, Format::json));
  CHECK(rows[1]["speedup_over_standard"].get<double>() > 1.0);
  CHECK(rows[1]["speedup_over_standard_low"].is_null());
}

TEST_CASE("runs are never mixed", "[report]") {
  RecordSet records = small();
  const RecordSet other = [] {
    RecordSet set = small();
    set.runs[0].run_id = "other-run";
    set.runs[0].machine_id = "intel-xeon-2c";
    for (auto& record : set.cases) {
      record.run_id = "other-run";
      for (auto& sample : record.samples_ns) sample *= 10;
    }
    return set;
  }();
  records.runs.push_back(other.runs[0]);
  records.cases.insert(records.cases.end(), other.cases.begin(), other.cases.end());
  const std::string text = text_of(records);
  CHECK_THAT(text, Contains("run 20260704T101500-ab12") && Contains("run other-run"));
  CHECK_THAT(text, Contains("machine amd-epyc-zen5-2c") && Contains("machine intel-xeon-2c"));
  CHECK_THAT(text, Contains("4.000 ms") && Contains("40.00 ms"));
  const auto rows = model::Json::parse(text_of(records, Format::json));
  CHECK(rows.size() == 8);
  CHECK(rows[4]["run_id"] == "other-run");
  CHECK(rows[4]["samples"] == 15);
}

TEST_CASE("filters select, and nothing left is an error with a reason", "[report]") {
  const RecordSet records = small();
  TableOptions options;
  options.filter.where = {{"seqlen", {2048}}};
  CHECK_THAT(timing_table(records, options), !Contains("| 1024"));
  options.filter.only = "/flash$";
  CHECK_THAT(timing_table(records, options), !Contains("standard |"));
  options.filter.skip = "flash";
  CHECK_THROWS_WITH(timing_table(records, options), Contains("no record passes the filter"));
  options.filter.only = "(";
  CHECK_THROWS_AS(timing_table(records, options), std::invalid_argument);
  CHECK_THROWS_WITH(timing_table(RecordSet{}), Contains("hold no timed case"));
  CHECK_THROWS_WITH(tables(RecordSet{}), Contains("no case and no study"));
}

TEST_CASE("a table shows what it is asked for", "[report]") {
  RecordSet records = small();
  TableOptions options;
  options.show = {Quantity::speedup, Quantity::rate};
  std::string text = timing_table(records, options);
  CHECK_THAT(text, Contains("**GFLOP/s**") && Contains("**Speed-up over standard**"));
  CHECK_THAT(text, !Contains("Time per execution") && !Contains("Samples"));
  CHECK_THAT(timing_table(records), !Contains("**GB/s**"));
  options.show = {Quantity::bandwidth};
  text = timing_table(records, options);
  CHECK_THAT(text, Contains("**GB/s** (share of the bandwidth of copies"));
  CHECK_THAT(text, !Contains(" %, "));
  for (Json& team : records.runs[0].calibration["teams"]) team["read_gb_per_s"] = {{"rate", 30.0}};
  text = timing_table(records, options);
  CHECK_THAT(text, Contains("(shares of the bandwidth of copies and of that of reads"));
  CHECK_THAT(text, Contains(" %, ") && Contains("reads 30 GB/s"));
  options.show = {Quantity::memory};
  CHECK_THROWS_WITH(timing_table(records, options), Contains("nothing of what --show asks for"));
  options.show = {Quantity::metric};
  CHECK_THAT(tables(made_up::descent_study(2), options), Contains("**gap, lower is better**"));
  for (const Format format : {Format::csv, Format::json}) {
    options.format = format;
    CHECK_THROWS_AS(timing_table(records, options), std::invalid_argument);
  }
  options.format = Format::latex;
  options.layout = Layout::long_;
  CHECK_THROWS_AS(timing_table(records, options), std::invalid_argument);
  CHECK(parse_quantity("speedup") == Quantity::speedup);
  CHECK_THROWS_WITH(parse_layout("wdie"), Contains("did you mean 'wide'"));
}

TEST_CASE("a compact table has no headings and says where it comes from", "[report]") {
  RecordSet records = small();
  auto absent = made_up::case_record(kRun, made_up::attention_point(1024, 64, false, "f32"),
                                     "naive", "naive", 1e9);
  made_up::refuse(absent, Status::unsupported, "no device");
  records.cases.push_back(absent);
  const std::string text = text_of(records, Format::markdown, Layout::compact);
  CHECK_THAT(text, !Contains("#") && !Contains("Samples") && !Contains("Peaks"));
  CHECK_THAT(text, Contains("**Time per execution** (median)") && Contains("4.000 ms ±1.0 %"));
  CHECK_THAT(text, Contains("Unsupported at every point: naive (no device)."));
  CHECK_THAT(text,
             Contains("attention / forward at head_dim = 64, causal = false, dtype = f32. AMD "
                      "EPYC 9755 128-Core Processor, 2 threads, machine amd-epyc-zen5-2c; run "
                      "20260704T101500-ab12 of 2026-07-04T10:15:00Z, mode quick, seed 42."));
  CHECK(text.ends_with("\n"));
  CHECK_FALSE(text.ends_with("\n\n"));
}

TEST_CASE("a filter that names what no record has is refused", "[report]") {
  const RecordSet records = small();
  const auto refused = [&](const Filter& filter) {
    try {
      view(records, filter);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(refused({.suites = {"atention"}}), Contains("did you mean 'attention'"));
  CHECK_THAT(refused({.experiments = {"forward", "backward"}}),
             Contains("no experiment 'backward'"));
  CHECK_THAT(refused({.where = {{"seqln", {1024}}}}), Contains("did you mean 'seqlen'"));
  CHECK_THAT(refused({.where = {{"seqlen", {1024, 1025}}}}),
             Contains("no value '1025'") && Contains("it has 1024, 2048"));
  CHECK_THAT(refused({.runs = {"20260704T101500-ab13"}}),
             Contains("did you mean '20260704T101500-ab12'"));
  CHECK(refused({.suites = {"attention"}, .where = {{"dtype", {"f32"}}}}).empty());
  CHECK(view(RecordSet{}, {.suites = {"anything"}}).empty());
}

TEST_CASE("records without their run record still make a table", "[report]") {
  RecordSet records = small();
  records.runs.clear();
  const std::string text = text_of(records);
  CHECK_THAT(text, Contains("unknown machine") && Contains("its run record is missing"));
  CHECK_THAT(text, Contains("4.000 ms") && !Contains("Peaks measured"));
}

TEST_CASE("a case that ended well without samples says so", "[report]") {
  RecordSet records = small();
  records.cases.resize(1);
  records.cases[0].samples_ns.clear();
  CHECK_THAT(text_of(records), Contains("no samples"));
  CHECK_THAT(text_of(records, Format::markdown, Layout::long_), Contains("no samples"));
}

TEST_CASE("long rows hold every field with its unit", "[report]") {
  const RecordSet records = small();
  const std::string csv = text_of(records, Format::csv);
  const std::string header = csv.substr(0, csv.find('\n'));
  for (const char* field : {"run_id", "machine_id", "point.seqlen", "implementation", "case_id",
                            "median_ns", "median_low_ns", "median_high_ns", "min_ns",
                            "rate_flop_per_s", "share_of_peak", "speedup_over_standard",
                            "speedup_over_naive_low", "peak_extra_bytes", "prepare_ns", "flags"})
    CHECK_THAT(header, Contains(field));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 5);
  const std::string text = text_of(records, Format::markdown, Layout::long_);
  CHECK_THAT(text, Contains("2.000 ms [1.980, 2.020]") && Contains("1 / 15"));
}

TEST_CASE("a machine that changed during the run is said to have", "[report]") {
  RecordSet records = small();
  record::EventRecord end;
  end.run_id = kRun;
  end.event = "calibration";
  end.details["teams"] = model::Json::array(
      {{{"threads", 2}, {"f32_gflops", {{"rate", 600.0}}}, {"copy_gb_per_s", {{"rate", 21.1}}}}});
  records.events.push_back(end);
  const std::string text = text_of(records);
  CHECK_THAT(text, Contains("Changed between start and end: f32 of cpu with 2 threads by 34.2 %"));
  CHECK_THAT(text, Contains("(44.7 %)"));  // 268.4 of the larger peak, 600
}

TEST_CASE("a study shows median and range over seeds", "[report]") {
  RecordSet records = made_up::descent_study(5);
  std::string text = tables(records);
  CHECK_THAT(text,
             Contains("**gap, lower is better**") && Contains("**seconds (s), lower is better**"));
  CHECK_THAT(text, Contains("block (coordinates)") && Contains("At rule = greedy."));
  CHECK_THAT(text, Contains("0.7000 [0.5000, 0.9000]"));
  CHECK_THAT(text, Contains("over 5 seeds"));
  CHECK_THROWS_AS(timing_table(records), NothingToShow);
  records.studies[0].metrics["gap"] = std::nan("");
  records.studies[5].status = Status::failed;
  records.studies[5].reason = "did not converge";
  text = study_table(records);
  CHECK_THAT(text, Contains("nan") && Contains("failed [1]"));
  CHECK_THAT(text, Contains("[1] did not converge (1 of 5 seeds)"));
  TableOptions options;
  options.format = Format::json;
  const auto rows = model::Json::parse(study_table(records, options));
  CHECK(rows[0]["median"] == "nan");
  for (auto& record : records.studies) {
    if (record.implementation != "random") continue;
    record.status = Status::unsupported;
    record.reason = "no dice";
  }
  text = study_table(records);
  CHECK_THAT(text, Contains("Unsupported at every point: random (no dice)."));
  CHECK_THAT(line_with(text, {"| block"}), !Contains("random"));
}

}  // namespace ashlar::report
