#include "impls/bcd/libsvm.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace ashlar::bcd {
namespace libsvm_test {

using Catch::Matchers::Contains;
using Catch::Matchers::Equals;

std::string refusal(const std::string& text) {
  try {
    parse_libsvm(text, "file");
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

std::string refusal(const std::string& text, Loss loss, bool drop_empty = false) {
  LibsvmOptions options;
  options.drop_empty = drop_empty;
  try {
    make_problem(parse_libsvm(text, "file"), "file", loss, options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("rows of LIBSVM's format are read", "[libsvm]") {
  const LabelledRows rows = parse_libsvm(
      "+1 1:0.5 3:-2e-3 # comment 9:9\n"
      "\n"
      "# 1 1:1\n"
      "-1\t2:1.   4:+7\r\n"
      " 2.5 \n"
      "0 1:0 5:0 # zeros are not stored, but name the feature\n"
      "3 2:-.5",
      "file");
  CHECK(rows.labels == std::vector<double>{1, -1, 2.5, 0, 3});
  CHECK(rows.lines == std::vector<std::int64_t>{1, 4, 5, 6, 7});
  CHECK(rows.columns == 5);
  CHECK(rows.rows.starts == std::vector<std::int64_t>{0, 2, 4, 4, 4, 5});
  CHECK(rows.rows.indices == std::vector<Index>{0, 2, 1, 3, 1});
  CHECK(rows.rows.values == std::vector<double>{0.5, -2e-3, 1, 7, -0.5});
  CHECK(parse_libsvm("1 2147483646:1", "file").columns == 2147483646);
}

TEST_CASE("lines that are wrong are refused by line and column", "[libsvm]") {
  CHECK_THAT(refusal("1 1:1\n1 1:x"),
             Equals("file:2:5: value 'x' is not a number; write one like 1 or -2.5e-3"));
  CHECK_THAT(refusal("one 1:1"), Contains("file:1:1: label 'one' is not a number"));
  CHECK_THAT(refusal("1:1 2:1"), Contains("file:1:1: '1:1' where the label is expected"));
  CHECK_THAT(refusal("1,3 1:1"), Contains("file:1:2: several labels"));
  CHECK_THAT(refusal("1 qid:7 1:1"), Contains("file:1:3: 'qid:7'"));
  CHECK_THAT(refusal("1 5"), Contains("file:1:3: '5' has no colon"));
  CHECK_THAT(refusal("1 1:"), Contains("file:1:5: value '' is not a number"));
  CHECK_THAT(refusal("1 :1"), Contains("feature '' is not a whole number"));
  CHECK_THAT(refusal("1 1.5:1"), Contains("feature '1.5' is not a whole number"));
  CHECK_THAT(refusal("1 1:1:1"), Contains("file:1:5: value '1:1'"));
  CHECK_THAT(refusal("1 0:1"), Contains("file:1:3: feature 0; they count from 1"));
  CHECK_THAT(refusal("1 -2:1"), Contains("feature -2; they count from 1"));
  CHECK_THAT(refusal("1 2147483647:1"), Contains("is beyond 2147483646"));
  CHECK_THAT(refusal("1 99999999999999999999:1"), Contains("is beyond 2147483646"));
  CHECK_THAT(refusal("1 2:1  2:1"), Contains("file:1:8: feature 2 stands behind 2"));
  CHECK_THAT(refusal("1 3:1 2:1"), Contains("file:1:7: feature 2 stands behind 3"));
  for (const char* value : {"nan", "inf", "-Infinity", "+inf"}) {
    CHECK_THAT(refusal(std::string("1 1:") + value), Contains("is not finite"));
  }
  CHECK_THAT(refusal("nan 1:1"), Contains("file:1:1: label 'nan' is not finite"));
  CHECK_THAT(refusal("1 1:1e999"), Contains("outside the range of double"));
  CHECK_THAT(refusal("1 1:++1"), Contains("is not a number"));
  CHECK_THAT(refusal("1 1:+-1"), Contains("is not a number"));
  CHECK_THAT(refusal("1 1:0x1p3"), Contains("is not a number"));
  CHECK_THAT(refusal(""), Contains("file:1:1: no example"));
  CHECK_THAT(refusal("# nothing\n\n"), Contains("no example"));
  CHECK_THAT(refusal(std::string("1 1:1\0002", 7)), Contains("value '1\\x002' is not a number"));
  CHECK_THAT(refusal("1 1:7x" + std::string(1000, '7')), Contains("7777...' is not a number"));
}

TEST_CASE("labels become targets of the loss", "[libsvm]") {
  const std::string text = "7 1:1\n-2 2:1\n7 1:2 2:3\n";
  const LabelledRows rows = parse_libsvm(text, "file");
  LibsvmProblem made = make_problem(rows, "file", Loss::least_squares);
  CHECK(made.problem.targets == std::vector<double>{7, -2, 7});
  CHECK(made.problem.size() == 2);
  CHECK(made.classes.empty());
  CHECK(made.note.empty());
  CHECK(made.problem.features->by_column.values == std::vector<double>{1, 2, 1, 3});

  made =
      make_problem(rows, "file", Loss::logistic, {.penalty = {.lambda = 2, .nonnegative = true}});
  CHECK(made.problem.loss == Loss::logistic);
  CHECK(made.problem.targets == std::vector<double>{1, -1, 1});
  CHECK(made.classes == std::vector<double>{-2, 7});
  CHECK(made.note == "label -2 is taken as -1, 7 as 1");
  CHECK(made.problem.penalty.lambda == 2);
  CHECK(made.problem.penalty.nonnegative);
  CHECK(make_problem(parse_libsvm("1 1:1\n-1 1:1", "file"), "file", Loss::logistic).note.empty());

  made = make_problem(parse_libsvm("5 1:1\n3 1:1\n9.5 1:1\n3 1:2", "file"), "file", Loss::softmax);
  CHECK(made.problem.classes == 3);
  CHECK(made.problem.size() == 3);
  CHECK(made.problem.targets == std::vector<double>{1, 0, 2, 0});
  CHECK(made.classes == std::vector<double>{3, 5, 9.5});
  CHECK(made.note == "labels 3, 5, 9.5 are taken as classes 0 to 2");
  CHECK(make_problem(parse_libsvm("1 1:1\n0 1:1", "file"), "file", Loss::softmax).note.empty());
}

TEST_CASE("labels that do not fit the loss are refused", "[libsvm]") {
  CHECK_THAT(refusal("1 1:1\n2 1:1\n3 1:1", Loss::logistic), Contains("3 different labels"));
  CHECK_THAT(refusal("1 1:1\n1 1:2", Loss::logistic), Contains("1 different labels"));
  CHECK_THAT(refusal("4 1:1\n4 1:2", Loss::softmax), Contains("all labels are 4"));
  CHECK_THAT(refusal("1 1:1", Loss::quadratic), Contains("file: a quadratic has no examples"));
}

TEST_CASE("empty lines and features are refused or left out", "[libsvm]") {
  const std::string gaps = "1 2:1\n2 5:0\n\n3 2:4 4:5\n";
  CHECK_THAT(refusal(gaps, Loss::least_squares), Contains("file: line 2 has no value but 0"));
  CHECK_THAT(refusal("1 2:1\n3 2:4 4:5\n", Loss::least_squares),
             Contains("feature 1 has no value"));
  CHECK_THAT(refusal("1 1:1\n3 1:4 3:5\n", Loss::least_squares),
             Contains("feature 2 has no value"));
  CHECK_THAT(refusal("1 1:1 2:1\n3 1:4 3:0\n", Loss::least_squares),
             Contains("feature 3 has no value"));
  CHECK_THAT(refusal("1 1:0\n2", Loss::least_squares, true), Contains("there is nothing to fit"));
  CHECK_THAT(refusal("1 1:1e-300\n", Loss::least_squares),
             Contains("file: least squares: the squares"));

  LibsvmOptions options;
  options.drop_empty = true;
  const LibsvmProblem made =
      make_problem(parse_libsvm(gaps, "file"), "file", Loss::softmax, options);
  CHECK(made.problem.features->rows == 2);
  CHECK(made.features == std::vector<Index>{2, 4});
  CHECK(made.problem.features->by_row.indices == std::vector<Index>{0, 0, 1});
  CHECK(made.problem.features->by_row.values == std::vector<double>{1, 4, 5});
  CHECK(made.classes == std::vector<double>{1, 3});  // label 2 went with its line
  CHECK_THAT(made.note, Contains("; left out as they have no value but 0: 1 lines, 3 features"));
}

TEST_CASE("files are read from disk", "[libsvm]") {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / "ashlar_bcd_libsvm_test";
  std::ofstream(file) << "1 1:1\n2 1:2 2:2\n";
  CHECK(load_libsvm(file, Loss::least_squares).problem.targets == std::vector<double>{1, 2});
  std::ofstream(file) << "1 1:1\n2 1:2 2;2\n";
  CHECK_THROWS_WITH(load_libsvm(file, Loss::least_squares),
                    Contains(file.string() + ":2:7: '2;2'"));
  std::filesystem::remove(file);
  CHECK_THROWS_WITH(read_libsvm(file), Contains(file.string() + ":1:1: cannot be read"));
  CHECK_THROWS_WITH(read_libsvm("/"), Contains("cannot be read"));
}

}  // namespace libsvm_test
}  // namespace ashlar::bcd
