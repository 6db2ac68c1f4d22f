#include "harness/report/text.hpp"

#include <catch2/catch.hpp>

#include "harness/report/grid.hpp"
#include "harness/report/units.hpp"

namespace ashlar::report {

TEST_CASE("width counts columns, not bytes or colours", "[report]") {
  CHECK(display_width("µs – ok") == 7);
  CHECK(display_width(paint("ok", Colour::red, true)) == 2);
  CHECK(display_width("e\xCC\x81") == 1);  // a combining accent
  CHECK(pad("µ", 3) == "µ  ");
  CHECK(pad("µ", 3, Align::right) == "  µ");
  CHECK(paint("ok", Colour::red, false) == "ok");
}

TEST_CASE("wrapping breaks at blanks and keeps line breaks", "[report]") {
  CHECK(wrap("one two three", 7) == std::vector<std::string>{"one two", "three"});
  CHECK(wrap("a\nb", 10) == std::vector<std::string>{"a", "b"});
  CHECK(wrap("", 10) == std::vector<std::string>{""});
  CHECK(wrap("unbreakable-word x", 5) == std::vector<std::string>{"unbreakable-word", "x"});
}

TEST_CASE("names are enumerated", "[report]") {
  CHECK(enumeration({}).empty());
  CHECK(enumeration({"a"}) == "a");
  CHECK(enumeration({"a", "b"}) == "a and b");
  CHECK(enumeration({"a", "b", "c"}) == "a, b and c");
}

TEST_CASE("text cannot break out of its format", "[report]") {
  CHECK(escape_markdown("a|b\nc <b>") == "a\\|b<br>c &lt;b>");
  CHECK(escape_csv("plain") == "plain");
  CHECK(escape_csv("a,\"b\"") == "\"a,\"\"b\"\"\"");
  CHECK(escape_csv("two\nlines") == "\"two\nlines\"");
  CHECK(escape_latex("50 % of a_b & c") == "50 \\% of a\\_b \\& c");
  CHECK(escape_latex("\\x{1}^2~#$") ==
        "\\textbackslash{}x\\{1\\}\\textasciicircum{}2\\textasciitilde{}\\#\\$");
  CHECK(escape_latex("µs – [1]") == "$\\mu$s -- {[}1]");
  CHECK(quote_shell("seqlen=1024") == "seqlen=1024");
  CHECK(quote_shell("it's $HOME") == "'it'\\''s $HOME'");
  CHECK(quote_shell("").size() == 2);
  CHECK(escape_regex("flash(2).x+") == "flash\\(2\\)\\.x\\+");
}

TEST_CASE("a format that is misspelt is suggested", "[report]") {
  CHECK(parse_format("latex") == Format::latex);
  CHECK_THROWS_WITH(parse_format("markdwn"), Catch::Contains("did you mean 'markdown'"));
}

TEST_CASE("numbers carry units and four digits", "[report]") {
  CHECK(time_text({12.3456e6, 12.2e6, 12.55e6}) == "12.35 ms [12.20, 12.55]");
  CHECK(time_text({950.0, {}, {}}) == "950.0 ns");
  CHECK(time_text({12.3456e6, 12.2e6, 12.55e6, false}) == "12.35 ms (12.20, 12.55)");
  CHECK(time_text({std::nan(""), {}, {}}) == "nan");
  CHECK(short_time_text({2e9, 1.9e9, 2.05e9}) == "2.000 s ±5.0 %");
  CHECK(short_time_text({2e9, 1.9e9, 2.05e9, false}) == "2.000 s (±5.0 %)");
  CHECK(ratio_text({1.871, 1.84, 1.9}) == "1.87x [1.84, 1.90]");
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(3.25 * 1024 * 1024) == "3.25 MiB");
  CHECK(percent_text(0.8421) == "84.2 %");
  CHECK(percent_text(1e-6) == "0.0001 %");
  CHECK(rate_text(225e9) == "225.0");
  CHECK(number(0) == "0");
  CHECK(number(1.5e-9) == "1.5e-09");
  CHECK(number(-INFINITY) == "-inf");
}

TEST_CASE("axis labels shorten thousands of one kind only", "[report]") {
  using Labels = std::vector<std::string>;
  CHECK(axis_labels({512, 1024, 16384}) == Labels{"512", "1k", "16k"});
  CHECK(axis_labels({100, 1000, 1000000}) == Labels{"100", "1k", "1M"});
  CHECK(axis_labels({1000, 1024}) == Labels{"1000", "1024"});
  CHECK(axis_labels({0.5, 2.0}) == Labels{"0.5", "2.0"});
  CHECK(axis_labels({"f32", "bf16"}) == Labels{"f32", "bf16"});
}

TEST_CASE("a Markdown table lines up", "[report]") {
  Grid grid;
  grid.title = "T";
  grid.columns = {{"name", Align::left}, {"µ", Align::right}};
  grid.rows = {{"a|b", "1"}, {"c", "1000"}};
  grid.notes = {"a note"};
  CHECK(to_markdown(grid) ==
        "**T**\n\n"
        "| name |    µ |\n"
        "|------|-----:|\n"
        "| a\\|b |    1 |\n"
        "| c    | 1000 |\n"
        "\na note  \n");
}

TEST_CASE("CSV takes all keys and flattens objects", "[report]") {
  Rows rows;
  rows.push_back({{"a", 1}, {"point", {{"n", 2}}}});
  rows.push_back({{"a", nullptr}, {"point", {{"m", "x,y"}}}, {"flags", {"p", "q"}}});
  CHECK(to_csv(rows) == "a,point.n,point.m,flags\n1,2,,\n,,\"x,y\",p;q\n");
  CHECK(to_csv({}).empty());
  CHECK(to_json({}) == "[]\n");
  CHECK(model::Json::parse(to_json(rows)).size() == 2);
}

}  // namespace ashlar::report
