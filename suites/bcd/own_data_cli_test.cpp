// A user's own data from the command line: small files, good ones and all kinds of bad ones.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include <catch2/catch.hpp>

#include "harness/record/file.hpp"
#include "harness/testing/program.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using Catch::Contains;

namespace {

/// Labels by two features, with a third that is never used and one that stands in two rows.
std::string rows_of(int count, const std::function<std::string(int)>& label) {
  std::string text;
  for (int r = 0; r < count; ++r) {
    text += label(r) + " 1:" + std::to_string(std::sin(r * 1.7)) +
            " 2:" + std::to_string(std::cos(r * 2.3 + 1));
    if (r % 7 == 0) text += " 4:1.5";
    text += " 5:" + std::to_string(std::sin(r * 0.3) + 0.2) + "\n";
  }
  return text;
}
const std::string kClasses = rows_of(40, [](int r) { return std::string(r % 3 == 0 ? "2" : "7"); });
const std::string kNumbers = rows_of(40, [](int r) { return std::to_string(std::cos(r * 1.1)); });
const std::string kThree = rows_of(40, [](int r) { return std::to_string(r % 3); });

Ended ashlar_run(const Folder& folder, std::vector<std::string> words,
                 const std::vector<std::string>& environment) {
  words.insert(words.begin(), {"run", "bcd"});
  for (const char* word : {"--no-calibration", "--rounds", "1"}) words.emplace_back(word);
  return run_program(ASHLAR_PROGRAM, words, folder.path(), 0, environment);
}

Ended own(const Folder& folder, const std::string& text, const std::string& only = "own-data",
          std::vector<std::string> environment = {}) {
  write_text(folder / "mine.svm", text);
  environment.emplace_back("ASHLAR_BCD_DATA=mine.svm");  // from the folder of the run
  return ashlar_run(folder, {"--only", only, "--out", "r.jsonl"}, environment);
}

/// One line on standard error, and exit code 3 before anything runs.
void check_refused(const Ended& ended, const std::string& what) {
  INFO(ended.output << ended.errors);
  CHECK(ended.status == 3);
  CHECK_THAT(ended.errors, Contains(what));
  CHECK(std::count(ended.errors.begin(), ended.errors.end(), '\n') == 1);
}

std::string data_name(const record::RecordSet& set) {
  std::set<std::string> names;
  for (const record::StudyRecord& study : set.studies) names.insert(study.point.word("data"));
  REQUIRE(names.size() == 1);
  return *names.begin();
}

}  // namespace

TEST_CASE("a user's file runs, under a name that its content gives") {
  const Folder folder;
  const Ended ended = own(folder, kClasses);
  INFO(ended.output << ended.errors);
  REQUIRE(ended.status == 0);
  CHECK_THAT(ended.errors, Contains("logistic, 40 rows, 4 features") &&
                               Contains("label 2 is taken as -1, 7 as 1") &&
                               Contains("0 lines, 1 features"));
  const record::RecordSet set = record::load({folder / "r.jsonl"});
  const std::string name = data_name(set);
  CHECK_THAT(name, Catch::StartsWith("mine@") && !Contains("/"));
  std::set<std::string> experiments;
  for (const record::StudyRecord& study : set.studies) {
    INFO(study.key << " " << study.reason.value_or(""));
    experiments.insert(study.experiment);
    REQUIRE(study.status == record::Status::ok);
    CHECK(std::isfinite(study.metrics.at("gap")));
    CHECK(study.metrics.at("gap") > -1e-12);
  }
  CHECK(experiments == std::set<std::string>{"own-data", "own-data-l1", "own-data-nonnegative"});
  // Another content, another name; the same content elsewhere, the same hash.
  std::filesystem::remove(folder / "r.jsonl");
  REQUIRE(own(folder, kClasses + "2 1:1\n", "own-data-l1/").status == 0);
  CHECK(data_name(record::load({folder / "r.jsonl"})) != name);
  const Folder other;
  REQUIRE(own(other, kClasses, "own-data-l1/").status == 0);
  CHECK(data_name(record::load({other / "r.jsonl"})) == name);
}

TEST_CASE("rules come near the optimum of a small problem") {
  const Folder folder;
  const std::string text = GENERATE(kClasses, kNumbers, kThree);
  const Ended ended = own(folder, text, "own-data-(l1|nonnegative)/");
  INFO(ended.output << ended.errors);
  REQUIRE(ended.status == 0);
  int rules = 0;
  int reached = 0;
  for (const record::StudyRecord& study : record::load({folder / "r.jsonl"}).studies) {
    INFO(study.key << " " << study.reason.value_or(""));
    REQUIRE(study.status == record::Status::ok);
    const std::vector<double>& gaps = study.curves.at("iteration")[1].second;
    CHECK(gaps.back() < 0.3 * gaps.front());
    CHECK(gaps.back() > -1e-12);
    ++rules;
    reached += std::isfinite(study.metrics.at("iterations")) ? 1 : 0;
    // Walks over all coordinates need no luck.
    if (study.implementation == "cyclic-fb" || study.implementation == "pn-vb")
      CHECK(gaps.back() <= 1e-8 * gaps.front());
  }
  CHECK(2 * reached > rules);
}

TEST_CASE("real labels are least squares, and go to lasso too") {
  const Folder folder;
  const Ended ended = own(folder, kNumbers, "own-data-lasso/.*/(pn-vb|tmp-vb|fista)$");
  INFO(ended.output << ended.errors);
  REQUIRE(ended.status == 0);
  CHECK_THAT(ended.errors, Contains("least squares, 40 rows"));
  const record::RecordSet set = record::load({folder / "r.jsonl"});
  CHECK(set.cases.size() == 3);
  for (const record::CaseRecord& one : set.cases) {
    INFO(one.key << " " << one.reason.value_or(""));
    CHECK(one.status == record::Status::ok);
  }
  const auto rejected = [](const record::CheckRecord& check) {
    return check.control && !check.accepted;
  };
  CHECK(std::count_if(set.checks.begin(), set.checks.end(), rejected) == 1);
  // Classes are none of lasso's business.
  CHECK(own(folder, kClasses, "own-data-lasso").status == 3);
}

TEST_CASE("the loss can be chosen, and is part of the name") {
  const Folder folder;
  REQUIRE(own(folder, kThree, "own-data-l1/", {"ASHLAR_BCD_LOSS=least-squares"}).status == 0);
  CHECK_THAT(data_name(record::load({folder / "r.jsonl"})), Catch::EndsWith("-least-squares"));
  check_refused(own(folder, kThree, "own-data", {"ASHLAR_BCD_LOSS=huber"}),
                "ASHLAR_BCD_LOSS=huber: no such loss; known: least-squares");
  check_refused(own(folder, kThree, "own-data", {"ASHLAR_BCD_LOSS=logistic"}),
                "3 different labels, logistic loss takes two");
}

TEST_CASE("bad files are refused in one line, before anything runs") {
  const Folder folder;
  check_refused(own(folder, "1 1:1\n2 1:x\n"),
                "ASHLAR_BCD_DATA: mine.svm:2:5: value 'x' is not a number");
  check_refused(own(folder, "1 1:1\n2 1:nan\n"), "mine.svm:2:5: value 'nan' is not finite");
  check_refused(own(folder, "1 1:1\nnan 1:1\n"), "mine.svm:2:1: label 'nan' is not finite");
  check_refused(own(folder, "1 1:1\n2 0:1\n"), "mine.svm:2:3: feature 0; they count from 1");
  check_refused(own(folder, "1,2,3\n4,5,6\n"), "mine.svm:1:2: several labels '1,2,3'");
  check_refused(own(folder, "1\n2\n3\n"), "mine.svm: no line has a value but 0");
  check_refused(own(folder, "1 1:1\n1 1:2\n"), "all labels are 1");
  check_refused(own(folder, ""), "no example");
  CHECK(!std::filesystem::exists(folder / "r.jsonl"));
  for (const char* missing :
       {"ASHLAR_BCD_DATA=absent.svm", "ASHLAR_BCD_DATA=.", "ASHLAR_BCD_DATA=/dev/stdin"}) {
    check_refused(ashlar_run(folder, {"--only", "own-data"}, {missing}),
                  "cannot be read; check that it is a file, and its permissions");
  }
}

TEST_CASE("rows without an entry are left out and counted") {
  const Folder folder;
  const Ended ended = own(folder, kClasses + "7\n2 3:0\n", "own-data-l1/");
  INFO(ended.errors);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.errors, Contains("2 lines, 1 features"));
}

TEST_CASE("without the variable there are no points, and the list says how to get them") {
  const Folder folder;
  for (const char* unset : {"ASHLAR_BCD_DATA=", "ASHLAR_BCD_LOSS=logistic"}) {
    const std::vector<std::string> environment{unset};
    const Ended listed =
        run_program(ASHLAR_PROGRAM, {"list", "experiments", "bcd"}, folder.path(), 0, environment);
    CHECK(listed.status == 0);
    CHECK_THAT(listed.output, Contains("set ASHLAR_BCD_DATA=FILE"));
    const Ended cases =
        run_program(ASHLAR_PROGRAM, {"list", "cases", "bcd"}, folder.path(), 0, environment);
    CHECK(cases.status == 0);
    CHECK_THAT(cases.output, !Contains("own-data"));
  }
  CHECK(ashlar_run(folder, {"--only", "own-data"}, {"ASHLAR_BCD_DATA="}).status == 3);
}

TEST_CASE("where no minimiser is known without a penalty, it is said") {
  const Folder folder;
  // Feature 4 stands in rows of one class alone.
  const std::string text = kClasses + "2 4:1\n2 4:2\n";
  std::string separating;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    std::string line = text.substr(begin, end - begin);
    const auto feature = line.find(" 4:1.5");
    if (line[0] == '7' && feature != std::string::npos) line.erase(feature, 6);
    separating += line + "\n";
    begin = end + 1;
  }
  const Ended ended = own(folder, separating);
  INFO(ended.errors);
  REQUIRE(ended.status == 0);
  CHECK_THAT(ended.errors, Contains("own-data has no points"));
  for (const record::StudyRecord& study : record::load({folder / "r.jsonl"}).studies)
    CHECK(study.experiment != "own-data");
}

TEST_CASE("a run on another content is not resumed") {
  const Folder folder;
  REQUIRE(own(folder, kClasses, "own-data-l1/").status == 0);
  write_text(folder / "mine.svm", kClasses + "2 1:1\n");
  const Ended ended = ashlar_run(folder, {"--only", "own-data-l1/", "--out", "r.jsonl", "--resume"},
                                 {"ASHLAR_BCD_DATA=mine.svm"});
  INFO(ended.errors);
  CHECK(ended.status == 3);
}
