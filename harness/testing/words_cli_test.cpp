// Bad words and bad files through the real executable: one clear line, the right exit status,
// nothing half-written.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "harness/testing/program.hpp"

using namespace ashlar::testing;
using Catch::Contains;

namespace {

Ended toy(const Folder& folder, const std::vector<std::string>& words) {
  return run_program(ASHLAR_TOY, words, folder.path());
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void make_records(const Folder& folder) {
  REQUIRE(toy(folder, {"run", "toy", "--only", "scale.*loop", "--where", "length=64",
                       "--no-calibration", "--out", "r.jsonl"})
              .status == 0);
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

/// The records of make_records in far.jsonl, as another run of a suite that the program lacks.
void make_far_records(const Folder& folder) {
  std::string text = read_text(folder / "r.jsonl");
  replace_all(text, "\"suite\":\"toy\"", "\"suite\":\"far\"");
  replace_all(text, "\"run_id\":\"", "\"run_id\":\"far-");
  write_text(folder / "far.jsonl", text);
}

}  // namespace

TEST_CASE("unknown words end in 3 with one line and the nearest known word") {
  const Folder folder;
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"rum"}, "did you mean 'run'"},
      {{"run", "tow"}, "did you mean 'toy'"},
      {{"run", "toy", "--mod", "quick"}, "did you mean '--mode'"},
      {{"run", "toy", "--mode", "quik"}, "did you mean 'quick'"},
      {{"run", "toy", "--where", "lenght=64"}, "did you mean 'length'"},
      {{"run", "toy", "--where", "length=65"}, "it has 1024, 256, 64"},
      {{"run", "toy", "--where", "length"}, "axis=value"},
      {{"run", "toy", "--where", "length=64", "variant=plain"}, "unknown suite 'variant=plain'"},
      {{"run", "toy", "--only", "nothing-like-this"}, "nothing to run"},
      {{"run", "toy", "--only", "("}, "regular expression"},
      {{"run", "toy", "--tier", "fast"}, "unknown tier"},
      {{"run", "toy", "--seed", "many"}, "--seed"},
      {{"run", "toy", "--seed", "-1"}, "--seed '-1': must be a whole number"},
      {{"run", "toy", "--budget", "inf"}, "at most"},
      {{"run", "toy", "--out", std::string(300, 'x')}, "cannot write"},
      {{"check", std::string(300, 'x')}, "cannot read"},
      {{"list", "suites", "--where", "length=64"}, "goes with 'ashlar list cases'"},
      {{"run", "toy", "--threads", "0"}, "greater than zero"},
      {{"run", "toy", "--budget", "-3"}, "greater than zero"},
      {{"run", "toy", "-x"}, "unknown option"},
      {{"run", "toy", "--rounds", "0"}, "greater than zero"},
      {{"run", "toy", "--tight", "0"}, "--tight 0: must be greater than zero"},
      {{"run", "toy", "--tight", "much"}, "--tight"},
      {{"run", "toy", "--shard", "3"}, "--shard '3': write i/n"},
      {{"run", "toy", "--shard", "0/4"}, "--shard '0/4': write i/n"},
      {{"run", "toy", "--shard", "5/4"}, "--shard '5/4': write i/n"},
      {{"run", "toy", "--shard", "1/4x"}, "--shard '1/4x': write i/n"},
      {{"run", "toy", "--shard", "1/-4"}, "--shard '1/-4': write i/n"},
      {{"run", "toy", "--no-lock", "--no-wait"}, "exclude each other"},
      {{"run", "toy", "--resume"}, "no record file"},
      {{"run", "toy", "--resum"}, "did you mean '--resume'"},
      {{"merge"}, "name the record files"},
      {{"merge", "absent.jsonl", "--out", "x.jsonl"}, "no record file 'absent.jsonl'"},
      {{"merge", "a.jsonl"}, "--out"},
      {{"list", "experimants"}, "did you mean 'experiments'"},
      {{"table", "--format", "markdwon"}, "did you mean 'markdown'"},
      {{"table", "--layout", "lnog"}, "did you mean 'long'"},
      {{"table", "--show", "rte"}, "did you mean 'rate'"},
      {{"machine", "stray"}, "unexpected word 'stray'"},
      {{"show"}, "name a case"},
      {{"check"}, "no record file"},
      {{"check", "absent.jsonl"}, "no record file 'absent.jsonl'"},
  };
  for (const auto& [words, expected] : wrong) {
    const Ended ended = toy(folder, words);
    INFO(words.front() << " " << words.back() << ": " << ended.errors);
    CHECK(ended.status == 3);
    CHECK(lines(ended.errors) == 1);
    CHECK_THAT(ended.errors, Contains(expected));
    CHECK(ended.output.empty());
  }
  CHECK(std::filesystem::is_empty(folder.path()));  // nothing was written
}

TEST_CASE("help, version and lists") {
  const Folder folder;
  CHECK(toy(folder, {}).status == 3);
  CHECK_THAT(toy(folder, {"--help"}).output, Contains("Usage: ashlar VERB"));
  CHECK(toy(folder, {"--version"}).status == 0);
  for (const char* verb : {"list", "run", "merge", "check", "table", "diff", "plot", "show",
                           "trace", "export", "import", "machine", "gbench"}) {
    const Ended help = toy(folder, {verb, "--help"});
    CHECK(help.status == 0);
    CHECK_THAT(help.output, Contains("Usage: ashlar " + std::string(verb)));
  }
  CHECK_THAT(toy(folder, {"list", "suites"}).output, Contains("toy"));
  CHECK_THAT(toy(folder, {"list", "experiments"}).output,
             Contains("toy/descent") && Contains("length = 64, 256, 1024"));
  CHECK_THAT(toy(folder, {"list", "implementations"}).output,
             Contains("negative control") &&
                 Contains("toy/device/beside-device  optimized, cpu, in mode gpu too\n") &&
                 Contains("toy/device/on-host  reference, cpu\n"));
  CHECK_THAT(toy(folder, {"list", "cases", "--where", "length=64"}).output,
             Contains("toy/scale/length=64,variant=plain/loop"));
  CHECK_THAT(toy(folder, {"run", "--dry-run"}).output, Contains("points") && Contains("plan"));
}

TEST_CASE("a malformed claim file is named by file, line and column") {
  const Folder folder;
  make_records(folder);
  write_text(folder / "broken.toml", "suite = \"toy\"\n\n[[claim]]\nid = \"a\nsays = 1\n");
  const Ended syntax = toy(folder, {"check", "r.jsonl", "--claims", "broken.toml"});
  CHECK(syntax.status == 3);
  CHECK_THAT(syntax.errors, Contains("broken.toml:4:"));
  write_text(folder / "unknown.toml",
             "suite = \"toy\"\n\n[[claim]]\nid = \"a\"\nsays = \"s\"\nsorce = \"x\"\n");
  const Ended unknown = toy(folder, {"check", "r.jsonl", "--claims", "unknown.toml"});
  CHECK(unknown.status == 3);
  CHECK_THAT(unknown.errors, Contains("unknown.toml:6:") && Contains("did you mean 'source'"));
  CHECK(toy(folder, {"check", "r.jsonl", "--claims", "absent.toml"}).status == 3);
}

TEST_CASE("names in a claim file are held against what the suite declares") {
  const Folder folder;
  make_records(folder);
  const auto claim = [&](const std::string& check, const std::string& more = "") {
    write_text(folder / "c.toml",
               "suite = \"toy\"\n[[claim]]\nid = \"a\"\nsays = \"s\"\nsource = \"s\"\n"
               "reported = { text = \"r\" }\nreach = \"direct\"\nbecause = \"b\"\n" +
                   more + "[claim.check]\nform = \"within\"\n" + check + "expect = [0, 1]\n");
    return toy(folder, {"check", "r.jsonl", "--claims", "c.toml"});
  };
  const std::string loop = "of = { implementation = \"loop\" }\n";
  const std::pair<std::string, const char*> wrong[] = {
      {"experiment = \"scael\"\nmetric = \"time\"\n" + loop,
       "c.toml:11:14: unknown experiment 'scael'; did you mean 'scale'?"},
      {"experiment = \"scale\"\nmetric = \"time\"\nof = { implementation = \"lop\" }\n",
       "c.toml:13:25: unknown implementation 'lop'; did you mean 'loop'?"},
      {"experiment = \"scale\"\nmetric = \"time\"\nwhere = { lenth = 64 }\n" + loop,
       "c.toml:13:11: unknown axis 'lenth'; did you mean 'length'?"},
      {"experiment = \"scale\"\nmetric = \"time\"\nwhere = { length = 65 }\n" + loop,
       "c.toml:13:11: unknown value 65 of axis 'length'; did you mean '64'?"},
      {"experiment = \"scale\"\nmetric = \"multiplicatoins\"\n"
       "of = { implementation = \"loop\" }\n",
       "c.toml:12:10: loop records no 'multiplicatoins'"},
  };
  for (const auto& [check, expected] : wrong) {
    const Ended ended = claim(check);
    INFO(ended.errors);
    CHECK(ended.status == 3);
    CHECK(lines(ended.errors) == 1);
    CHECK_THAT(ended.errors, Contains(expected));
    CHECK(ended.output.empty());
    const Ended waits = claim(check, "needs = \"time\"\n");
    CHECK(waits.status == 0);
    CHECK_THAT(waits.output, Contains("needs time"));
  }
  // A length of another mode was not measured here, and is no slip.
  const std::string full =
      "experiment = \"scale\"\nmetric = \"time\"\n"
      "where = { length = 4096 }\n" +
      loop;
  CHECK(claim(full).status == 0);
  const Ended there = claim(full, "needs = \"longer vectors\"\n");
  CHECK(there.status == 0);
  CHECK_THAT(there.errors, Contains("warning: ") && Contains("remove 'needs'"));
  write_text(folder / "other.toml", "suite = \"tyo\"\n");
  const Ended other = toy(folder, {"check", "r.jsonl", "--claims", "other.toml"});
  CHECK(other.status == 3);
  CHECK_THAT(other.errors, Contains("other.toml:1:9: unknown suite 'tyo'; did you mean 'toy'?"));
}

TEST_CASE("check and list find the claims and the goals of each suite in the records") {
  const Folder folder;
  make_records(folder);
  const std::vector<std::string> share = {"ASHLAR_SHARE=" + folder.path().string()};
  const auto check = [&] {
    return run_program(ASHLAR_TOY, {"check", "r.jsonl"}, folder.path(), 0, share);
  };
  const Ended none = check();
  CHECK(none.status == 3);
  CHECK_THAT(none.errors, Contains("no claim file for suite 'toy'; name one with --claims FILE"));
  const auto claim = [](const std::string& head, const char* id) {
    return head + "[[claim]]\nid = \"" + id +
           "\"\nsays = \"it is exact\"\nsource = \"s\"\nreported = { text = \"r\" }\n"
           "reach = \"direct\"\nbecause = \"b\"\n[claim.check]\nform = \"holds\"\n"
           "experiment = \"scale\"\nof = { implementation = \"loop\" }\n";
  };
  std::filesystem::create_directories(folder / "suites/toy");
  write_text(folder / "suites/toy/claims.toml", claim("suite = \"toy\"\n", "exact"));
  write_text(folder / "suites/toy/goals.toml",
             claim("suite = \"toy\"\ntitle = \"our own goals\"\n", "goal"));
  const Ended both = check();
  INFO(both.errors);
  CHECK(both.status == 0);
  CHECK(both.errors.empty());
  CHECK_THAT(both.output, Contains("toy: 1 of 1 claims reproduced") &&
                              Contains("toy, our own goals: 1 of 1 claims reproduced"));
  const Ended listed = run_program(ASHLAR_TOY, {"list", "claims"}, folder.path(), 0, share);
  CHECK(listed.output ==
        "exact  [direct] it is exact\ntoy: our own goals\ngoal  [direct] it is "
        "exact\n");

  // A suite without a file is named when another has one.
  make_far_records(folder);
  const Ended two =
      run_program(ASHLAR_TOY, {"check", "r.jsonl", "far.jsonl"}, folder.path(), 0, share);
  INFO(two.errors);
  CHECK(two.status == 0);
  CHECK_THAT(two.errors, Contains("no claim file for suite 'far'"));

  // Both files' problems are listed at once, in list as in check.
  write_text(folder / "suites/toy/claims.toml", claim("suite = \"toy\"\nx = 1\n", "exact"));
  write_text(folder / "suites/toy/goals.toml", claim("suite = \"toy\"\ny = 1\n", "goal"));
  const Ended broken = check();
  CHECK(broken.status == 3);
  CHECK_THAT(broken.errors, Contains("claims.toml:2:1: claim file: unknown key 'x'") &&
                                Contains("goals.toml:2:1: claim file: unknown key 'y'"));
  CHECK(run_program(ASHLAR_TOY, {"list", "claims"}, folder.path(), 0, share).status == 3);
}

TEST_CASE("records of a suite that this program does not have are judged all the same") {
  const Folder folder;
  make_records(folder);
  make_far_records(folder);
  write_text(folder / "far.toml",
             "suite = \"far\"\n[[claim]]\nid = \"a\"\nsays = \"s\"\nsource = \"s\"\n"
             "reported = { text = \"r\" }\nreach = \"direct\"\nbecause = \"b\"\n[claim.check]\n"
             "form = \"holds\"\nexperiment = \"scale\"\nof = { implementation = \"loop\" }\n");
  const Ended judged =
      toy(folder, {"check", "far.jsonl", "--claims", "far.toml", "--format", "json"});
  INFO(judged.errors);
  CHECK(judged.status == 0);
  CHECK_THAT(judged.output, Contains("\"reproduced\""));
}

TEST_CASE(
    "a torn last line is skipped with a warning; another bad line is an error with its number") {
  const Folder folder;
  make_records(folder);
  const std::string text = read_text(folder / "r.jsonl");
  write_text(folder / "torn.jsonl", text.substr(0, text.size() - 20));
  const Ended torn = toy(folder, {"table", "torn.jsonl"});
  CHECK(torn.status == 0);
  CHECK_THAT(torn.errors, Contains("torn.jsonl"));
  write_text(folder / "bad.jsonl", text + "this is no record\n" + text);
  const Ended bad = toy(folder, {"table", "bad.jsonl"});
  CHECK(bad.status == 3);
  CHECK_THAT(bad.errors, Contains("bad.jsonl:" + std::to_string(lines(text) + 1)));
  write_text(folder / "empty.jsonl", "");
  CHECK(toy(folder, {"table", "empty.jsonl"}).status == 3);
}

TEST_CASE("an output that cannot be written is refused before anything is measured") {
  const Folder folder;
  write_text(folder / "file", "in the way");
  const Ended blocked = toy(folder, {"run", "toy", "--no-calibration", "--out", "file/r.jsonl"});
  CHECK(blocked.status == 3);
  CHECK_THAT(blocked.errors, Contains("--out") && Contains("file/r.jsonl"));
  CHECK(lines(blocked.errors) == 1);
  const Ended exists = toy(folder, {"run", "toy", "--no-calibration", "--out", "file"});
  CHECK(exists.status == 3);
  CHECK_THAT(exists.errors, Contains("exists"));
  CHECK(read_text(folder / "file") == "in the way");
  if (geteuid() != 0) {  // root may write anywhere
    std::filesystem::create_directory(folder / "locked");
    std::filesystem::permissions(folder / "locked", std::filesystem::perms::owner_read);
    CHECK(toy(folder, {"run", "toy", "--no-calibration", "--out", "locked/r.jsonl"}).status == 3);
  }
}

TEST_CASE("a disk that is full ends in 5, and no file is left half-written") {
  const Folder folder;
  make_records(folder);
  // /dev/full refuses every write, as a full disk does.
  const Ended full = toy(folder, {"table", "r.jsonl", "--out", "/dev/full"});
  CHECK(full.status == 5);
  CHECK_THAT(full.errors, Contains("/dev/full") && Contains("No space left"));
  write_text(folder / "table.md", "the old one");
  CHECK(toy(folder, {"table", "r.jsonl", "--out", "table.md"}).status == 0);
  CHECK_THAT(read_text(folder / "table.md"), Contains("loop"));
  CHECK_FALSE(std::filesystem::exists(folder / "table.md.unfinished"));
  const Ended nowhere = toy(folder, {"table", "r.jsonl", "--out", "no-such-folder/table.md"});
  CHECK(nowhere.status == 3);
  CHECK(lines(nowhere.errors) == 1);
}

TEST_CASE("tables and figures come from record files alone") {
  const Folder folder;
  REQUIRE(toy(folder, {"run", "toy", "--only", "toy/(scale|descent)", "--skip", "python|absent",
                       "--no-calibration", "--out", "r.jsonl"})
              .status == 0);
  CHECK_THAT(toy(folder, {"table", "r.jsonl"}).output, Contains("| ") && Contains("tenfold"));
  const std::string speedups =
      toy(folder, {"table", "r.jsonl", "--layout", "compact", "--show", "speedup"}).output;
  CHECK_THAT(speedups, Contains("Speed-up over tenfold") && !Contains("Time per execution") &&
                           !Contains("#") && !Contains("descent"));
  CHECK(toy(folder, {"table", "r.jsonl", "--show", "time", "--format", "csv"}).status == 3);
  for (const char* format : {"csv", "json", "latex"}) {
    const Ended table = toy(folder, {"table", "r.jsonl", "--format", format});
    CHECK(table.status == 0);
    CHECK_THAT(table.output, Contains("unrolled"));
  }
  const Ended plotted = toy(folder, {"plot", "r.jsonl", "--out", "figures"});
  INFO(plotted.errors);
  CHECK(plotted.status == 0);
  bool picture = false;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "figures")) {
    picture = picture || entry.path().extension() == ".svg";
  }
  CHECK(picture);
}

TEST_CASE("filters of reports know the names in the records") {
  const Folder folder;
  make_records(folder);
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"table", "--where", "lenght=64"},
       "no axis 'lenght' in these records; did you mean 'length'"},
      {{"table", "--where", "length=65"}, "no value '65' in these records; it has 64"},
      {{"table", "--suite", "tow"}, "no suite 'tow' in these records; did you mean 'toy'"},
      {{"table", "--experiment", "scael"},
       "no experiment 'scael' in these records; did you mean 'scale'"},
      {{"plot", "--experiment", "scael"},
       "no experiment 'scael' in these records; did you mean 'scale'"},
      {{"plot", "--where", "lenght=64"},
       "no axis 'lenght' in these records; did you mean 'length'"},
      {{"plot", "--only", "nothing-like-this"}, "no record passes the filter"},
      {{"plot", "--only", "("}, "not a regular expression"},
  };
  for (auto [words, expected] : wrong) {
    words.insert(words.begin() + 1, "r.jsonl");
    const Ended ended = toy(folder, words);
    INFO(words.front() << " " << words.back() << ": " << ended.errors);
    CHECK(ended.status == 3);
    CHECK(lines(ended.errors) == 1);
    CHECK_THAT(ended.errors, Contains(expected));
    CHECK(ended.output.empty());
  }
  CHECK_FALSE(std::filesystem::exists(folder / "ashlar-figures"));
  CHECK(toy(folder, {"table", "r.jsonl", "--where", "length=64", "--suite", "toy"}).status == 0);
  const Ended several = toy(folder, {"show", "loop", "r.jsonl"});
  CHECK(several.status == 3);
  CHECK(lines(several.errors) == 1);
  CHECK_THAT(several.errors, Contains("2 cases") && Contains("length=64,variant=plain/loop"));
}

TEST_CASE("gbench runs the same cases, verified, under Google Benchmark's flags") {
  const Folder folder;
  const Ended ended =
      toy(folder, {"gbench", "toy", "--only", "scale.*(loop|unrolled)", "--where", "length=64",
                   "--benchmark_format=json", "--benchmark_min_time=0.001"});
  if (ended.status == 3 && ended.errors.find("built without") != std::string::npos) {
    WARN("built without Google Benchmark");
    return;
  }
  INFO(ended.errors);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.output,
             Contains("\"benchmarks\"") && Contains("toy/scale/length=64,variant=plain/unrolled"));
  const Ended wrong =
      toy(folder, {"gbench", "toy", "--only", "misbehave.*/wrong", "--benchmark_min_time=0.001"});
  CHECK(wrong.status == 2);
  CHECK(toy(folder, {"gbench", "toy", "--benchmark_filter=no-such-case"}).status == 3);
  CHECK(toy(folder, {"gbench", "toy", "--benchmark_format=xml"}).status == 3);
  CHECK(toy(folder, {"gbench", "toy", "--benchmark_out=no-such-folder/x.json"}).status == 3);
  const Ended mixed =
      toy(folder, {"gbench", "toy", "--only", "misbehave.*/(throws|wears-out|fine)$",
                   "--benchmark_min_time=0.001"});
  INFO(mixed.errors << mixed.output);
  CHECK(mixed.status == 2);  // wears-out answers wrongly after it was timed
  CHECK_THAT(mixed.output, Contains("cannot, today") && Contains("misbehave/length=64/fine"));
}
