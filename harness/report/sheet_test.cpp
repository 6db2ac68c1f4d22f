#include "harness/report/sheet.hpp"

#include <catch2/catch.hpp>

#include "harness/report/gnuplot_script.hpp"
#include "harness/report/text_width.hpp"

namespace ashlar::report {

using Catch::Contains;

namespace {

/// Panels in `rows` rows and two columns, with a legend of one name.
Page page_of(std::size_t rows, const std::string& name) {
  Page page;
  page.file = "page";
  page.title = "A title";
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < 2; ++column) {
      Panel panel;
      panel.row = row;
      panel.column = column;
      panel.title = "panel";
      panel.y.title = "rate (GFLOP/s)";
      panel.y.ticks = {{0, "0"}, {1, "1000"}};
      Series series;
      series.name = name;
      series.marks = {{1, 1, 1, 1}};
      panel.series.push_back(series);
      page.panels.push_back(panel);
    }
  }
  return page;
}

}  // namespace

TEST_CASE("text is as wide as its letters", "[report]") {
  CHECK(text_width("", 12) == 0);
  CHECK(text_width("iiii", 10) == Approx(11.12));
  CHECK(text_width("mmmm", 10) == Approx(38.96));
  CHECK(text_width("µ", 10) == Approx(8.38));  // one letter, not two bytes
  CHECK(wrap_pixels("iiii mmmm iiii", 10, 52) == std::vector<std::string>{"iiii", "mmmm", "iiii"});
  CHECK(wrap_pixels("iiii mmmm iiii", 10, 54) == std::vector<std::string>{"iiii mmmm", "iiii"});
  CHECK(wrap_pixels("mmmmmmmm i", 10, 20) == std::vector<std::string>{"mmmmmmmm", "i"});
  CHECK(wrap_pixels("", 10, 20).empty());
}

TEST_CASE("notes are wrapped to the width of their own figure", "[report]") {
  std::string note = "Not drawn:";
  for (int i = 0; i < 12; ++i) note += " MMM-implementation-with-wide-letters (unsupported),";
  std::size_t lines[2] = {};
  for (const bool wide : {false, true}) {
    Page page = page_of(1, wide ? "a name in the legend that makes the figure wider" : "i");
    page.notes = {note};
    const Sheet sheet(page);
    lines[wide ? 1 : 0] = sheet.notes().size();
    for (const std::string& line : sheet.notes())
      CHECK(text_width(line, kSmallText) <= sheet.width() - 28);
    // The last line ends above the lower edge.
    CHECK(sheet.notes_top() + kLine * static_cast<double>(sheet.notes().size() - 1) <
          sheet.height());
  }
  CHECK(lines[0] > lines[1]);
}

TEST_CASE("both pictures have letters of the size that the page reckons with", "[report]") {
  // The PNG has twice the pixels of the SVG, and its points are 96 to the inch: 4/3 pixels.
  const std::string script = gnuplot_script(page_of(1, "name"));
  CHECK_THAT(script, Contains("font 'DejaVu Sans,10' fontscale 2 "));
  CHECK_THAT(script, Contains("font 'DejaVu Sans,10' fontscale 1.3333 "));
  CHECK_THAT(script,
             Contains("title_font = 'DejaVu Sans:Bold,13'") && Contains("left font title_font"));
}

TEST_CASE("the title of the y axis stands beside the middle of each row", "[report]") {
  Page page = page_of(2, "name");
  const Sheet sheet(page);
  const std::vector<YTitle> titles = sheet.y_titles();
  REQUIRE(titles.size() == 2);
  for (const std::size_t row : {0, 1}) {
    const Panel& panel = page.panels[2 * row];
    CHECK(titles[row].middle == Approx((sheet.top(panel) + sheet.bottom(panel)) / 2));
  }
  // One that is longer than a row is high stands once, beside the middle of all.
  for (Panel& panel : page.panels)
    panel.y.title = "speed-up over an implementation with a long name";
  const Sheet tall(page);
  REQUIRE(tall.y_titles().size() == 1);
  CHECK(tall.y_titles()[0].middle ==
        Approx((tall.top(page.panels[0]) + tall.bottom(page.panels[3])) / 2));
}

}  // namespace ashlar::report
