#include "harness/report/figures.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "harness/report/gnuplot_script.hpp"
#include "harness/report/made_up.hpp"
#include "harness/report/page.hpp"
#include "harness/report/tables.hpp"
#include "harness/testing/program.hpp"

namespace ashlar::report {

namespace fs = std::filesystem;
using Catch::Contains;
using record::RecordSet;
using testing::Folder;

namespace {

bool have_gnuplot() { return std::system("gnuplot --version > /dev/null 2>&1") == 0; }

FigureSpec spec(const std::string& kind) {
  FigureSpec made;
  made.name = kind;
  made.kind = kind;
  made.x = "seqlen";
  made.panels = {"head_dim", "causal", "dtype"};
  return made;
}

std::vector<Page> pages(const RecordSet& records, const std::string& kind) {
  const std::vector<RunView> runs = view(records);
  return timed_pages(runs.at(0), runs.at(0).timed.at(0), spec(kind));
}

std::vector<std::string> labels(const std::vector<Tick>& ticks) {
  std::vector<std::string> list;
  list.reserve(ticks.size());
  for (const Tick& tick : ticks) list.push_back(tick.label);
  return list;
}

const Series* series(const Panel& panel, const std::string& name) {
  for (const Series& one : panel.series) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

/// A small experiment with one figure.
RecordSet one_figure() {
  RecordSet records = made_up::attention_sweep(1);
  std::erase_if(records.cases, [](const auto& record) {
    return record.point.integer("head_dim") != 64 || record.point.flag("causal") ||
           record.point.word("dtype") != "f32";
  });
  model::Json& figures = records.runs[0].experiments[0]["figures"];
  figures = model::Json::array({figures[0]});
  return records;
}

}  // namespace

TEST_CASE("two panel axes make one page, the third makes files", "[report]") {
  const std::vector<Page> made = pages(made_up::attention_sweep(1), "time");
  REQUIRE(made.size() == 2);
  CHECK(made[0].file == "attention-forward-time-dtype-f32");
  CHECK_THAT(made[0].title, Contains("time per execution, dtype = f32"));
  REQUIRE(made[0].panels.size() == 4);
  CHECK(made[0].panels[1].title == "head_dim = 128, causal = false");
  CHECK(made[0].panels[3].row == 1);
  CHECK(made[0].panels[3].column == 1);
  CHECK(labels(made[0].panels[0].x.ticks) ==
        std::vector<std::string>{"512", "1k", "2k", "4k", "8k", "16k"});
  CHECK_THAT(made[0].subtitle,
             Contains("AMD EPYC") && Contains("20260704T101500-ab12") && Contains("2026-07-04"));
}

TEST_CASE("what is missing is said below, not drawn", "[report]") {
  const Page page = pages(made_up::attention_sweep(1), "time")[0];
  CHECK(series(page.panels[0], "flash-bf16-dot") == nullptr);
  CHECK(series(page.panels[0], "standard")->marks.size() == 5);
  CHECK(series(page.panels[0], "reference")->marks.size() == 1);
  REQUIRE(page.notes.size() == 1);
  CHECK(page.notes[0] ==
        "Not drawn: naive unsupported at 8 of 24 points; standard out of memory at 4 of 24 points; "
        "flash-bf16-dot unsupported: bfloat16 only.");
}

TEST_CASE("what is missing alike is said once", "[report]") {
  RecordSet records = made_up::attention_sweep(1);
  for (auto& record : records.cases) {
    if (record.implementation == "standard" || record.implementation == "flash")
      made_up::refuse(record, record::Status::unsupported, "no device");
    if (record.implementation == "chunked")
      made_up::refuse(record, record::Status::crashed, "signal " + record.point.text());
  }
  CHECK(pages(records, "time")[0].notes.at(0) ==
        "Not drawn: naive unsupported at 8 of 24 points; standard and flash unsupported: no "
        "device; chunked crashed at every point; flash-bf16-dot unsupported: bfloat16 only.");
}

TEST_CASE("a rate figure has the roofline measured in the run", "[report]") {
  RecordSet records = made_up::attention_sweep(1);
  std::vector<Page> made = pages(records, "rate");
  REQUIRE(made[0].panels[0].guides.size() == 1);
  const Guide& level = made[0].panels[0].guides[0];
  CHECK(level.name == "measured peak");
  CHECK(level.points.front() == std::pair(made[0].panels[0].x.low, 447.0));
  CHECK(level.points.back() == std::pair(made[0].panels[0].x.high, 447.0));
  CHECK(made[1].panels[0].guides[0].points[0].second == Approx(891));
  CHECK(made[0].panels[0].y.low == 0);
  // At 21 GB/s work of 4 FLOP per byte cannot pass 84 GFLOP/s; from 8192 on the peak binds.
  for (auto& record : records.cases) {
    if (record.point.integer("seqlen") < 8192) record.work->bytes = record.work->flops / 4;
  }
  made = pages(records, "rate");
  REQUIRE(made[0].panels[0].guides.size() == 1);
  const Guide& bent = made[0].panels[0].guides[0];
  CHECK(bent.name == "measured roofline");
  CHECK(bent.points.front().first == 512);
  CHECK(bent.points.front().second == Approx(84));
  CHECK(bent.points.back() == std::pair(made[0].panels[0].x.high, 447.0));
  CHECK_THAT(made[0].notes[0], Contains("smaller of peak and bandwidth"));
  records.runs[0].calibration = nullptr;
  CHECK(pages(records, "rate")[0].panels[0].guides.empty());
}

TEST_CASE("rooflines of one look are told apart where a panel has several", "[report]") {
  const RecordSet records = made_up::attention_sweep(1);
  FigureSpec mixed = spec("rate");
  mixed.x = "dtype";  // f32 and bf16 in one panel
  mixed.panels = {"head_dim", "seqlen"};
  const std::vector<RunView> runs = view(records);
  const std::vector<Page> made = timed_pages(runs[0], runs[0].timed[0], mixed);
  const std::vector<Guide>& guides = made.at(0).panels.at(0).guides;
  REQUIRE(guides.size() == 2);
  CHECK(guides[0].name == "measured peak, cpu bf16");
  CHECK(guides[1].name == "measured peak, cpu f32");
  CHECK(guides[0].look != guides[1].look);
}

TEST_CASE("slopes of a memory figure begin among the marks and stay in their panel", "[report]") {
  const Page page = pages(made_up::attention_sweep(1), "memory")[0];
  for (const Panel& panel : page.panels) {
    REQUIRE(panel.guides.size() == 2);
    double low = INFINITY;
    double high = 0;
    for (const Series& one : panel.series) {
      if (one.marks.front().x > 512) continue;
      low = std::min(low, one.marks.front().y);
      high = std::max(high, one.marks.front().y);
    }
    for (const Guide& guide : panel.guides) {
      CHECK(guide.points.front().first == panel.x.low);
      CHECK(guide.points.front().second > low);
      CHECK(guide.points.front().second < high);
      CHECK(guide.points.back().first <= panel.x.high);
      CHECK(guide.points.back().second <= panel.y.high);
    }
    const auto rise = [](const Guide& guide) {
      const auto& [from, to] = std::pair(guide.points.front(), guide.points.back());
      return std::log(to.second / from.second) / std::log(to.first / from.first);
    };
    CHECK(rise(panel.guides[0]) == Approx(1));
    CHECK(rise(panel.guides[1]) == Approx(2));
  }
}

TEST_CASE("a peak far above the lines is a note", "[report]") {
  RecordSet records = made_up::attention_sweep(1);
  std::erase_if(records.cases, [](const auto& record) { return record.implementation != "naive"; });
  const Page page = pages(records, "rate")[0];
  CHECK(page.panels[0].guides.empty());
  CHECK_THAT(page.notes[0], Contains("Above the axis: measured peak, cpu f32: 447 GFLOP/s"));
}

TEST_CASE("a speed-up figure leaves the baseline out", "[report]") {
  FigureSpec over = spec("speedup");
  over.over = {"standard"};
  const RecordSet records = made_up::attention_sweep(1);
  const std::vector<RunView> runs = view(records);
  std::vector<Page> made = timed_pages(runs[0], runs[0].timed[0], over);
  REQUIRE(made.size() == 2);
  CHECK(series(made[0].panels[0], "standard") == nullptr);
  CHECK(made[0].panels[0].guides[0].points[0].second == 1);
  CHECK_THAT(made[0].notes[0], Contains("Not drawn: 4 of 24 points without a time of standard; "));
  over.over = {"standard", "naive"};
  made = timed_pages(runs[0], runs[0].timed[0], over);
  CHECK(made.size() == 4);
  CHECK(made[2].file == "attention-forward-speedup-over-naive-dtype-f32");
}

TEST_CASE("zero bytes do not stand on a logarithmic axis", "[report]") {
  RecordSet records = one_figure();
  for (auto& record : records.cases) {
    if (record.implementation == "flash") record.peak_extra_bytes = 0;
  }
  const Page page = pages(records, "memory")[0];
  CHECK(series(page.panels[0], "flash") == nullptr);
  CHECK_THAT(page.notes[0], Contains("flash zero at every point"));
  CHECK(page.panels[0].guides.size() == 2);
}

TEST_CASE("colours stay with their implementation", "[report]") {
  RecordSet records = made_up::attention_sweep(1);
  const auto all = styles_of(view(records)[0], "attention");
  std::erase_if(records.cases, [](const auto& record) { return record.implementation != "flash"; });
  const std::vector<RunView> filtered = view(records);
  CHECK(styles_of(filtered[0], "attention").at("flash").colour == all.at("flash").colour);
  CHECK(all.at("naive").colour == "#7F7F7F");
  std::set<std::string> colours;
  for (const auto& [name, style] : all) colours.insert(style.colour);
  CHECK(colours.size() == all.size());
}

TEST_CASE("panels without data are left out and the rest closes ranks", "[report]") {
  RecordSet records = made_up::attention_sweep(1);
  std::erase_if(records.cases, [](const auto& record) {
    return record.point.word("dtype") != "f32" ||
           (record.point.integer("head_dim") == 64 && record.point.flag("causal"));
  });
  const Page page = pages(records, "time")[0];
  REQUIRE(page.panels.size() == 3);
  CHECK(page.panels[2].row == 1);
  CHECK(page.panels[2].column == 0);
}

TEST_CASE("figures that name what is not there are refused", "[report]") {
  const RecordSet records = one_figure();
  const std::vector<RunView> runs = view(records);
  CHECK_THROWS_WITH(timed_pages(runs[0], runs[0].timed[0], spec("tme")),
                    Contains("unknown kind 'tme'") && Contains("time"));
  FigureSpec wrong = spec("time");
  wrong.x = "length";
  CHECK_THROWS_WITH(timed_pages(runs[0], runs[0].timed[0], wrong), Contains("no axis 'length'"));
}

TEST_CASE("ticks", "[report]") {
  using Labels = std::vector<std::string>;
  CHECK(labels(log_ticks(0.5, 2000)) == Labels{"1", "10", "100", "1000"});
  CHECK(labels(log_ticks(1e-9, 100)) == Labels{"10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "1", "10²"});
  CHECK(labels(log_ticks(0.8, 9)) == Labels{"1", "2", "5"});
  CHECK(labels(linear_ticks(0, 450)) == Labels{"0", "100", "200", "300", "400"});
  CHECK(labels(linear_ticks(-0.1, 0.1)) == Labels{"-0.1", "-0.05", "0", "0.05", "0.1"});
  CHECK(labels(byte_ticks(100e3, 300e6)) ==
        Labels{"256 KiB", "1 MiB", "4 MiB", "16 MiB", "64 MiB", "256 MiB"});
  CHECK(log_ticks(0, 10).empty());
  CHECK(linear_ticks(1, 1).empty());
}

TEST_CASE("curves are medians with a band over seeds", "[report]") {
  const RecordSet records = made_up::descent_study(5);
  const std::vector<RunView> runs = view(records);
  FigureSpec curve;
  curve.name = "gap";
  curve.kind = "curve";
  curve.x = "iteration";
  curve.panels = {"block"};
  curve.over = {"descent", "gap"};
  const std::vector<Page> made = study_pages(runs[0], runs[0].studies[0], curve);
  REQUIRE(made.size() == 1);
  REQUIRE(made[0].panels.size() == 3);
  CHECK(made[0].bands);
  CHECK(made[0].panels[0].y.log);
  CHECK_FALSE(made[0].panels[0].x.log);
  const Series* greedy = series(made[0].panels[1], "greedy");
  REQUIRE(greedy != nullptr);
  const Mark& last = greedy->marks.back();
  CHECK(last.low < last.y);
  CHECK(last.y < last.high);
  CHECK_THAT(made[0].notes.back(), Contains("over 5 seeds"));
  curve.log = "xy";  // iteration 0 cannot stand there, the rest can
  CHECK(study_pages(runs[0], runs[0].studies[0], curve)[0].panels[0].x.low == 10);
  curve.over = {"no-such-curve", "gap"};
  CHECK(study_pages(runs[0], runs[0].studies[0], curve).empty());
}

TEST_CASE("a script quotes what it is given", "[report]") {
  Page page = pages(one_figure(), "time")[0];
  page.title = "it's \"quoted\" \\ and\nbroken";
  const std::string script = gnuplot_script(page);
  CHECK_THAT(script, Contains("'it''s \"quoted\" \\ and broken'"));
  CHECK_THAT(script, Contains("set output 'attention-forward-time.png'"));
  CHECK_THAT(script, Contains("$series_0_0 << END") && Contains("with vectors heads"));
}

TEST_CASE("figures without gnuplot name the package and keep the script", "[report]") {
  const Folder folder;
  FigureOptions options;
  options.gnuplot = "no-such-gnuplot";
  CHECK_THROWS_WITH(write_figures(one_figure(), folder.path(), options),
                    Contains("gnuplot-nox") && Contains("no-such-gnuplot"));
  CHECK(fs::exists(folder.path() / "attention-forward-time.gp"));
}

TEST_CASE("nothing to draw is an error with a reason", "[report]") {
  const Folder folder;
  CHECK_THROWS_AS(write_figures(RecordSet{}, folder.path()), NothingToShow);
  RecordSet records = one_figure();
  for (auto& record : records.cases) made_up::refuse(record, record::Status::crashed, "signal 11");
  CHECK_THROWS_WITH(write_figures(records, folder.path()),
                    Contains("nothing to draw for figure 'time'"));
  FigureOptions options;
  options.formats = {"pgn"};
  CHECK_THROWS_WITH(write_figures(one_figure(), folder.path(), options),
                    Contains("did you mean 'png'"));
}

TEST_CASE("gnuplot draws every kind without a warning", "[report]") {
  if (!have_gnuplot()) {
    WARN("skipped: gnuplot is not installed (package gnuplot-nox)");
    return;
  }
  const Folder folder;
  RecordSet records = made_up::attention_sweep(1);
  std::erase_if(records.cases,
                [](const auto& record) { return record.point.word("dtype") != "f32"; });
  const RecordSet study = made_up::descent_study(3);
  records.runs.push_back(study.runs[0]);
  records.studies = study.studies;
  const FigureFiles written = write_figures(records, folder.path(), {{"svg"}, {}, "gnuplot"});
  CHECK(written.messages.empty());
  CHECK(written.files.size() == 12);
  for (const fs::path& file : written.files) CHECK(fs::file_size(file) > 500);
  const std::string svg =
      testing::read_text(folder.path() / "attention-forward-time-20260704T101500-ab12.svg");
  CHECK_THAT(svg, Contains("head_dim = 64, causal = true") && Contains("flash") && Contains("16k"));
  CHECK_THAT(svg, Contains("DejaVu Sans"));
}

TEST_CASE("a script that fails is reported with what gnuplot said", "[report]") {
  if (!have_gnuplot()) {
    WARN("skipped: gnuplot is not installed (package gnuplot-nox)");
    return;
  }
  const Folder folder;
  // A folder where the picture should be: gnuplot cannot write it.
  fs::create_directories(folder.path() / "attention-forward-time.svg");
  CHECK_THROWS_AS(write_figures(one_figure(), folder.path(), {{"svg"}, {}, "gnuplot"}),
                  GnuplotError);
}

}  // namespace ashlar::report
